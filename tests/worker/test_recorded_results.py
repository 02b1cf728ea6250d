"""Recorded results of the real feed, through reader and settlement into the database.

Their cards were not recorded, so a card is made of each result: its horses, and those that it names
as non-runners; and a result is made for a recorded card. What is expected was read off the payloads
by eye.
"""

import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from darkhorses.store.pool import Database
from darkhorses.worker.past_days import FilledDay, PastDays
from tests.cards import quote, race, runner
from tests.feeds import Feed, StagedSource
from tests.market import StoppedClock
from tests.past_days import table
from tests.recorded import RECORDED, needs_recordings
from tests.results import finisher, result

pytestmark = [needs_recordings, pytest.mark.recorded]

MUCH_LATER = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)


class Table:
    """The historical rows that recorded results become."""

    def __init__(self, database: Database, source: StagedSource, feed: Feed) -> None:
        self._database = database
        self._source = source
        self._past = PastDays(feed.client, database, StoppedClock(MUCH_LATER))

    async def fill(self, name: str, *absent: str) -> FilledDay:
        """Read a recorded result, or a page of them, with cards that have ``absent`` horses too."""
        payload = json.loads((RECORDED / name).read_bytes())
        results = payload.get("results", [payload])
        self._source.results_of_all += results
        self._source.cards += [_card_of(result, *absent) for result in results]
        day, region = date.fromisoformat(results[0]["date"]), results[0]["region"].lower()
        return await self._fill(day, region)

    async def fill_card(self, name: str, *positions: tuple[str, str, str]) -> FilledDay:
        """Read a recorded card with a result of horse, position and starting price."""
        payload = json.loads((RECORDED / name).read_bytes())
        id_of = {horse["horse"]: horse["horse_id"] for horse in payload["runners"]}
        ran = [
            finisher(position, horse_id=id_of[horse], horse=f"{horse} (IRE)", sp=price, prize="")
            for horse, position, price in positions
        ]
        facts = ("race_id", "date", "off_dt", "course_id", "course", "region", "race_name")
        self._source.results_of_all.append(result(*ran, **{f: payload[f] for f in facts}))
        self._source.cards.append(payload)
        day = date.fromisoformat(payload["date"])
        return await self._fill(day, "gb")

    async def _fill(self, day: date, region: str) -> FilledDay:
        filling = self._past.fill(day, [region], self._database.transaction)
        (filled,) = [told async for told in filling]
        return filled

    async def row(self, horse: str, columns: str) -> tuple[Any, ...]:
        """Some columns of the one row of a horse."""
        sql = f"SELECT {columns} FROM ra_odds_historical WHERE horse_name = $1"  # noqa: S608
        (row,) = await table(self._database, sql, horse)
        return row

    async def column(self, column: str, where: str = "true") -> list[Any]:
        """A column of those who ran, by place; who did not finish comes last."""
        sql = (
            f"SELECT {column} FROM ra_odds_historical WHERE NOT is_non_runner AND {where}"  # noqa: S608
            " ORDER BY position_no, horse_number"
        )
        return [value for (value,) in await table(self._database, sql)]

    async def rows_of(self, sql: str) -> list[tuple[Any, ...]]:
        return await table(self._database, sql)


def _card_of(result: dict[str, Any], *absent: str) -> dict[str, Any]:
    """A card as it is after the race: names without a country, a non-runner without its number."""
    ran = [
        runner(
            horse_id=ran["horse_id"],
            horse=ran["horse"].rpartition(" (")[0],
            number=ran["number"],
            odds=[quote(decimal=ran["sp_dec"], fractional=ran["sp"].rstrip("FJC"))],
        )
        for ran in result["runners"]
    ]
    not_run = [
        runner(
            horse_id=f"hrs_absent_{number}",
            horse=horse,
            number="NR",
            jockey="NON-RUNNER",
            odds=[quote(decimal="-", fractional="-")],
        )
        for number, horse in enumerate(absent)
    ]
    facts = ("race_id", "date", "off_dt", "course_id", "course", "region", "race_name", "type")
    return race(*ran, *not_run, **{name: result[name] for name in facts})


@pytest.fixture
async def historical(database: Database) -> AsyncIterator[Table]:
    source = StagedSource()
    async with Feed.serving(source, StoppedClock(MUCH_LATER)) as feed:
        yield Table(database, source, feed)


