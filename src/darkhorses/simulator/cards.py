"""Racecards and price histories as the feed writes them: every leaf is text."""

from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from darkhorses.domain.london import LONDON
from darkhorses.simulator import texts
from darkhorses.simulator.books import Book, each_way_terms
from darkhorses.simulator.chance import chance
from darkhorses.simulator.ladders import FRACTIONS, TICKS, Step
from darkhorses.simulator.market import Market, PricePoint, Refresh
from darkhorses.simulator.races import RaceFacts, RunnerFacts, born, fair_chances

_NO_QUOTE = "-"
_DECLARED_DAYS = 2


class RaceState(msgspec.Struct, frozen=True, kw_only=True):
    """What of a card depends on the instant besides its prices.

    ``status`` is ``entry``, ``declared`` or ``result``.
    """

    status: str
    abandoned: bool


class CardWriter:
    """Writes one race's card; what does not change is encoded once."""

    def __init__(
        self, *, seed: int, race: RaceFacts, market: Market, books: tuple[Book, ...]
    ) -> None:
        self._seed = seed
        self._race = race
        self._market = market
        self._books = books
        self._last: tuple[tuple[int, RaceState], bytes] | None = None
        self._runner = lru_cache(maxsize=None)(self._encode_runner)

    def card(self, stamp: int, state: RaceState) -> bytes:
        """The race at a refresh, as JSON."""
        key = (stamp, state)
        if self._last is None or self._last[0] != key:
            self._last = (key, self._encode(stamp, state))
        return self._last[1]

    def runner_odds(self, horse_id: str, stamp: int) -> bytes | None:
        """One runner's prices with their history, as JSON; None when it is not quoted."""
        race = self._race
        position = next(
            (at for at, runner in enumerate(race.runners) if runner.horse_id == horse_id), None
        )
        if position is None:
            return None
        refresh = self._market.refresh(stamp)
        histories = self._market.history(position, stamp)
        odds = [
            quote | {"history": _history_texts(histories[book])}
            for book, quote in self._quotes(position, refresh)
        ]
        if not odds:
            return None
        return msgspec.json.encode(
            {
                "race_id": race.slot.race_id,
                "horse_id": horse_id,
                "horse": race.runners[position].horse,
                "odds": odds,
            }
        )

    def _encode(self, stamp: int, state: RaceState) -> bytes:
        race = self._race
        # A race abroad is on the card without odds, and so is one that is not yet declared.
        quoted = state.status != "entry" and race.slot.meeting.place.region_code != "fr"
        refresh = self._market.refresh(stamp)
        active = set(refresh.active)
        odds = self._odds(refresh) if quoted else [b""] * len(race.runners)
        runners = [
            self._runner(position, position in active, state.status != "entry")
            + b',"odds":['
            + odds[position]
            + b"]}"
            for position in range(len(race.runners))
        ]
        runners += [
            self._runner(len(race.runners) + position, True, state.status != "entry")  # noqa: FBT003
            + b',"odds":[]}'
            for position in range(len(race.reserves))
        ]
        head = msgspec.json.encode(self._head(state, len(active)))
        tail = msgspec.json.encode(self._tail(state))
        return head[:-1] + b',"runners":[' + b",".join(runners) + b"]," + tail[1:]

    def _odds(self, refresh: Refresh) -> list[bytes]:
        """The quotes on each runner, joined; the hot path of a whole day's card."""
        tail = f'"updated":"{_local(refresh.stamp)}","history":[]}}'
        field: list[list[str]] = [[] for _ in self._race.runners]
        for book, prices in zip(self._books, refresh.prices, strict=True):
            if prices is None:
                continue
            terms = each_way_terms(book, len(refresh.active), handicap=self._race.handicap)
            for quotes, price in zip(field, prices, strict=True):
                quotes.append(_quote_text(book.name, book.exchange, price, terms) + tail)
        return [",".join(quotes).encode() for quotes in field]

    def _quotes(self, position: int, refresh: Refresh) -> list[tuple[int, dict[str, Any]]]:
        quotes = []
        for number, (book, prices) in enumerate(zip(self._books, refresh.prices, strict=True)):
            if prices is None:
                continue
            price = prices[position]
            terms = each_way_terms(book, len(refresh.active), handicap=self._race.handicap)
            step = book.ladder.steps[price] if price >= 0 else None
            quotes.append(
                (
                    number,
                    {
                        "bookmaker": book.name,
                        "fractional": _NO_QUOTE if step is None else step.fractional,
                        "decimal": _NO_QUOTE if step is None else step.decimal,
                        "ew_places": "" if step is None else terms[0],
                        "ew_denom": "" if step is None else terms[1],
                        "updated": _local(refresh.stamp),
                    },
                )
            )
        return quotes

    def _head(self, state: RaceState, running: int) -> dict[str, Any]:
        race = self._race
        slot = race.slot
        place = slot.meeting.place
        off = slot.off_dt.astimezone(LONDON)
        obstacles = {"Hurdle": "hurdles", "Chase": "fences"}.get(race.race_type)
        return {
            "race_id": slot.race_id,
            "course": place.course,
            "course_id": place.course_id,
            "date": str(slot.race_date),
            "off_time": clock_face(off),
            "off_dt": off.isoformat(),
            "race_name": race.race_name,
            "distance_round": race.distance_round,
            "distance": race.distance,
            "distance_f": f"{race.furlongs}.0",
            "region": place.region_code.upper(),
            "pattern": "Group 3" if race.big and race.race_type == "Flat" else "",
            "sex_restriction": race.sex_restriction,
            "race_class": race.race_class,
            "type": race.race_type,
            "age_band": race.age_band,
            "rating_band": race.rating_band,
            "prize": race.prize,
            "field_size": "0" if state.status == "entry" else str(running),
            "going_detailed": "",
            "rail_movements": "",
            "stalls": "",
            "weather": "",
            "going": race.going,
            "surface": race.surface,
            "jumps": f"{race.furlongs // 2} {obstacles}" if obstacles else "",
        }

    def _tail(self, state: RaceState) -> dict[str, Any]:
        race = self._race
        chances = fair_chances([runner.strength for runner in race.runners])
        order = sorted(range(len(chances)), key=lambda position: -chances[position])
        pick = race.runners[order[0]]
        forecast = ", ".join(
            f"{max(1, round(0.8 / chances[position]) - 1)}/1 {race.runners[position].horse}"
            for position in order[:8]
        )
        return {
            "big_race": race.big,
            "is_abandoned": state.abandoned,
            "tip": pick.horse,
            "verdict": texts.verdict(race, pick),
            "betting_forecast": forecast,
            "race_status": state.status,
        }

    def _encode_runner(self, position: int, running: bool, declared: bool) -> bytes:  # noqa: FBT001
        """A runner's JSON up to its odds, without the closing brace."""
        race = self._race
        field = race.runners + race.reserves
        runner = field[position]
        body = _runner_body(self._seed, race, runner)
        if not declared:
            body |= {"draw": "0", "jockey": "", "jockey_id": ""}
        elif not running:
            claim = f"({runner.claim})" if runner.claim else ""
            body |= {"number": "NR", "jockey": f"NON-RUNNER{claim}"}
        return msgspec.json.encode(body)[:-1]


