"""Results as the feed writes them, drawn from the true chances at the off."""

from datetime import datetime, time, timedelta
from random import Random
from typing import Any

import msgspec

from darkhorses.domain.london import LONDON
from darkhorses.simulator import texts
from darkhorses.simulator.books import Book
from darkhorses.simulator.cards import clock_face, silk_url
from darkhorses.simulator.chance import chance
from darkhorses.simulator.events import Events
from darkhorses.simulator.ladders import FRACTIONS, Step
from darkhorses.simulator.market import Market
from darkhorses.simulator.races import RaceFacts, RunnerFacts, gumbel, stones
from darkhorses.simulator.schedule import Slot

_CODES = (("PU", 60), ("F", 20), ("UR", 12), ("BD", 4), ("RO", 2), ("RR", 2))
_FALLS = {"Chase": 0.14, "Hurdle": 0.07, "NH Flat": 0.004, "Flat": 0.003}
_DEAD_HEAT_RATE = 0.004
_MARGINS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3, 4, 6, 9)
_SHARES = (0.54, 0.25, 0.125, 0.0625)
_YARDS_A_FURLONG = 220
_SECONDS_A_LENGTH = 0.2
_BSP_HOUR = 8


class Finisher(msgspec.Struct, frozen=True, kw_only=True):
    """How one horse ended: a position or a code; lengths behind the one before and the first."""

    field_position: int
    position: str
    behind: float | None
    behind_first: float | None


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A race's order, its starting prices with their favourite marks, and exchange prices."""

    finishers: tuple[Finisher, ...]
    starting: dict[int, tuple[Step, str]]
    exchange: dict[int, Step]


def run_race(*, seed: int, race: RaceFacts, market: Market, books: tuple[Book, ...]) -> Outcome:
    """Run the race: everyone's chance to win is exactly the true one at the off."""
    dice = chance(seed, "finish", race.slot.race_id)
    final = market.final
    strengths = market.final_strengths
    order = sorted(final.active, key=lambda position: -(strengths[position] + gumbel(dice)))
    starting, exchange = _starting_prices(market, books)
    return Outcome(finishers=_finishers(dice, race, order), starting=starting, exchange=exchange)


def _finishers(dice: Random, race: RaceFacts, order: list[int]) -> tuple[Finisher, ...]:
    falls = _FALLS[race.race_type]
    home = [position for index, position in enumerate(order) if not index or dice.random() > falls]
    finishers: list[Finisher] = []
    behind_first = 0.0
    for index, position in enumerate(home):
        place = str(index + 1)
        behind = dice.choice(_MARGINS) if index else 0.0
        if index and dice.random() < _DEAD_HEAT_RATE:
            place, behind = finishers[-1].position, 0.0
        behind_first += behind
        finishers.append(
            Finisher(
                field_position=position, position=place, behind=behind, behind_first=behind_first
            )
        )
    codes = [code for code, _ in _CODES]
    weights = [weight for _, weight in _CODES]
    lost = [position for position in order if position not in home]
    return (
        *finishers,
        *(
            Finisher(
                field_position=position,
                position=dice.choices(codes, weights)[0],
                behind=None,
                behind_first=None,
            )
            for position in lost
        ),
    )


def _starting_prices(
    market: Market, books: tuple[Book, ...]
) -> tuple[dict[int, tuple[Step, str]], dict[int, Step]]:
    """The bookmakers' consensus at the off, and the exchange's price."""
    final = market.final
    consensus: dict[int, int] = {}
    exchange: dict[int, Step] = {}
    for position in final.active:
        chances = []
        for book, prices in zip(books, final.prices, strict=True):
            if prices is None or prices[position] < 0:
                continue
            step = book.ladder.steps[prices[position]]
            if book.exchange:
                exchange[position] = step
            else:
                chances.append(1 / step.odds)
        consensus[position] = FRACTIONS.nearest(sum(chances) / len(chances))
    shortest = min(consensus.values())
    favourites = sum(price == shortest for price in consensus.values())
    mark = "F" if favourites == 1 else "J" if favourites == 2 else "C"
    starting = {
        position: (FRACTIONS.steps[price], mark if price == shortest else "")
        for position, price in consensus.items()
    }
    return starting, exchange


def exchange_prices_are_in(slot: Slot, now: datetime) -> bool:
    """Whether ``bsp`` is known: from 08:00 the next day."""
    return now >= datetime.combine(slot.race_date + timedelta(days=1), time(_BSP_HOUR), LONDON)


