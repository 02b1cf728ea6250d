"""Answers of the simulated feed, spoilt: leaves, shapes, order, and bytes.

A spoilt answer is drawn by Hypothesis, so that one that does harm is shrunk to its least form.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from darkhorses.domain.london import race_day
from tests.simulator.worlds import NOW, ordinary, selection

DEEP: Any = None
for _ in range(60):
    DEEP = [DEEP]

NASTY: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 7, 4.33, -0.0, 1e-9, 1e16, 2**31, 2**63, 2**64, 10**30,
    "", " ", "-", "\N{EN DASH}", "\x00", "\x00-", "a\x00b", "NaN", "Infinity", "-inf", "null",
    "SP", "NR", "NON-RUNNER", "NON-RUNNER(5)", "R17", "R99999999", "EVS", "evens", "1/1",
    "0", "1", "1.0004", "1.0005", "1.001", "5", "5.0", "05", "+5", "-5", "5e0", "1e3", "1_000",
    "4,5", "\u0665", "\uff15", "9999999.9994", "9999999.9999", "99999999999", "0.1" * 50,
    "4/1", "4/0", "0/1", "4//1", "1/100000", "999999/1", "7-2", "4/1/2", "100/30",
    "9" * 5000, "x" * 3000, "\N{HORSE FACE}" * 800, "'; DROP TABLE ra_races; --", "\u202e", "%00",
    "Toby(99999)", "Toby(" + "9" * 5000 + ")", "(7)", "rac_1/../x?y=#", "GB", "IRE", "FR", "gb ",
    "2026-10-10", "2926-10-10", "0001-01-01", "9999-12-31", "2026-13-45", "20261010",
    "2026-10-10T14:12:00+01:00", "2026-10-10T14:12:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", "2026-10-25 01:30:00", "2026-03-29 01:30:00",
    "2099-01-01 00:00:00",
    [], {}, [None], ["one"], {"id": 7}, [[]], DEEP,
)  # fmt: skip
"""Values that once broke some reader somewhere."""

Step = Callable[[Any], Any]


async def _simulated_pages() -> tuple[list[Any], list[Any]]:
    """Small pages of cards and of results, from early morning to after the last race."""
    source = ordinary()
    pages, results = [], []
    for hour in (-6, 0, 1, 3, 5):
        now = NOW + timedelta(hours=hour)
        for skip in (0, 9, 20):
            page = json.loads(
                await source.racecards(race_day(now), selection(limit=2, skip=skip), now)
            )
            pages.append(_trimmed(page))
    later = NOW + timedelta(hours=12)
    for skip in range(0, 30, 3):
        body = await source.results(
            race_day(NOW), race_day(NOW), selection(limit=2, skip=skip), later
        )
        results.append(json.loads(body))
    return pages, results


def _trimmed(page: Any) -> Any:
    for race in page["racecards"]:
        race["runners"] = race["runners"][:4]
        for runner in race["runners"]:
            runner["odds"] = runner["odds"][:5]
    page["total"] = len(page["racecards"])
    return page


CARD_PAGES, RESULT_PAGES = asyncio.run(_simulated_pages())
SEEN_AT: datetime = NOW


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value within another."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    found = [path] if path else []
    for key, child in inner:
        found += _places(child, (*path, key))
    return found


def _spoil(content: Any, kind: str, where: int, other: int, value: Any) -> None:
    """Do one thing to one place of a page."""
    places = _places(content)
    if not places:
        return
    *above, key = places[where % len(places)]
    parent = content
    for step in above:
        parent = parent[step]
    _spoil_at(parent, key, kind, other, value)


def _spoil_at(parent: Any, key: Any, kind: str, other: int, value: Any) -> None:
    child = parent[key]
    match kind:
        case "remove":
            del parent[key]
        case "repeat" if isinstance(parent, list):
            parent.append(deepcopy(child))
        case "swap":
            places = list(parent) if isinstance(parent, dict) else range(len(parent))
            twin = places[other % len(places)]
            parent[key], parent[twin] = parent[twin], child
        case "add" if isinstance(parent, dict):
            parent["unheard of"] = value
        case "wrap":
            parent[key] = {"value": child} if other % 2 else [child]
        case "edit" if isinstance(child, str) and child:
            at = other % len(child)
            text = value if isinstance(value, str) else str(other % 10)
            parent[key] = child[:at] + text[:20] + child[at + 1 :]
        case _:
            parent[key] = value


_values = st.sampled_from(NASTY) | st.text(max_size=12) | st.integers() | st.floats(-10, 1e6)
_kinds = st.sampled_from(["replace", "remove", "repeat", "swap", "add", "wrap", "edit", "edit"])
_spots = st.integers(0, 2**20)


@st.composite
def spoilt(draw: st.DrawFn, pages: list[Any]) -> Any:
    """A page with one to six things wrong, as a value that JSON can say."""
    content = deepcopy(draw(st.sampled_from(pages)))
    steps = draw(st.lists(st.tuples(_kinds, _spots, _spots, _values), min_size=1, max_size=6))
    for kind, where, other, value in steps:
        _spoil(content, kind, where, other, deepcopy(value))
    return content


class Looks:
    """A page at several looks; ``steps`` are what happens to it before each of them."""

    def __init__(self, page: Any, steps: list[list[tuple[Any, ...]]], *, spaced: bool) -> None:
        self._page = page
        self._steps = steps
        self._separators = (", ", ": ") if spaced else (",", ":")

    def __repr__(self) -> str:
        ids = [race["race_id"] for race in self._page["racecards"]]
        return f"Looks({ids}, {self._steps}, {self._separators})"

    def bodies(self) -> Iterator[bytes]:
        """The page's bytes at each look."""
        content = deepcopy(self._page)
        for steps in self._steps:
            for kind, where, other, value in steps:
                match kind:
                    case "refresh":
                        _set_quotes(content, {"updated": f"2026-10-10 09:{where % 60:02}:00"})
                    case "reprice":
                        _set_quotes(content, {"decimal": "8.5", "fractional": "15/2"}, where)
                    case "heal":
                        content = deepcopy(self._page)
                    case _:
                        _spoil(content, kind, where, other, deepcopy(value))
            yield json.dumps(content, separators=self._separators).encode()


