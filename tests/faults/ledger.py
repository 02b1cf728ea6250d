"""The simulator's ledger, read back: what any collector can have been told."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.prices import Price, read_price

_LONDON = ZoneInfo("Europe/London")


class Quote(NamedTuple):
    """Whose price on what."""

    race_id: str
    horse_id: str
    bookmaker_id: str


class Served:
    """Every price that left whole, by the refresh of the feed that showed it.

    ``prices[quote]`` are the refreshes at which a quote's price was another than at the refresh
    before it that was served, in order of time, each with the price; None for no price.
    ``stamps`` are the refreshes that were served of each race, ``last_at`` when the last card of
    it left, ``histories`` the points of each quote in the price histories that were served.
    """

    def __init__(self) -> None:
        self.stamps: dict[str, list[datetime]] = {}
        self.last_at: dict[str, datetime] = {}
        self.prices: dict[Quote, list[tuple[datetime, Price | None]]] = {}
        self.histories: dict[Quote, set[tuple[datetime, Price | None]]] = defaultdict(set)

    @classmethod
    def read(cls, path: Path) -> "Served":
        """Read a ledger; the lines may be of refreshes in any order, as answers overtake."""
        served = cls()
        by_stamp: dict[str, dict[datetime, dict[Quote, Price | None]]] = defaultdict(dict)
        shown: dict[str, dict[Quote, Price | None]] = defaultdict(dict)
        with path.open("rb") as file:
            for text in file:
                line = msgspec.json.decode(text)
                if "history" in line:
                    served._note_history(line)
                    continue
                race_id = line["race_id"]
                served.last_at[race_id] = datetime.fromisoformat(line["at"])
                shown[race_id].update(_changes(line))
                if line["stamp"] is not None:
                    by_stamp[race_id].setdefault(_instant(line["stamp"]), dict(shown[race_id]))
        for race_id, cards in by_stamp.items():
            served._note_cards(race_id, cards)
        return served

    def price_at(self, quote: Quote, stamp: datetime) -> Price | None:
        """What a quote was at a refresh; None also where it was never named."""
        steps = self.prices.get(quote, [])
        at = bisect_right(steps, stamp, key=lambda step: step[0])
        return steps[at - 1][1] if at else None

    def _note_history(self, line: dict[str, Any]) -> None:
        for name, points in line["history"].items():
            quote = _quote(line["race_id"], line["horse_id"], name)
            self.histories[quote].update(
                (datetime.fromisoformat(at).astimezone(UTC), read_price(decimal, fractional))
                for at, fractional, decimal in points
            )

    def _note_cards(self, race_id: str, cards: dict[datetime, dict[Quote, Price | None]]) -> None:
        self.stamps[race_id] = sorted(cards)
        for stamp in self.stamps[race_id]:
            for quote, price in cards[stamp].items():
                steps = self.prices.setdefault(quote, [])
                if (steps[-1][1] if steps else None) != price:
                    steps.append((stamp, price))


def _changes(line: dict[str, Any]) -> Iterable[tuple[Quote, Price | None]]:
    for horse_id, quotes in line.get("prices", {}).items():
        for name, price in quotes.items():
            told = None if price is None else read_price(price[1], price[0])
            yield _quote(line["race_id"], horse_id, name), told


def _quote(race_id: str, horse_id: str, bookmaker: str) -> Quote:
    return Quote(race_id, horse_id, bookmaker_named(bookmaker).bookmaker_id)


def _instant(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp).replace(tzinfo=_LONDON).astimezone(UTC)
