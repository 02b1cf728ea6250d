"""The ledger of what was served: the oracle for whoever has to prove that nothing was lost.

A line of JSON for each race on a card that left whole, in the order in which they left::

    {"at": "…Z", "race_id": "rac_1", "stamp": "2026-11-25 14:02:20",
     "prices": {"hrs_1": {"Bet365": ["5/2", "3.50"], "Coral": null}}}

``stamp`` is the refresh that the card shows, None for one without a quote. ``prices`` are those
that differ from the line before of that race, so a reader who takes the lines in their order knows
the whole card at each; null is a quote without a price, or one that is not on the card any more.
Each price history that left whole is a line too, newest first as it left::

    {"at": "…Z", "race_id": "rac_1", "horse_id": "hrs_1",
     "history": {"Bet365": [["2026-11-25T14:02:00+00:00", "5/2", "3.50"]]}}

What the file holds is no longer in memory: only each race's last prices are.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Self, TextIO

import msgspec

_NO_QUOTE = "-"

Price = tuple[str, str] | None
"""The fraction and the decimal, as the feed writes them."""


class _Point(msgspec.Struct, frozen=True):
    changed_at: str
    fractional: str
    decimal: str


class _Quote(msgspec.Struct, frozen=True):
    bookmaker: str
    fractional: str
    decimal: str
    updated: str
    history: list[_Point] = []

    @property
    def price(self) -> Price:
        return None if self.decimal == _NO_QUOTE else (self.fractional, self.decimal)


class _Runner(msgspec.Struct, frozen=True):
    horse_id: str
    odds: list[_Quote] = []


class _Card(msgspec.Struct, frozen=True):
    race_id: str
    runners: list[_Runner]


class _Cards(msgspec.Struct, frozen=True):
    racecards: list[_Card]


class _RunnerOdds(msgspec.Struct, frozen=True):
    race_id: str
    horse_id: str
    odds: list[_Quote]


class ServedCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A race's line; see the module."""

    at: datetime
    race_id: str
    stamp: str | None
    prices: dict[str, dict[str, Price]] = {}


class ServedHistory(msgspec.Struct, frozen=True, kw_only=True):
    """A price history's line; see the module."""

    at: datetime
    race_id: str
    horse_id: str
    history: dict[str, list[tuple[str, str, str]]]


class ServedLedger:
    """Writes to a file what left; ``path`` is where."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path = path
        self._file = file
        self._last: dict[str, dict[tuple[str, str], Price]] = {}

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Self]:
        """Begin a new ledger; a file that is there is replaced. Raises OSError."""
        with path.open("w", encoding="utf-8") as file:
            yield cls(path, file)

    def note(self, endpoint: str, body: bytes, at: datetime) -> None:
        """Note an answer of an endpoint that left whole at ``at``; one without prices is none."""
        if endpoint in {"racecards/pro", "racecards/standard"}:
            self._write(
                self._line(card, at) for card in msgspec.json.decode(body, type=_Cards).racecards
            )
        elif endpoint in {"racecards/{race_id}/pro", "racecards/{race_id}/standard"}:
            self._write([self._line(msgspec.json.decode(body, type=_Card), at)])
        elif endpoint == "odds/{race_id}/{horse_id}":
            self._write([_history_line(msgspec.json.decode(body, type=_RunnerOdds), at)])

    def _line(self, card: _Card, at: datetime) -> ServedCard:
        shown = {
            (runner.horse_id, quote.bookmaker): quote.price
            for runner in card.runners
            for quote in runner.odds
        }
        last = self._last.get(card.race_id, {})
        # What is gone stays known as None, so that its coming back is a change.
        now = dict.fromkeys(last) | shown
        self._last[card.race_id] = now
        changed: dict[str, dict[str, Price]] = {}
        for (horse_id, bookmaker), price in now.items():
            if (horse_id, bookmaker) not in last or last[horse_id, bookmaker] != price:
                changed.setdefault(horse_id, {})[bookmaker] = price
        stamps = (quote.updated for runner in card.runners for quote in runner.odds)
        return ServedCard(
            at=at, race_id=card.race_id, stamp=max(stamps, default=None), prices=changed
        )

    def _write(self, lines: Iterable[ServedCard | ServedHistory]) -> None:
        self._file.writelines(msgspec.json.encode(line).decode() + "\n" for line in lines)
        self._file.flush()


def _history_line(odds: _RunnerOdds, at: datetime) -> ServedHistory:
    return ServedHistory(
        at=at,
        race_id=odds.race_id,
        horse_id=odds.horse_id,
        history={
            quote.bookmaker: [(p.changed_at, p.fractional, p.decimal) for p in quote.history]
            for quote in odds.odds
        },
    )
