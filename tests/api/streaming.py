"""A client of the stream as its protocol says it is to be: it keeps what it is told, in order."""

import json
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from darkhorses.store.pool import Database


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event as received."""

    kind: str
    data: Any
    event_id: str | None


class EventStream:
    """An open stream."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self.comments = 0
        self.last_event_id: str | None = None
        self._lines = answer.aiter_lines()

    async def next(self) -> Event | None:
        """The next event; None when the stream has ended."""
        kind, data = "message", None
        event_id = None
        async for line in self._lines:
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if not line:
                self.last_event_id = event_id or self.last_event_id
                if data is not None:
                    return Event(kind=kind, data=data, event_id=event_id)
                kind, event_id = "message", None
            elif name == "":
                self.comments += 1
            elif name == "event":
                kind = value
            elif name == "id":
                event_id = value
            elif name == "data":
                data = json.loads(value, parse_float=Decimal)
        return None

    async def until(self, kind: str) -> Event:
        """The next event of a kind."""
        while (event := await self.next()) is not None:
            if event.kind == kind:
                return event
        raise AssertionError(f"the stream ended without {kind}")


@asynccontextmanager
async def streaming(
    client: httpx.AsyncClient, *, last_event_id: str | None = None, **filters: Any
) -> AsyncIterator[EventStream]:
    """Open a stream; it is cut at the end."""
    headers = {"last-event-id": last_event_id} if last_event_id is not None else {}
    async with client.stream(
        "GET", "/api/stream", params=filters, headers=headers, timeout=20
    ) as answer:
        if answer.status_code != 200:
            await answer.aread()
        yield EventStream(answer)


Terms = tuple[str | None, str | None, int | None, int | None]


class Replica:
    """What a client knows of the market that does with every event what the protocol says."""

    def __init__(self) -> None:
        self.prices: dict[tuple[str, str, str], Terms] = {}
        self.runners: dict[tuple[str, str], bool] = {}
        self.statuses: dict[str, tuple[str | None, bool]] = {}

    @property
    def open_prices(self) -> dict[tuple[str, str, str], Terms]:
        """The prices that can be taken, with their each-way terms."""
        return {key: terms for key, terms in self.prices.items() if terms[0] is not None}

    def take(self, event: Event) -> None:
        """Bring what is known up to date."""
        if event.kind == "snapshot":
            self.prices.clear()
            self.runners.clear()
            self.statuses.clear()
            for race in event.data["races"]:
                self._take_race(race)
        elif event.kind == "race":
            self._take_race(event.data)
        elif event.kind == "price" and event.data["source"] == "poll":
            key = event.data["race_id"], event.data["horse_id"], event.data["bookmaker_id"]
            _, _, places, denominator = self.prices.get(key, (None, None, None, None))
            decimal = event.data["odds_decimal"]
            self.prices[key] = (
                None if decimal is None else str(decimal),
                event.data["odds_fractional"],
                places,
                denominator,
            )

    def _take_race(self, race: Any) -> None:
        race_id = race["race_id"]
        self.statuses[race_id] = race["race_status"], race["is_abandoned"]
        for runner in race["runners"]:
            self.runners[race_id, runner["horse_id"]] = runner["is_non_runner"]
            for bookmaker_id, (decimal, *rest) in runner.get("prices", {}).items():
                told = None if decimal is None else str(decimal), *rest
                self.prices[race_id, runner["horse_id"], bookmaker_id] = told

    @classmethod
    async def of(cls, database: Database) -> "Replica":
        """What the database itself says is so."""
        replica = cls()
        async with database.connection() as connection:
            for row in await connection.fetch("SELECT * FROM ra_odds_live"):
                decimal = row["odds_decimal"]
                replica.prices[row["race_id"], row["horse_id"], row["bookmaker_id"]] = (
                    None if decimal is None else f"{decimal.normalize():f}",
                    row["odds_fractional"],
                    row["ew_places"],
                    row["ew_denom"],
                )
            for row in await connection.fetch("SELECT * FROM ra_runners WHERE removed_at IS NULL"):
                replica.runners[row["race_id"], row["horse_id"]] = row["is_non_runner"]
            for row in await connection.fetch("SELECT * FROM ra_races"):
                replica.statuses[row["race_id"]] = row["race_status"], row["is_abandoned"]
        return replica


async def change_ids(database: Database) -> list[int]:
    """The whole log of price changes."""
    async with database.connection() as connection:
        rows = await connection.fetch("SELECT change_id FROM ra_odds_changes ORDER BY change_id")
    return [row["change_id"] for row in rows]


def prices_in(events: Iterable[Event]) -> list[int]:
    """The change ids of price events."""
    return [event.data["change_id"] for event in events if event.kind == "price"]


@contextmanager
def stuck_client(port: int) -> Iterator[socket.socket]:
    """A client that asks for the stream and never reads it."""
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.connect(("127.0.0.1", port))
        stuck.sendall(b"GET /api/stream HTTP/1.1\r\nhost: tests\r\n\r\n")
        yield stuck
