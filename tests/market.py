"""A market to read: cards in few words, written as the worker writes them."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import msgspec

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.diff import KnownRace, compare
from darkhorses.domain.identifiers import CourseId, HorseId, RaceId
from darkhorses.domain.london import london_clock, race_day
from darkhorses.domain.prices import Price
from darkhorses.domain.races import Card, Quote, Race, Runner
from darkhorses.domain.workers import FeedState, Role
from darkhorses.store.heartbeats import FeedStatus, Heartbeat, JobStatus
from darkhorses.store.pool import Connection, Database
from darkhorses.store.writing.heartbeats import beat
from darkhorses.store.writing.lease import Lease, acquire
from darkhorses.store.writing.market import write_market

NOON = datetime(2026, 6, 20, 12, 0, tzinfo=UTC)
"""13:00 on the clocks of London."""


class StoppedClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **duration: float) -> None:
        self.now += timedelta(**duration)


Prices = Mapping[str, str | None]
"""By bookmaker: ``"9/2"``, a decimal such as ``"17.5"`` (an exchange's), or None for none."""


def price(text: str) -> Price:
    """A price as the feed would give it, rounded to two places."""
    if "/" not in text:
        return Price(decimal=Decimal(text))
    exact = Fraction(text) + 1
    decimal = round(Decimal(exact.numerator) / Decimal(exact.denominator), 2)
    return Price(decimal=Decimal(f"{decimal.normalize():f}"), fractional=text)


def race(race_id: str = "rac_1", *, off_dt: datetime, **facts: Any) -> Race:
    """A race at Hereford."""
    fields: dict[str, Any] = {
        "race_date": race_day(off_dt),
        "off_time": london_clock(off_dt),
        "course_id": CourseId("crs_1"),
        "course": "Hereford",
        "region": "GB",
        "race_name": "A Maiden Hurdle",
        "race_class": "Class 4",
        "race_type": "Hurdle",
        "distance": "2m",
        "going": "Good",
    }
    return Race(race_id=RaceId(race_id), off_dt=off_dt, **(fields | facts))


def runner(name: str, number: int | None = None, **facts: Any) -> Runner:
    """A runner; its id is made of its name."""
    horse_id = HorseId(f"hrs_{name.lower()}")
    fields: dict[str, Any] = {
        "jockey": f"{name}'s jockey",
        "trainer": f"{name}'s trainer",
        "weight_lbs": 158,
        "age": 5,
        "form": "1-2",
        "draw": 3,
    }
    return Runner(horse_id=horse_id, horse_name=name, horse_number=number, **(fields | facts))


def card(of: Race, *runners: tuple[Runner, Prices], places: int | None = 3) -> Card:
    """A look at a race: its runners, each with the prices on it."""
    return Card(
        race=of,
        runners={horse.horse_id: horse for horse, _ in runners},
        quotes={
            (horse.horse_id, bookmaker_named(name).bookmaker_id): Quote(
                price=price(text) if text is not None else None,
                ew_places=places,
                ew_denom=5 if places else None,
            )
            for horse, prices in runners
            for name, text in prices.items()
        },
    )


class MarketWriter:
    """The worker's way of writing, without the worker."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self._database = database
        self.lease = lease
        self._known: dict[RaceId, KnownRace] = {}

    @classmethod
    async def leading(cls, database: Database) -> "MarketWriter":
        """Take the lease for long."""
        async with database.connection() as connection:
            lease = await acquire(connection, "market", "tests", ttl=timedelta(hours=1))
        assert lease is not None
        return cls(database, lease)

    async def look(self, *cards: Card, seen_at: datetime) -> int:
        """Write what these cards change; the revision of the write."""
        deltas = [
            compare(self._known.get(card.race.race_id), card, seen_at=seen_at) for card in cards
        ]
        names = {bookmaker for card in cards for _, bookmaker in card.quotes}
        written = await write_market(
            self._database,
            self.lease,
            deltas,
            seen_at=seen_at,
            bookmakers=[bookmaker_named(_NAMES.get(name, name)) for name in sorted(names)],
        )
        self._known |= {delta.after.race.race_id: delta.after for delta in deltas}
        return written.revision


_NAMES = {
    "bet365": "Bet365",
    "williamhill": "William Hill",
    "coral": "Coral",
    "betfairexchange": "Betfair Exchange",
}


def heartbeat(**facts: Any) -> Heartbeat:
    """The heartbeat of a leader to whom nothing is wrong."""
    fields: dict[str, Any] = {
        "worker_id": "w1",
        "hostname": "secret-host",
        "pid": 4711,
        "version": "0.1.0",
        "role": Role.LEADER,
        "started_at": NOON,
        "jobs": {"live_odds": JobStatus(last_run=NOON, last_success=NOON, status="ok")},
        "feed": FeedStatus(state=FeedState.OK),
    }
    return msgspec.convert(fields | facts, Heartbeat, from_attributes=True)


async def beat_now(database: Database, **facts: Any) -> None:
    """Store a heartbeat."""
    async with database.connection() as connection:
        await beat(connection, heartbeat(**facts))


async def let_in(connection: Connection, url: str, *, allowed: bool) -> None:
    """Have the server end a database's sessions and refuse new ones, or take them again."""
    name = urlsplit(url).path.removeprefix("/")
    await connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {allowed}')
    if not allowed:
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
        )
