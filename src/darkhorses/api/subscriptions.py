"""What a client of a stream asks for: which events, and from where on."""

from collections.abc import Iterable
from typing import TypeVar

import msgspec

from darkhorses.api.parameters import read_bookmaker
from darkhorses.api.problems import BadParametersError, FieldError
from darkhorses.domain.identifiers import BookmakerId
from darkhorses.domain.positions import Position, read_position
from darkhorses.domain.stages import Stage
from darkhorses.readmodel.events import Event
from darkhorses.readmodel.market import MarketRace

MOST_VALUES = 200
"""Values that one filter may have: a big day has about 100 races."""

MOST_LETTERS = 100

Value = TypeVar("Value")


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which events: each field chooses among its kind, an empty one takes all."""

    race_ids: frozenset[str] = frozenset()
    courses: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    stages: frozenset[Stage] = frozenset()
    bookmakers: frozenset[BookmakerId] = frozenset()

    def takes(self, event: Event) -> bool:
        """Whether an event is asked for; one of a race that leaves a stage still is."""
        return (
            (not self.race_ids or event.race_id in self.race_ids)
            and (not self.courses or event.course in self.courses)
            and (not self.regions or event.region in self.regions)
            and (not self.stages or event.stage in self.stages or event.stage_before in self.stages)
            and (
                not self.bookmakers
                or event.bookmaker_id is None
                or event.bookmaker_id in self.bookmakers
            )
        )

    def takes_race(self, race: MarketRace, stage: Stage) -> bool:
        """Whether a race belongs into a snapshot."""
        facts = race.race
        return (
            (not self.race_ids or facts.race_id in self.race_ids)
            and (not self.courses or facts.course.casefold() in self.courses)
            and (not self.regions or facts.region.casefold() in self.regions)
            and (not self.stages or stage in self.stages)
        )

    def is_new_to(self, event: Event) -> bool:
        """Whether an event's race comes from a stage in which it was not followed."""
        return (
            bool(self.stages)
            and event.stage_before is not None
            and event.stage_before not in self.stages
            and event.stage in self.stages
        )


EVERYTHING = Filters()


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """Filters, and the position to go on from; without one it begins with a snapshot.

    Whoever only wants to know that something happens can do without snapshots.
    """

    filters: Filters = EVERYTHING
    position: Position | None = None
    with_snapshots: bool = True


def read_filters(
    *,
    race_id: Iterable[str] = (),
    course: Iterable[str] = (),
    stage: Iterable[Stage] = (),
    bookmaker: Iterable[str] = (),
    region: Iterable[str] = (),
) -> Filters:
    """Filters from their texts; raises BadParametersError that names every wrong one."""
    errors: list[FieldError] = []
    texts = {
        "race_id": frozenset(race_id),
        "course": frozenset(one.casefold() for one in course),
        "region": frozenset(one.casefold() for one in region),
        "bookmaker": frozenset(bookmaker),
    }
    for field, values in texts.items():
        if len(values) > MOST_VALUES:
            errors.append(FieldError(field=field, message=f"more than {MOST_VALUES} values"))
        elif any(not 1 <= len(value) <= MOST_LETTERS for value in values):
            message = f"expected texts of 1 to {MOST_LETTERS} letters"
            errors.append(FieldError(field=field, message=message))
    bookmakers: set[BookmakerId] = set()
    for name in texts["bookmaker"]:
        try:
            bookmakers.add(read_bookmaker("bookmaker", name))
        except BadParametersError as error:
            errors += error.errors
    if errors:
        raise BadParametersError(*errors)
    return Filters(
        race_ids=texts["race_id"],
        courses=texts["course"],
        regions=texts["region"],
        stages=frozenset(stage),
        bookmakers=frozenset(bookmakers),
    )


def read_last_event_id(text: str | None, *, field: str = "last_event_id") -> Position | None:
    """A position from a client's last event id; raises BadParametersError that names the field."""
    if not text:
        return None
    try:
        return read_position(text)
    except ValueError:
        message = "expected the id of an event of this stream, such as 1234-56"
        raise BadParametersError(FieldError(field=field, message=message)) from None