def decimals(*texts: str) -> list[Decimal]:
    return [Decimal(text) for text in texts]


async def test_newcastle_has_a_dead_heat_for_sixth_and_twelve_ran(historical: Table) -> None:
    filled = await historical.fill("result_deadheat_6th_newcastle_2025-10-17.json", "Nibras Angel")

    assert (filled.rows, filled.gap) == (13, None)
    assert await historical.column("finishing_position") == [
        "1", "2", "3", "4", "5", "6", "6", "8", "9", "10", "11", "12",
    ]  # fmt: skip
    for horse in ("Grecian Legacy", "Jujubella"):
        assert await historical.row(
            horse, "position_no, dead_heat_count, winning_distance, ew_return"
        ) == (6, 2, Decimal("4.5"), 0)
    assert await historical.row(
        "Census",
        "industry_sp, industry_sp_fractional, sp_favorite_position, sp_favorite_mark, prize,"
        " prize_currency",
    ) == (Decimal("2.875"), "15/8", 1, "F", 2456, "GBP")
    # A handicap of twelve that ran: three places at a quarter of the odds.
    assert await historical.row(
        "Best Adventure", "sp_win_return, place_return, ew_return, winning_distance, weight"
    ) == (*decimals("5.5", "2.125", "7.625", "0.3"), "9-12")
    assert await historical.column("place_return", "position_no <= 4") == decimals(
        "2.125", "1.4688", "2", "0"
    )
    assert await historical.row(
        "Nibras Angel", "is_non_runner, non_runner_reason, sp_win_return, runners_count"
    ) == (True, "self certificate, off feed", 1, 12)
    # Thirteen were declared; without a log nobody knows what the withdrawal cost.
    assert (
        await historical.column("DISTINCT ON (position_no, horse_number) rule_4_pence")
        == [None] * 12
    )


async def test_kempton_has_joint_favourites_beaten_by_an_outsider(historical: Table) -> None:
    filled = await historical.fill(
        "result_joint_favs_nonrunner_kempton_2025-10-13.json", "Miss Chester"
    )

    assert (filled.rows, filled.gap) == (11, None)
    for horse, place in (("Jet Black", "2"), ("Pergola", "4")):
        assert await historical.row(
            horse,
            "finishing_position, industry_sp, sp_favorite_position, sp_favorite_mark",
        ) == (place, Decimal("4.5"), 1, "JF")
    assert await historical.row("Nanny Park", "sp_favorite_position, sp_favorite_mark") == (3, None)
    # A handicap of ten that ran: three places at a fifth.
    assert await historical.row(
        "Veraison", "sp_win_return, place_return, ew_return, prize, track, race_time"
    ) == (*decimals("9.5", "2.7", "12.2", "4187.20"), "Kempton (AW)", "20:10")
    assert await historical.row("Pergola", "sp_win_return, place_return") == (0, 0)
    assert await historical.row("Miss Chester", "is_non_runner, non_runner_reason, ew_return") == (
        True, "self certificate, coughing", 2,
    )  # fmt: skip


async def test_dundalk_pays_its_prizes_in_euros_and_nobody_was_withdrawn(
    historical: Table,
) -> None:
    filled = await historical.fill("result_irish_dundalk_euro_2025-10-17.json")

    assert (filled.region, filled.rows, filled.gap) == ("ire", 9, None)
    assert await historical.column("prize || ' ' || prize_currency", "prize IS NOT NULL") == [
        "7080.00 EUR", "2280.00 EUR", "1080.00 EUR", "480.00 EUR", "240.00 EUR", "120.00 EUR",
    ]  # fmt: skip
    # A maiden of nine: three places at a fifth; the beaten odds-against favourite stands fifth.
    assert await historical.row("Cecco", "sp_win_return, place_return, ew_return, country") == (
        *decimals("9", "2.6", "11.6"), "IRE",
    )  # fmt: skip
    assert await historical.row(
        "Ballintogher", "industry_sp, sp_favorite_position, sp_favorite_mark, position_no"
    ) == (Decimal("2.1"), 1, "F", 5)
    assert await historical.row("Precious Pennies", "industry_sp, official_rating") == (301, None)
    assert set(await historical.column("rule_4_pence")) == {0}
    assert await historical.rows_of("SELECT course, going, is_handicap FROM ra_results") == [
        ("Dundalk (AW)", "Standard", False)
    ]