def write_result(
    *, seed: int, race: RaceFacts, events: Events, outcome: Outcome, shows_exchange: bool
) -> bytes:
    """A race's result as JSON; ``bsp`` is empty unless ``shows_exchange``."""
    slot = race.slot
    place = slot.meeting.place
    off = slot.off_dt.astimezone(LONDON)
    dice = chance(seed, "result", slot.race_id)
    seconds = race.furlongs * dice.uniform(11.8, 13.5) + race.yards * 0.06
    sign = race.currency
    winner = outcome.starting[outcome.finishers[0].field_position][0]
    obstacles = {"Hurdle": "hurdles", "Chase": "fences"}.get(race.race_type)
    yards = race.furlongs * _YARDS_A_FURLONG + race.yards
    return msgspec.json.encode(
        {
            "race_id": slot.race_id,
            "date": str(slot.race_date),
            "region": place.region_code.upper(),
            "course": place.course,
            "course_id": place.course_id,
            "off": clock_face(off),
            "off_dt": off.isoformat(),
            "race_name": race.race_name,
            "type": race.race_type,
            "class": race.race_class,
            "pattern": "Group 3" if race.big and race.race_type == "Flat" else "",
            "rating_band": race.rating_band,
            "age_band": race.age_band,
            "sex_rest": race.sex_restriction,
            "dist": race.distance_round,
            "dist_y": str(yards),
            "dist_m": str(round(yards * 0.9144)),
            "dist_f": f"{race.furlongs}f",
            "going": race.going,
            "surface": race.surface,
            "jumps": f"{race.furlongs // 2} {obstacles}" if obstacles else "",
            "runners": [
                _runner(
                    dice,
                    race,
                    finisher,
                    outcome,
                    seconds=seconds,
                    shows_exchange=shows_exchange,
                )
                for finisher in outcome.finishers
            ],
            "winning_time_detail": f"{_clock(seconds)} (slow by {dice.uniform(0.2, 9):.2f}s)",
            "comments": "",
            "non_runners": ", ".join(
                f"{race.runners[position].horse} ({texts.excuse(dice)})"
                for position in sorted(events.withdrawn)
            ),
            "tote_win": f"{sign}{winner.odds:.2f}",
            "tote_pl": " ".join(f"{sign}{dice.uniform(1.1, 5):.2f}" for _ in range(3)),
            "tote_ex": f"{sign}{winner.odds * dice.uniform(2, 6):.2f}",
            "tote_csf": f"{sign}{winner.odds * dice.uniform(2, 6):.2f}",
            "tote_tricast": "",
            "tote_trifecta": f"{sign}{winner.odds * dice.uniform(10, 60):.2f}",
        }
    )


def _runner(
    dice: Random, race: RaceFacts, finisher: Finisher, outcome: Outcome, *,
    seconds: float, shows_exchange: bool,
) -> dict[str, Any]:  # fmt: skip
    runner: RunnerFacts = race.runners[finisher.field_position]
    step, mark = outcome.starting[finisher.field_position]
    exchange = outcome.exchange.get(finisher.field_position)
    suffix = runner.horse_id[-6:]
    finished = finisher.behind_first is not None
    returned = exchange.odds * dice.uniform(0.97, 1.03) if exchange else None
    time_taken = seconds + (finisher.behind_first or 0) * _SECONDS_A_LENGTH
    return {
        "horse_id": runner.horse_id,
        "horse": f"{runner.horse} ({runner.country})",
        "sp": step.fractional + mark,
        "sp_dec": f"{step.odds:.2f}",
        "bsp": f"{returned:.2f}" if returned and shows_exchange else "",
        "number": str(runner.number),
        "position": finisher.position,
        "draw": str(runner.draw) if runner.draw else "",
        "btn": _lengths(finisher.behind),
        "ovr_btn": _lengths(finisher.behind_first),
        "age": str(runner.age),
        "sex": runner.sex_code,
        "weight": stones(runner.pounds),
        "weight_lbs": str(runner.pounds),
        "headgear": runner.headgear,
        "time": f"{int(time_taken // 60)}:{time_taken % 60:.2f}" if finished else "-",
        "or": str(runner.rating) if race.handicap else "\N{EN DASH}",
        "rpr": "\N{EN DASH}",
        "tsr": "\N{EN DASH}",
        "prize": _prize(race, finisher.position),
        "jockey": runner.jockey,
        "jockey_claim_lbs": str(runner.claim),
        "jockey_id": runner.jockey_id,
        "trainer": runner.trainer,
        "trainer_id": runner.trainer_id,
        "owner": runner.owner,
        "owner_id": runner.owner_id,
        "sire": runner.sire,
        "sire_id": f"sir_9{suffix}",
        "dam": runner.dam,
        "dam_id": f"dam_9{suffix}",
        "damsire": runner.damsire,
        "damsire_id": f"dsi_9{suffix}",
        "comment": f"{texts.in_running(dice)}(op {step.fractional})",
        "silk_url": silk_url(runner),
    }


def _prize(race: RaceFacts, position: str) -> str:
    if not position.isdecimal() or int(position) > len(_SHARES):
        return ""
    money = round(race.prize_money * _SHARES[int(position) - 1])
    return f"€{money}" if race.currency == "€" else str(money)


def _lengths(lengths: float | None) -> str:
    if lengths is None:
        return "-"
    text = f"{lengths:.2f}".rstrip("0").rstrip(".")
    # ``.75`` but ``0.3``: quarters come without their zero.
    return text.removeprefix("0") if text in {"0.5", "0.25", "0.75"} else text or "0"


def _clock(seconds: float) -> str:
    whole, rest = divmod(seconds, 60)
    return f"{int(whole)}m {rest:.2f}s" if whole else f"{rest:.2f}s"