def clock_face(local: datetime) -> str:
    """``2:12`` for 14:12: a 12-hour clock without am or pm."""
    return f"{local.hour % 12 or 12}:{local.minute:02d}"


def state_at(race: RaceFacts, *, result: bool, abandoned: bool, now: datetime) -> RaceState:
    """Entries become declarations at 10:00 two days before, and a result ends it."""
    if result:
        return RaceState(status="result", abandoned=abandoned)
    opens = datetime.combine(race.slot.race_date - timedelta(days=_DECLARED_DAYS), time(10), LONDON)
    return RaceState(status="declared" if now >= opens else "entry", abandoned=abandoned)


def _local(stamp: int) -> str:
    return f"{datetime.fromtimestamp(stamp, LONDON):%Y-%m-%d %H:%M:%S}"


@lru_cache(maxsize=65_536)
def _quote_text(name: str, exchange: bool, price: int, terms: tuple[str, str]) -> str:  # noqa: FBT001
    step = _step(exchange=exchange, price=price)
    fractional, decimal = (step.fractional, step.decimal) if step else (_NO_QUOTE, _NO_QUOTE)
    places, denominator = terms if step else ("", "")
    return (
        f'{{"bookmaker":"{name}","fractional":"{fractional}","decimal":"{decimal}",'
        f'"ew_places":"{places}","ew_denom":"{denominator}",'
    )


