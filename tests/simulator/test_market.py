from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction
from typing import Any

import msgspec
import pytest

from darkhorses.simulator.books import NAMES
from darkhorses.simulator.events import EventMaker
from darkhorses.simulator.ladders import FRACTIONS, decimal_text
from darkhorses.simulator.market import moves_before, seconds_before
from darkhorses.simulator.races import RaceMaker
from darkhorses.simulator.schedule import OrdinarySchedule
from tests.simulator.worlds import NOW, cards, decimals, is_non_runner, ordinary, results

TODAY = NOW.date()


def active(race: dict[str, Any]) -> list[dict[str, Any]]:
    return [runner for runner in race["runners"] if runner["odds"] and not is_non_runner(runner)]


def percentages(race: dict[str, Any]) -> dict[str, float]:
    """Each complete book's sum of implied chances."""
    books: dict[str, list[str]] = {}
    for runner in active(race):
        for bookmaker, decimal in decimals(runner).items():
            books.setdefault(bookmaker, []).append(decimal)
    return {
        bookmaker: sum(1 / float(decimal) for decimal in prices)
        for bookmaker, prices in books.items()
        if "-" not in prices
    }


@pytest.mark.parametrize("hours", [-4, 0, 6])
async def test_every_book_has_its_margin_and_the_exchange_hardly_any(hours: int) -> None:
    for race in await cards(ordinary(), TODAY, NOW + timedelta(hours=hours)):
        for bookmaker, percentage in percentages(race).items():
            if bookmaker == "Betfair Exchange":
                assert 0.995 < percentage < 1.035
            else:
                assert 1.02 < percentage < 1.35


async def test_prices_stand_on_the_fractional_ladder() -> None:
    ladder = {step.fractional: step.decimal for step in FRACTIONS.steps}
    for race in await cards(ordinary(), TODAY, NOW):
        for runner in active(race):
            for quote in runner["odds"]:
                if quote["bookmaker"] != "Betfair Exchange" and quote["decimal"] != "-":
                    assert ladder[quote["fractional"]] == quote["decimal"]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [("10/3", "4.33"), ("4/6", "1.67"), ("13/8", "2.62"), ("11/8", "2.38"), ("14/1", "15")],
)
def test_decimals_are_rounded_half_even_without_trailing_zeros(fraction: str, text: str) -> None:
    exact = Decimal(Fraction(fraction).numerator) / Decimal(Fraction(fraction).denominator) + 1

    assert decimal_text(Fraction(fraction) + 1) == text
    assert Decimal(text) == exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_EVEN)


async def test_a_market_moves_more_in_its_last_minutes_than_hours_before() -> None:
    source = ordinary()
    early = late = 0
    for race in (await cards(source, TODAY, NOW))[:12]:
        off = datetime.fromisoformat(race["off_dt"])
        early += await _changes(source, race["race_id"], off - timedelta(hours=3))
        late += await _changes(source, race["race_id"], off - timedelta(minutes=5))

    assert late > 3 * early > 0


async def _changes(source: Any, race_id: str, begin: datetime) -> int:
    """Prices that differ after five minutes."""
    one, other = [
        msgspec.json.decode(await source.racecard(race_id, at))
        for at in (begin, begin + timedelta(minutes=5))
    ]
    return sum(
        before != after
        for then, now in zip(one["runners"], other["runners"], strict=True)
        for before, after in zip(decimals(then).items(), decimals(now).items(), strict=False)
    )


async def test_prices_move_past_the_scheduled_off_and_freeze_after_the_actual_one() -> None:
    source = ordinary()
    moved = 0
    for race in await cards(source, TODAY, NOW):
        off = datetime.fromisoformat(race["off_dt"])
        bodies = [
            await source.racecard(race["race_id"], off + timedelta(minutes=minute))
            for minute in (0, 13, 14, 300)
        ]
        prices = [
            [decimals(runner) for runner in msgspec.json.decode(body or b"")["runners"]]
            for body in bodies
        ]
        moved += prices[0] != prices[1]
        # A late off is at most 11.7 minutes late.
        assert prices[1] == prices[2] == prices[3]

    assert moved > 10


