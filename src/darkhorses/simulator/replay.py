"""A feed that serves recorded answers: a folder of JSON bodies, told apart by their shape.

Items are filtered by the regions and courses asked for; a page's ``total``, ``limit`` and
``skip`` stay as they were recorded. Keys that begin with an underscore are notes of whoever
recorded, and are left out.
"""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import msgspec

from darkhorses.simulator.source import Selection

_Body = dict[str, Any]


class RecordedPage(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded page of racecards or results; ``days`` from its query, else from its races."""

    days: frozenset[str]
    items: list[_Body]
    counters: dict[str, int]


class Recordings(msgspec.Struct, kw_only=True):
    """All recorded answers by what they answer; ``unknown`` names the files left out."""

    card_pages: list[RecordedPage] = []
    result_pages: list[RecordedPage] = []
    cards: dict[str, _Body] = {}
    results: dict[str, _Body] = {}
    odds: dict[tuple[str, str], _Body] = {}
    courses: list[_Body] = []
    regions: list[_Body] = []
    unknown: list[str] = []


def read_recordings(directory: Path) -> Recordings:
    """Read every ``*.json`` below a folder; raises OSError when it cannot be read."""
    recordings = Recordings()
    if not directory.is_dir():
        raise NotADirectoryError(f"{directory} is not a folder of recorded answers")
    for path in sorted(directory.rglob("*.json")):
        try:
            content = _without_notes(msgspec.json.decode(path.read_bytes()))
        except msgspec.DecodeError:
            content = None
        if not _file(recordings, content):
            recordings.unknown.append(str(path.relative_to(directory)))
    for page in recordings.card_pages:
        for race in page.items:
            recordings.cards.setdefault(race["race_id"], race)
    for page in recordings.result_pages:
        for race in page.items:
            recordings.results.setdefault(race["race_id"], race)
    return recordings


class ReplaySource:
    """Answers from recordings, whatever the time is."""

    def __init__(self, recordings: Recordings) -> None:
        self._recordings = recordings

    async def racecards(self, day: date, selection: Selection, now: datetime) -> bytes:
        """The recorded cards of a day; an empty list when there is no page for it."""
        del now
        return _page("racecards", self._recordings.card_pages, str(day), str(day), selection)

    async def racecard(self, race_id: str, now: datetime) -> bytes | None:
        """A recorded card, from a file of its own or from a page."""
        del now
        return _encoded(self._recordings.cards.get(race_id))

    async def runner_odds(self, race_id: str, horse_id: str, now: datetime) -> bytes | None:
        """A runner's recorded prices."""
        del now
        return _encoded(self._recordings.odds.get((race_id, horse_id)))

    async def results(self, first: date, last: date, selection: Selection, now: datetime) -> bytes:
        """The recorded results of the days from first to last."""
        del now
        return _page("results", self._recordings.result_pages, str(first), str(last), selection)

    async def result(self, race_id: str, now: datetime) -> bytes | None:
        """A recorded result, from a file of its own or from a page."""
        del now
        return _encoded(self._recordings.results.get(race_id))

    def courses(self, regions: frozenset[str]) -> bytes:
        """The recorded courses of the regions asked for."""
        pages = [
            page
            for page in self._recordings.courses
            if not regions or _codes(page["courses"]) & regions
        ]
        courses = [
            course
            for page in pages
            for course in page["courses"]
            if not regions or course.get("region_code") in regions
        ]
        total = sum(page.get("total", len(page["courses"])) for page in pages)
        return msgspec.json.encode({"courses": courses, "total": total})

    def regions(self) -> bytes:
        """The recorded regions."""
        return msgspec.json.encode(self._recordings.regions)


def _file(recordings: Recordings, content: Any) -> bool:
    """Put one recorded body where it belongs; False when its shape is unknown."""
    if isinstance(content, list):
        if not content or not all(_is_region(item) for item in content):
            return False
        recordings.regions += content
        return True
    if not isinstance(content, dict):
        return False
    for has, keep in _SHAPES:
        if has(content):
            keep(recordings, content)
            return True
    return False


def _is_region(item: Any) -> bool:
    return isinstance(item, dict) and {"region", "region_code"} <= item.keys()


def _is_list_of(name: str) -> Callable[[_Body], bool]:
    def has(content: _Body) -> bool:
        items = content.get(name)
        return isinstance(items, list) and all(isinstance(item, dict) for item in items)

    return has


_SHAPES: tuple[tuple[Callable[[_Body], bool], Callable[[Recordings, _Body], Any]], ...] = (
    (
        _is_list_of("racecards"),
        lambda recordings, content: recordings.card_pages.append(_read_page(content, "racecards")),
    ),
    (
        _is_list_of("results"),
        lambda recordings, content: recordings.result_pages.append(_read_page(content, "results")),
    ),
    (
        _is_list_of("courses"),
        lambda recordings, content: recordings.courses.append(content),
    ),
    (
        lambda content: {"race_id", "horse_id", "odds"} <= content.keys(),
        lambda recordings, content: recordings.odds.update(
            {(content["race_id"], content["horse_id"]): content}
        ),
    ),
    (
        lambda content: {"race_id", "runners", "off_time"} <= content.keys(),
        lambda recordings, content: recordings.cards.update({content["race_id"]: content}),
    ),
    (
        lambda content: {"race_id", "runners", "off"} <= content.keys(),
        lambda recordings, content: recordings.results.update({content["race_id"]: content}),
    ),
)


def _read_page(content: _Body, name: str) -> RecordedPage:
    items: list[_Body] = content[name]
    asked = [value for key, value in content.get("query") or () if key.endswith("date")]
    return RecordedPage(
        days=frozenset(asked or (str(race.get("date")) for race in items)),
        items=items,
        counters={
            key: content[key]
            for key in ("total", "limit", "skip")
            if isinstance(content.get(key), int)
        },
    )


def _page(
    name: str, pages: list[RecordedPage], first: str, last: str, selection: Selection
) -> bytes:
    """One answer from all pages of the days; dates compare as text."""
    found = [page for page in pages if any(first <= day <= last for day in page.days)]
    races: dict[str, _Body] = {}
    for page in found:
        for race in page.items:
            if first <= str(race.get("date")) <= last and selection.wants(
                str(race.get("region", "")), str(race.get("course_id", ""))
            ):
                races.setdefault(race["race_id"], race)
    counters = {"total": 0, "limit": selection.limit, "skip": selection.skip}
    if found:
        counters |= found[0].counters
    items = list(races.values())[selection.skip : selection.skip + selection.limit]
    return msgspec.json.encode({name: items} | counters | {"query": selection.query})


def _codes(courses: list[_Body]) -> set[str]:
    return {str(course.get("region_code", "")).lower() for course in courses}


def _encoded(content: _Body | None) -> bytes | None:
    return None if content is None else msgspec.json.encode(content)


def _without_notes(content: Any) -> Any:
    if isinstance(content, dict):
        return {
            name: _without_notes(value)
            for name, value in content.items()
            if not name.startswith("_")
        }
    if isinstance(content, list):
        return [_without_notes(item) for item in content]
    return content
