"""The change log of one race, among all others."""

import json
from datetime import date, timedelta

from darkhorses.domain.identifiers import HorseId
from darkhorses.store.pool import Connection, Database
from darkhorses.store.price_changes import price_changes_of
from darkhorses.store.queries import queries
from tests.history import fill_changes
from tests.market import NOON, MarketWriter, card, race, runner
from tests.plans import scans, scans_of_log

ADA, BOB = runner("Ada", 1), runner("Bob", 2)
OFF = NOON + timedelta(hours=1)


async def test_changes_come_as_they_took_effect_and_only_up_to_a_moment(
    database: Database, connection: Connection
) -> None:
    writer = await MarketWriter.leading(database)
    of = race(off_dt=OFF)
    for minute, text in ((0, "10/3"), (2, None), (4, "9/1")):
        look = card(of, (ADA, {"Bet365": text}), (BOB, {"Bet365": "1/1"}))
        await writer.look(look, seen_at=NOON + timedelta(minutes=minute))
    await connection.execute(
        """
        INSERT INTO ra_odds_changes (
            race_date, race_id, horse_id, bookmaker_id, odds_decimal, changed_at, seen_at, source
        )
        VALUES ($1, 'rac_1', 'hrs_ada', 'bet365', 10.000, $2, $3, 'history')
        """,
        of.race_date,
        NOON + timedelta(minutes=1),
        NOON + timedelta(hours=9),
    )
    found = await price_changes_of(
        connection, of, horse_id=ADA.horse_id, until=NOON + timedelta(minutes=2)
    )

    assert [(c.at - NOON, c.price and str(c.price.decimal), c.source) for c in found] == [
        (timedelta(0), "4.33", "poll"),
        (timedelta(minutes=1), "10", "history"),
        (timedelta(minutes=2), None, "poll"),
    ]
    everything = await price_changes_of(connection, of)
    assert [c.horse_id for c in everything].count(HorseId("hrs_bob")) == 1
    assert len(everything) == 5
    assert everything[0].at == NOON


async def test_a_race_is_read_by_its_index_in_the_partition_of_its_month(
    connection: Connection,
) -> None:
    await fill_changes(connection, 60_000)
    await fill_changes(connection, 20_000, first_day=date(2026, 4, 1))
    await connection.execute("ANALYZE")
    for name, arguments in (
        ("price_changes_of_race", ("rac_7", date(2026, 3, 1), None, NOON)),
        ("mark_of_log", ("rac_7", date(2026, 3, 1))),
    ):
        sql = getattr(queries, name).sql
        plan = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {sql}", *arguments)
        text = str(plan)
        assert "ra_odds_changes_2026_03" in text, text
        assert "2026_04" not in text
        assert "ra_odds_changes_default" not in text
        assert "Seq Scan" not in scans_of_log(json.loads(plan)).values()
        assert "race_no_idx" in text


async def test_a_race_of_a_month_that_nobody_has_analyzed_is_read_by_its_own_number(
    connection: Connection,
) -> None:
    await fill_changes(connection, 60_000)
    await connection.execute("ANALYZE")
    await fill_changes(connection, 20_000, first_day=date(2026, 4, 1))
    sql = queries.price_changes_of_race.sql
    plan = await connection.fetchval(
        f"EXPLAIN (FORMAT JSON) {sql}", "rac_7", date(2026, 4, 1), None, None
    )
    (found,) = [scan for scan in scans(json.loads(plan)) if scan[0] == "ra_odds_changes_2026_04"]
    assert "Index" in found[1]
    assert "race_no = (InitPlan" in plan