def _step(*, exchange: bool, price: int) -> Step | None:
    if price < 0:
        return None
    return (TICKS if exchange else FRACTIONS).steps[price]


def _history_texts(points: list[PricePoint]) -> list[dict[str, str]]:
    return [
        {
            "changed_at": point.changed_at.astimezone(LONDON).isoformat(),
            "fractional": point.step.fractional if point.step else _NO_QUOTE,
            "decimal": point.step.decimal if point.step else _NO_QUOTE,
        }
        for point in points
    ]


def _runner_body(seed: int, race: RaceFacts, runner: RunnerFacts) -> dict[str, Any]:
    dice = chance(seed, "card", runner.horse_id)
    runs = dice.randrange(1, 60)
    wins = dice.randrange(0, max(1, runs // 4) + 1)
    has_rating = race.handicap or dice.random() < 0.6
    claim = f"({runner.claim})" if runner.claim else ""
    suffix = runner.horse_id[-6:]
    return {
        "horse_id": runner.horse_id,
        "horse": runner.horse,
        "dob": born(race.slot.race_date, runner),
        "age": str(runner.age),
        "sex": runner.sex,
        "sex_code": runner.sex_code,
        "colour": dice.choice(("b", "ch", "br", "gr", "b/br")),
        "region": runner.country,
        "breeder": f"{runner.owner} Bloodstock",
        "dam": runner.dam,
        "dam_id": f"dam_9{suffix}",
        "dam_region": runner.country,
        "sire": runner.sire,
        "sire_id": f"sir_9{suffix}",
        "sire_region": "IRE",
        "damsire": runner.damsire,
        "damsire_id": f"dsi_9{suffix}",
        "damsire_region": "GB",
        "trainer": runner.trainer,
        "trainer_id": runner.trainer_id,
        "trainer_location": runner.trainer_location,
        "trainer_14_days": {
            "runs": str(runs),
            "wins": str(wins),
            "percent": str(round(100 * wins / runs)),
        },
        "owner": runner.owner,
        "owner_id": runner.owner_id,
        "prev_trainers": [],
        "prev_owners": [],
        "comment": texts.comment(dice),
        "spotlight": texts.spotlight(dice),
        "quotes": [],
        "stable_tour": [],
        "medical": [],
        "number": f"R{runner.number}" if runner.reserve else str(runner.number),
        "draw": str(runner.draw),
        "headgear": runner.headgear,
        "headgear_run": "1" if runner.headgear and dice.random() < 0.2 else "",
        "wind_surgery": "",
        "wind_surgery_run": "",
        "past_results_flags": dice.choice(([], [], [], ["C"], ["D"], ["CD"])),
        "lbs": str(runner.pounds),
        "ofr": str(runner.rating) if has_rating else "-",
        "rpr": str(runner.rating + dice.randrange(-3, 9)) if runner.form else "",
        "ts": str(runner.rating - dice.randrange(4, 40)) if runner.form else "",
        "jockey": f"{runner.jockey}{claim}" if runner.jockey else "",
        "jockey_id": runner.jockey_id,
        "silk_url": silk_url(runner),
        "last_run": runner.last_run,
        "form": runner.form,
        "trainer_rtf": str(dice.randrange(10, 80)),
    }


def silk_url(runner: RunnerFacts) -> str:
    """An address for the silks that resolves nowhere."""
    digits = runner.horse_id[-6:]
    return f"https://silks.invalid/svg/{digits[-1]}/{digits[-2]}/{digits[-3]}/{digits}.svg"