@st.composite
def looks_at(draw: st.DrawFn, pages: list[Any]) -> Looks:
    """A page at several looks: as before, refreshed, repriced, spoilt, and healed again."""
    kinds = _kinds | st.sampled_from(["refresh", "refresh", "reprice", "reprice", "heal"])
    step = st.tuples(kinds, _spots, _spots, _values)
    steps = draw(st.lists(st.lists(step, max_size=4), min_size=2, max_size=6))
    return Looks(draw(st.sampled_from(pages)), steps, spaced=draw(st.booleans()))


def _set_quotes(content: Any, fields: dict[str, str], only: int | None = None) -> None:
    """Give all quotes of a page these fields, or one of them."""
    quotes = [path for path in _places(content) if len(path) >= 2 and path[-2] == "odds"]
    for path in quotes if only is None else quotes[only % max(1, len(quotes)) :][:1]:
        quote = content
        for step in path:
            quote = quote[step]
        if isinstance(quote, dict):
            quote.update(fields)


@st.composite
def torn(draw: st.DrawFn, pages: list[Any]) -> bytes:
    """A page's bytes, cut or with other bytes in the middle."""
    body = json.dumps(draw(st.sampled_from(pages))).encode()
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(body)))
        width = draw(st.sampled_from([0, 1, 1, 2, 40]))
        filling = draw(
            st.binary(max_size=6)
            | st.sampled_from([b"\xff", b"\\ud800", b"\\u0000", b"[" * 5000, b"9" * 5000, b"1e999"])
        )
        body = body[:at] + filling + body[at + width :]
    return body if draw(st.booleans()) else body[: draw(st.integers(0, len(body)))]
