"""Webhooks: who is told of what, in which messages, and when a failed one is tried again."""

import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta

import msgspec

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.diff import RaceDelta
from darkhorses.domain.events import EventKind
from darkhorses.domain.identifiers import BookmakerId, CourseId, HorseId, RaceId
from darkhorses.domain.webhook_events import ToldNonRunner, ToldPrice, ToldStatus, state_events

PRICES_IN_A_MESSAGE = 50
"""About 20 kB, the most that Standard Webhooks advises."""

RETRY_AFTER = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
"""Waits after the first attempt, the second, and so on: the schedule of Standard Webhooks."""

LONGEST_WAIT = timedelta(hours=24)
"""The most that a receiver's ``Retry-After`` is obeyed for."""

_JITTER = 0.1

_encode = msgspec.json.Encoder(decimal_format="number").encode


class RacePlace(msgspec.Struct, frozen=True, kw_only=True):
    """A race and where it is run, as filters choose by."""

    race_id: RaceId
    region: str
    course_id: CourseId
    course: str


class Filter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which races, runners and bookmakers a webhook is told of; an empty part takes all.

    ``courses`` are names or ids and ``regions`` the feed's codes, both in lower case.
    ``bookmakers`` choose among prices, ``horses`` among prices and non-runners, and among races
    and results those with one of them in the race.
    """

    regions: tuple[str, ...] = ()
    courses: tuple[str, ...] = ()
    races: tuple[str, ...] = ()
    bookmakers: tuple[str, ...] = ()
    horses: tuple[str, ...] = ()

    def takes_race(self, race: RacePlace) -> bool:
        """Whether a race's region, course and id are asked for."""
        return (
            _takes(self.regions, race.region.lower())
            and (_takes(self.courses, race.course.casefold()) or race.course_id in self.courses)
            and _takes(self.races, race.race_id)
        )

    def takes_any_of(self, horses: Collection[HorseId]) -> bool:
        """Whether one of these runners is asked for."""
        return not self.horses or any(horse_id in self.horses for horse_id in horses)

    def takes_bookmaker(self, bookmaker_id: BookmakerId) -> bool:
        """Whether a bookmaker is asked for."""
        return _takes(self.bookmakers, bookmaker_id)


def _takes(asked_for: Collection[str], value: str) -> bool:
    return not asked_for or value in asked_for


_PARTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "region": ("regions", str.lower),
    "course": ("courses", str.casefold),
    "race": ("races", str),
    "bookmaker": ("bookmakers", lambda name: bookmaker_named(name).bookmaker_id),
    "horse": ("horses", str),
}


def read_events(text: str) -> tuple[EventKind, ...]:
    """Read ``price,result`` or ``all``, into the order of EventKind. Raises ValueError."""
    names = {name.strip().lower() for name in text.split(",")}
    known = tuple(kind.value for kind in EventKind)
    unknown = names - {*known, "all"}
    if unknown:
        raise ValueError(
            f"{min(unknown)!r} is no event: expected {', '.join(known)}, with commas, or all"
        )
    return tuple(kind for kind in EventKind if "all" in names or kind in names)


def read_filter(pairs: Iterable[str]) -> Filter:
    """Read ``course=Ascot`` and the like; one key twice takes both. Raises ValueError."""
    parts: dict[str, set[str]] = {}
    for pair in pairs:
        key, _, value = (part.strip() for part in pair.partition("="))
        if key not in _PARTS or not value:
            raise ValueError(f"{pair!r} is no filter: expected {', '.join(_PARTS)}, = and a value")
        field, read = _PARTS[key]
        parts.setdefault(field, set()).add(read(value))
    return Filter(**{field: tuple(sorted(values)) for field, values in parts.items()})


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """An active webhook, as far as it matters for what it is told."""

    webhook_id: str
    events: frozenset[EventKind]
    filter: Filter


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook is to be told, before it has a number; ``data`` is JSON."""

    event: EventKind
    data: bytes


class News(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event, encoded once for all, with what filters choose by.

    One that is of no race passes every filter.
    """

    event: EventKind
    data: bytes
    race: RacePlace | None = None
    horses: Collection[HorseId] = ()
    bookmaker_id: BookmakerId | None = None

    def is_for(self, recipient: Recipient) -> bool:
        """Whether a webhook is to be told."""
        chosen = recipient.filter
        if self.event not in recipient.events:
            return False
        if self.race is None:
            return True
        return (
            chosen.takes_race(self.race)
            and chosen.takes_any_of(self.horses)
            and (self.bookmaker_id is None or chosen.takes_bookmaker(self.bookmaker_id))
        )


def news_of_look(deltas: Iterable[RaceDelta], *, seen_at: datetime) -> Iterator[News]:
    """What else than prices a look brought."""
    for delta in deltas:
        race = delta.after.race
        place = RacePlace(
            race_id=race.race_id,
            region=race.region,
            course_id=race.course_id,
            course=race.course,
        )
        for kind, event in state_events(delta, seen_at=seen_at):
            yield News(
                event=kind,
                data=_encode(event),
                race=place,
                horses=(HorseId(event.horse_id),)
                if isinstance(event, ToldNonRunner)
                else delta.after.runners.keys(),
            )


def news_of_price(event: ToldPrice, race: RacePlace) -> News:
    """An entry of the change log."""
    return News(
        event=EventKind.PRICE,
        data=_encode(event),
        race=race,
        horses=(HorseId(event.horse_id),),
        bookmaker_id=BookmakerId(event.bookmaker_id),
    )


def news_of_status(event: ToldStatus) -> News:
    """Whether prices are being collected."""
    return News(event=EventKind.STATUS, data=_encode(event))


def messages_for(recipient: Recipient, news: Sequence[News]) -> list[Message]:
    """A webhook's messages: one for each event, then the prices together, so many in each."""
    wanted = [one for one in news if one.is_for(recipient)]
    prices = [one.data for one in wanted if one.event is EventKind.PRICE]
    messages = [
        Message(event=one.event, data=one.data)
        for one in wanted
        if one.event is not EventKind.PRICE
    ]
    for start in range(0, len(prices), PRICES_IN_A_MESSAGE):
        changes = b",".join(prices[start : start + PRICES_IN_A_MESSAGE])
        messages.append(Message(event=EventKind.PRICE, data=b'{"changes":[' + changes + b"]}"))
    return messages


def payload(event: str, data: bytes, *, timestamp: datetime, sequence: int | None) -> bytes:
    """A message's body: what happened, when, its number among the webhook's, and the data."""
    return _encode(
        {
            "type": event,
            "timestamp": timestamp,
            "sequence": sequence,
            "data": msgspec.Raw(data),
        }
    )


def next_attempt_at(
    *,
    attempts: int,
    now: datetime,
    retry_after: timedelta | None = None,
    chance: Callable[[], float] = random.random,
) -> datetime | None:
    """When a message is tried again that has failed so many times; None when it is dead.

    The schedule's wait and up to a tenth more, or what the receiver asked for where that is
    longer, a day at most. ``chance`` gives numbers from 0 to 1.
    """
    if attempts > len(RETRY_AFTER):
        return None
    wait = RETRY_AFTER[attempts - 1] * (1 + _JITTER * chance())
    return now + max(wait, min(retry_after or timedelta(0), LONGEST_WAIT))
