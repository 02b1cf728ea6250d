"""A race day as the feed would send it: 50 races, about 14,000 quotes at 28 books, always alike.

The same seed, instant and size give the same bytes, of this page and of all that follow it.
"""

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta
from random import Random

from darkhorses.domain.london import LONDON, race_day
from darkhorses.simulator.books import Book, make_books
from darkhorses.simulator.cards import CardWriter, RaceState
from darkhorses.simulator.chance import chance
from darkhorses.simulator.events import Events
from darkhorses.simulator.market import Market, Refresh
from darkhorses.simulator.names import PLACES
from darkhorses.simulator.races import RaceMaker
from darkhorses.simulator.schedule import Meeting, Slot
from darkhorses.simulator.source import Selection, page

MORNING = datetime(2026, 6, 20, 9, 30, tzinfo=UTC)
"""When the day is looked at unless told otherwise: every book quotes and no race is off."""

REGIONS = ("gb", "ire")

_MEETINGS = {"gb": 5, "ire": 2}
_RACES_A_MEETING = {"gb": 7, "ire": 7.5}
_DECLARED = RaceState(status="declared", abandoned=False)
_FIRST_STAMP = timedelta(hours=4)
_BETWEEN_REFRESHES = timedelta(seconds=20)


class _Prices(Market):
    """A race's prices as they were at one instant, and the steps that some have moved since."""

    def __init__(self, market: Market, at: int) -> None:
        self._first = market.refresh(at)
        self.prices = [list(prices or ()) for prices in self._first.prices]

    def refresh(self, stamp: int) -> Refresh:
        """All prices as they stand, under whatever stamp."""
        return Refresh(
            stamp=stamp, active=self._first.active, prices=tuple(map(tuple, self.prices))
        )


class Race:
    """A race whose prices move when told to; ``body`` is its card as JSON."""

    def __init__(
        self, slot: Slot, *, seed: int, maker: RaceMaker, books: tuple[Book, ...], at: datetime
    ) -> None:
        self._books = books
        facts = maker.facts(slot)
        events = Events(
            closes=slot.off_dt,
            result_at=slot.off_dt + timedelta(minutes=5),
            withdrawn={},
            abandoned_at=None,
            pulls=(),
        )
        market = Market(seed=seed, race=facts, events=events, books=books, speed=1.0, refresh=20)
        self._prices = _Prices(market, int(at.timestamp()))
        self._writer = CardWriter(seed=seed, race=facts, market=self._prices, books=books)
        self.race_id = slot.race_id
        self.region = slot.meeting.place.region_code
        self.horse_ids = tuple(runner.horse_id for runner in facts.runners)
        self.quotes = [
            (book, position)
            for book, prices in enumerate(self._prices.prices)
            for position in range(len(prices))
        ]
        self.body = b""

    def move(self, book: int, position: int) -> None:
        """Move one price by a step: even steps up and odd ones down, so that none drifts away."""
        last = len(self._books[book].ladder.steps) - 1
        prices = self._prices.prices[book]
        step = prices[position]
        prices[position] = step - 1 if step % 2 or step == last else step + 1

    def write(self, stamp: datetime) -> None:
        """Write the card anew, with its prices as they stand."""
        self.body = self._writer.card(int(stamp.timestamp()), _DECLARED)


class Day:
    """A day's card, as it is and as it goes on; ``times`` is how many times as many races."""

    def __init__(self, *, at: datetime = MORNING, times: int = 1, seed: int = 2) -> None:
        self._dice = chance(seed, "day of the benchmarks")
        self.at = at
        self.race_date = race_day(at)
        self._stamp = at - _FIRST_STAMP
        books = make_books(seed)
        maker = RaceMaker(seed)
        self.races = [
            Race(slot, seed=seed, maker=maker, books=books, at=at)
            for slot in _slots(self._dice, at, times)
        ]
        self._quotes = [(race, *quote) for race in self.races for quote in race.quotes]
        for race in self.races:
            race.write(self._stamp)

    @property
    def quotes(self) -> int:
        """How many quotes with a price the card has."""
        return len(self._quotes)

    def go_on(self, share: float, *, refreshed: bool = True) -> int:
        """Change a share (0-1) of all prices, spread over all races; how many.

        ``refreshed``: the feed's stamps move on with it, on every quote of every race, as they do
        every few minutes whether a price has changed or not.
        """
        moved = self._dice.sample(self._quotes, round(share * len(self._quotes)))
        for race, book, position in moved:
            race.move(book, position)
        if refreshed:
            self._stamp += _BETWEEN_REFRESHES
        for race in self.races if refreshed else {race for race, _, _ in moved}:
            race.write(self._stamp)
        return len(moved)

    def page(self, regions: Collection[str] = REGIONS, *, limit: int = 500, skip: int = 0) -> bytes:
        """The day's card as ``racecards/pro`` sends it to who asks for these regions."""
        wanted = [race.body for race in self.races if race.region in regions]
        query = [("region_codes", region) for region in regions]
        selection = Selection(regions=frozenset(regions), limit=limit, skip=skip, query=query)
        return page("racecards", wanted[skip : skip + limit], len(wanted), selection)


def _slots(dice: Random, at: datetime, times: int) -> list[Slot]:
    slots: list[Slot] = []
    day = race_day(at)
    first_serial = 2_000_000 + day.toordinal() % 1_000 * 1_000
    for region, count in _MEETINGS.items():
        places = [place for place in PLACES if place.region_code == region]
        races = int(_RACES_A_MEETING[region] * count) * times
        meetings = count * times
        for index, place in enumerate(dice.sample(places, min(meetings, len(places)))):
            share = races * (index + 1) // meetings - races * index // meetings
            first = datetime.combine(day, time(12 + index % 3 * 2, index * 7 % 60), LONDON)
            meeting = Meeting(
                key=f"{day}/{place.course_id}",
                place=place,
                jumps=place.jumps and not place.flat,
                offs=tuple(first.astimezone(UTC) + timedelta(minutes=33 * n) for n in range(share)),
            )
            slots += [
                Slot(
                    race_id=f"rac_{first_serial + len(slots) + number}",
                    race_date=day,
                    off_dt=off_dt,
                    number=number,
                    serial=first_serial + len(slots) + number,
                    meeting=meeting,
                )
                for number, off_dt in enumerate(meeting.offs)
            ]
    return slots