async def test_a_result_appears_minutes_after_the_off_and_then_the_card_says_so() -> None:
    source = ordinary()
    evening = NOW.replace(hour=22)
    finished = {race["race_id"] for race in await results(source, TODAY, evening)}
    assert finished

    for race in await cards(source, TODAY, evening):
        off = datetime.fromisoformat(race["off_dt"])
        assert (race["race_status"] == "result") == (race["race_id"] in finished)
        assert await source.result(race["race_id"], off + timedelta(minutes=2)) is None


async def test_a_price_history_agrees_with_the_prices_that_were_served() -> None:
    source = ordinary()
    races = [
        race
        for race in await cards(source, TODAY, NOW)
        if any(map(is_non_runner, race["runners"])) and race["race_status"] != "result"
    ]
    race = races[0]
    off = datetime.fromisoformat(race["off_dt"]).astimezone(UTC)
    end = off - timedelta(minutes=1)
    minutes = [end - timedelta(minutes=back) for back in range(0, 400, 7)]
    minutes += [end - timedelta(minutes=back) for back in range(10)]
    served = {
        minute: msgspec.json.decode(
            await source.racecard(race["race_id"], minute + timedelta(seconds=59)) or b""
        )
        for minute in minutes
    }
    compared = 0
    for position, runner in enumerate(race["runners"]):
        body = await source.runner_odds(
            race["race_id"], runner["horse_id"], end + timedelta(seconds=59)
        )
        assert body is not None
        histories = {
            quote["bookmaker"]: quote["history"] for quote in msgspec.json.decode(body)["odds"]
        }
        for minute, card in served.items():
            for bookmaker, decimal in decimals(card["runners"][position]).items():
                then = next(
                    point["decimal"]
                    for point in histories[bookmaker]
                    if datetime.fromisoformat(point["changed_at"]) <= minute
                )
                assert (bookmaker, minute, then) == (bookmaker, minute, decimal)
                compared += 1
    assert compared > 5_000


async def test_a_price_history_is_in_whole_minutes_newest_first_from_the_day_before() -> None:
    source = ordinary()
    race = (await cards(source, TODAY, NOW))[-1]
    runner = active(race)[0]
    body = await source.runner_odds(race["race_id"], runner["horse_id"], NOW)
    odds = msgspec.json.decode(body or b"")["odds"]
    assert odds

    for quote in odds:
        stamps = [datetime.fromisoformat(point["changed_at"]) for point in quote["history"]]
        assert stamps == sorted(stamps, reverse=True)
        assert all(stamp.second == 0 for stamp in stamps)
        assert quote["history"][0]["decimal"] == quote["decimal"]
    first = min(point["changed_at"] for quote in odds for point in quote["history"])
    assert first == "2026-10-09T00:00:00+01:00"


async def test_a_book_pulls_its_prices_at_a_course_for_a_while() -> None:
    source = ordinary()
    seen = set()
    for day in range(5):
        for slot in OrdinarySchedule(7).races_on(TODAY - timedelta(days=day)):
            events = EventMaker(7).events(RaceMaker(7).facts(slot))
            for pull in events.pulls:
                if pull.ends > events.closes or slot.meeting.place.region_code == "fr":
                    continue
                seen.add(pull.absent)
                during, after = [
                    msgspec.json.decode(await source.racecard(slot.race_id, at) or b"")
                    for at in (pull.ends - timedelta(minutes=1), pull.ends + timedelta(minutes=1))
                ]
                for then, now in zip(during["runners"], after["runners"], strict=True):
                    if now["odds"] and not is_non_runner(now):
                        pulled = decimals(then).get(NAMES[pull.book])
                        assert pulled == (None if pull.absent else "-")
                        assert decimals(now)[NAMES[pull.book]] != "-"

    assert seen == {True, False}


@pytest.mark.parametrize("seconds", [0, 7, 300, 301, 1_799.5, 5_000, 100_000])
def test_moves_and_seconds_before_the_off_are_each_others_inverse(seconds: float) -> None:
    assert seconds_before(moves_before(seconds)) == pytest.approx(seconds)


async def test_a_faster_world_moves_more_in_the_same_time() -> None:
    slow = fast = 0
    for race in (await cards(ordinary(), TODAY, NOW))[:12]:
        begin = datetime.fromisoformat(race["off_dt"]) - timedelta(hours=4)
        slow += await _changes(ordinary(), race["race_id"], begin)
        fast += await _changes(ordinary(speed=8), race["race_id"], begin)

    assert fast > 1.5 * slow