DONCASTER_ABSENT = {
    "Bona Fortuna": "unsuitable ground",
    "Brazilian Belle": "withdrawn",
    "Hurt You Never": "unsuitable ground",
    "Winchurch": "unsuitable ground",
}


async def test_doncaster_has_an_unseated_rider_sixteen_ran_and_four_of_twenty_did_not(
    historical: Table,
) -> None:
    filled = await historical.fill(
        "result_unseated_20_declared_doncaster_2025-09-14.json", *DONCASTER_ABSENT
    )

    assert (filled.rows, filled.gap) == (20, None)
    assert await historical.row(
        "Dunnington Lad",
        "finishing_position, position_no, winning_distance, is_non_runner, industry_sp, ew_return,"
        " runners_count",
    ) == ("UR", None, None, False, 126, 0, 16)
    # With the one that lost its rider sixteen ran in a handicap: four places at a quarter.
    assert await historical.column("place_return", "position_no <= 5") == decimals(
        "4", "2.75", "2.875", "3.5", "0"
    )
    assert await historical.row("Marching Mac", "sp_favorite_position, sp_favorite_mark") == (
        1,
        "F",
    )
    absent = await historical.rows_of(
        "SELECT horse_name, non_runner_reason FROM ra_odds_historical WHERE is_non_runner"
    )
    assert dict(absent) == DONCASTER_ABSENT
    (comments,) = await historical.rows_of("SELECT comments, non_runners FROM ra_results")
    assert comments[0] == "After a stewards' inquiry, the placings remained unaltered."
    assert comments[1].startswith("Bona Fortuna (unsuitable ground), Brazilian Belle (withdrawn), ")


async def test_a_recorded_page_that_was_cut_is_read_in_full_and_the_day_is_not_called_complete(
    historical: Table,
) -> None:
    historical._source.unsent["results"] = 37
    filled = await historical.fill("results_2025-10-13_kempton.json", "Miss Chester")

    # 39 results of the day were announced; the two that were kept have 10 and 9 runners.
    assert (filled.races, filled.gap) == (2, "announced by the feed and not sent: 37 results")
    ran = await historical.column("horse_name")
    assert len(ran) == 10 + 9
    # 100/30 is kept as it was said, and is exactly 10/3.
    assert await historical.row("Blast The Dream", "industry_sp, industry_sp_fractional") == (
        Decimal("4.333"), "100/30",
    )  # fmt: skip
    assert await historical.row("Londoner", "weight, place_return, sp_favorite_position") == (
        "10-0", Decimal("1.9"), 4,
    )  # fmt: skip


async def test_a_recorded_card_gives_frozen_prices_without_the_exchange_and_its_non_runner(
    historical: Table,
) -> None:
    filled = await historical.fill_card(
        "racecard_pro_nonrunner_hereford_2025-10-13.json",
        ("Jackstell", "1", "4/5F"),
        ("Big Boy Barney", "2", "9/4"),
        ("Whatyouwaitingfor", "3", "11/2"),
        ("Marhaba The Champ", "PU", "16/1"),
    )

    assert (filled.rows, filled.gap) == (5, None)
    # Of 27 bookmakers 3 had 5/6, 19 had 4/5 and 5 had 8/11; the exchange's 1.92 is none of them.
    assert await historical.row(
        "Jackstell", "data_source, opening_price, closing_price, pre_race_min, forecasted_odds"
    ) == ("card", None, *decimals("1.833", "1.727", "1.79"))
    assert await historical.row("Marhaba The Champ", "pre_race_min, pre_race_max") == (9, 19)
    # Five were declared and four ran: nobody is paid for a place.
    assert await historical.row(
        "Jackstell", "sp_win_return, place_return, ew_return, runners_count, weight"
    ) == (Decimal("1.8"), None, None, 4, "11-4")
    assert await historical.row(
        "Spartan Times",
        "is_non_runner, jockey, horse_number, data_source, sp_win_return, place_return",
    ) == (True, None, None, "result", 1, None)


async def test_of_the_recorded_results_nothing_is_set_aside(historical: Table) -> None:
    for recorded in sorted(RECORDED.glob("result*.json")):
        await historical.fill(recorded.name)

    assert await historical.rows_of("SELECT reason FROM quarantine") == []
