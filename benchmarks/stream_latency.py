"""From the commit of a price change to the event at clients, beside the database's own NOTIFY.

Run it from the project's folder: ``python -m benchmarks.stream_latency``. It starts a PostgreSQL,
an API and clients of its own, takes about a minute, and prints a table. Times count from the return
of the commit, by the machine's one monotonic clock, so that a NOTIFY may come before it.
"""

import argparse
import asyncio
import json
import re
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from tests.api.processes import ApiProcess, running_api
from tests.market import MarketWriter, card, race, runner

from benchmarks.databases import a_database, a_server
from benchmarks.figures import Figure, Run
from darkhorses.store.pool import Database

RACES, RUNNERS = 40, 10
BOOKMAKERS = [f"Bookmaker {number}" for number in range(1, 13)]
CHANGES = 12
LEVELS = ((1, 0), (100, 0), (1000, 50))
GOALS = {1: 20.0, 1000: 150.0}
"""Milliseconds above NOTIFY's 99th percentile, by clients."""

ROUNDS = 5
"""How many runs of other figures stand for one of these, which takes half a minute."""

_ID = re.compile(rb"^id: (\d+)-\d+\nevent: price", re.MULTILINE)


class Market:
    """A race day whose prices move, one race at a time."""

    def __init__(self, writer: MarketWriter) -> None:
        self._writer = writer
        self._off_dt = datetime.now(UTC) + timedelta(hours=2)  # noqa: TID251  # the API's clock is real
        self._prices = [[[20] * len(BOOKMAKERS) for _ in range(RUNNERS)] for _ in range(RACES)]
        self._moves = 0

    async def fill(self) -> None:
        """Write the whole day."""
        looks = [self._look(number) for number in range(RACES)]
        await self._writer.look(*looks, seen_at=datetime.now(UTC))  # noqa: TID251

    async def move(self) -> None:
        """Change some prices of one race, as a look at the feed does."""
        number = self._moves % RACES
        self._moves += 1
        for change in range(CHANGES):
            prices = self._prices[number][(self._moves + change) % RUNNERS]
            prices[change % len(BOOKMAKERS)] += 1 if self._moves % 2 else -1
        await self._writer.look(self._look(number), seen_at=datetime.now(UTC))  # noqa: TID251

    def _look(self, number: int) -> Any:
        off_dt = self._off_dt + timedelta(minutes=number)
        prices = self._prices[number]
        return card(
            race(f"rac_{number}", off_dt=off_dt, race_date=self._off_dt.date()),
            *(
                (
                    runner(f"Horse{number}x{horse}", horse + 1),
                    {
                        name: f"{quarters}/4"
                        for name, quarters in zip(BOOKMAKERS, prices[horse], strict=True)
                    },
                )
                for horse in range(RUNNERS)
            ),
        )


class Client(asyncio.Protocol):
    """A client that notes when each change arrived; one that is stuck never reads."""

    def __init__(self) -> None:
        self._heard: list[tuple[float, bytes]] = []
        self.is_open = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        transport.write(b"GET /api/stream HTTP/1.1\r\nhost: benchmark\r\n\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Keep it to be read at the end: a thousand clients' reading would be part of the times."""
        if self.is_open.done():
            self._heard.append((time.monotonic(), data))
        elif b"event: status" in data:
            self.is_open.set_result(None)

    def arrivals(self) -> Iterator[tuple[int, float]]:
        """When each change had arrived."""
        rest = b""
        for at, data in self._heard:
            events = (rest + data).split(b"\n\n")
            rest = events.pop()
            for event in events:
                if match := _ID.search(event):
                    yield int(match[1]), at


def run_clients(port: int, count: int, stuck: int) -> None:
    """Be so many clients until told to end, then say what arrived when."""

    async def run() -> None:
        loop = asyncio.get_running_loop()
        silent = [_stuck_client(port) for _ in range(stuck)]
        clients = []
        for start in range(0, count - stuck, 50):
            made = await asyncio.gather(
                *(
                    loop.create_connection(Client, "127.0.0.1", port)
                    for _ in range(start, min(start + 50, count - stuck))
                )
            )
            clients += made
            await asyncio.gather(*(client.is_open for _, client in made))
        print(json.dumps("open"), flush=True)
        await loop.run_in_executor(None, sys.stdin.readline)
        arrivals = [arrival for _, client in clients for arrival in client.arrivals()]
        print(json.dumps(arrivals), flush=True)
        for transport, _ in clients:
            transport.abort()
        for one in silent:
            one.close()

    import uvloop  # noqa: PLC0415

    uvloop.run(run())


def _stuck_client(port: int) -> socket.socket:
    stuck = socket.socket()
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stuck.connect(("127.0.0.1", port))
    stuck.sendall(b"GET /api/stream HTTP/1.1\r\nhost: benchmark\r\n\r\n")
    return stuck


class Measured:
    """What one level showed, in seconds."""

    def __init__(self) -> None:
        self.notified: list[float] = []
        self.arrived: list[float] = []
        self.health: list[float] = []
        self.missing = 0


async def listen(
    database: Database,
    market: Market,
    api: ApiProcess,
    *,
    count: int,
    stuck: int,
    seconds: float,
    rate: float,
) -> Measured:
    """Commit at a steady rate with so many clients listening."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.stream_latency",
        "--clients",
        str(api.port),
        str(count),
        str(stuck),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**30,
    )
    if process.stdout is None or process.stdin is None:
        raise RuntimeError("a process without the pipes that were asked for")
    await process.stdout.readline()
    measured = Measured()
    committed: dict[int, float] = {}
    heard: list[float] = []
    listener = await asyncpg.connect(database.url)
    await listener.add_listener("market", lambda *_: heard.append(time.monotonic()))
    asking = asyncio.create_task(_ask_health(api.port, measured.health))
    returned: list[float] = []
    async with database.connection() as connection:
        last = await connection.fetchval("SELECT max(change_id) FROM ra_odds_changes")
    begun = time.monotonic()
    for number in range(int(seconds * rate)):
        await asyncio.sleep(max(0, begun + number / rate - time.monotonic()))
        await market.move()
        returned.append(time.monotonic())
    async with database.connection() as connection:
        rows = await connection.fetch(
            "SELECT change_id, dense_rank() OVER (ORDER BY seen_at) AS look "
            "FROM ra_odds_changes WHERE change_id > $1",
            last,
        )
    committed = {row["change_id"]: returned[row["look"] - 1] for row in rows}
    await asyncio.sleep(1)
    asking.cancel()
    process.stdin.write(b"end\n")
    arrivals = json.loads(await process.stdout.readline())
    await process.wait()
    await listener.close()
    measured.notified = [at - done for at, done in zip(heard, returned, strict=True)]
    measured.arrived = [at - committed[change] for change, at in arrivals if change in committed]
    measured.missing = len(committed) * (count - stuck) - len(measured.arrived)
    return measured


async def _ask_health(port: int, took: list[float]) -> None:
    while True:
        begun = time.monotonic()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /health HTTP/1.1\r\nhost: benchmark\r\nconnection: close\r\n\r\n")
        await reader.read()
        took.append(time.monotonic() - begun)
        writer.close()
        await asyncio.sleep(0.05)


def _line(name: str, times: list[float], than: list[float] | None = None) -> str:
    p50, p99 = _percentile(times, 50), _percentile(times, 99)
    line = f"  {name:<26}{len(times):>9}{p50:>10.1f}{p99:>10.1f}"
    if than is not None:
        line += f"{p99 - _percentile(than, 99):>+12.1f}"
    return line


def _percentile(times: list[float], percent: int) -> float:
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1] * 1000


def _peak_memory(pid: int) -> str:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(line.split(maxsplit=1)[1] for line in status.splitlines() if "VmHWM" in line)


@asynccontextmanager
async def _a_market() -> AsyncIterator[tuple[Database, Market]]:
    """A database with a day of races, and what moves its prices."""
    with a_server(durable=True) as server:
        database = await Database.open(await a_database(server, "streams"), max_connections=2)
        market = Market(await MarketWriter.leading(database))
        await market.fill()
        yield database, market
        await database.close()


def measure(run: Run) -> list[Figure]:
    """How much later than a bare listener's NOTIFY an event comes, by the 99th percentile."""
    return asyncio.run(_measured(run))


async def _measured(run: Run) -> list[Figure]:
    later: dict[int, list[float]] = {count: [] for count in GOALS}
    notified: list[float] = []
    async with _a_market() as (database, market), running_api(DATABASE_URL=database.url) as api:
        await api.until("market.loaded")
        for _ in range(max(1, run.runs // ROUNDS)):
            for count, stuck in LEVELS:
                if count in GOALS:
                    measured = await listen(
                        database, market, api, count=count, stuck=stuck, seconds=8, rate=10
                    )
                    if measured.missing:
                        raise RuntimeError(f"{measured.missing} events did not arrive")
                    floor = _percentile(measured.notified, 99)
                    notified.append(floor)
                    later[count].append(_percentile(measured.arrived, 99) - floor)
        await api.stop()
    figures = [
        Figure(
            name=f"commit to event at {count:,} clients, p99 above NOTIFY's",
            unit="ms",
            goal=goal,
            runs=tuple(later[count]),
        )
        for count, goal in GOALS.items()
    ]
    floor_figure = Figure(name="commit to NOTIFY, p99", unit="ms", runs=tuple(notified))
    return [*figures, floor_figure]


async def main(levels: list[tuple[int, int]], *, seconds: float, rate: float) -> None:
    """Measure every level and print what it showed."""
    async with _a_market() as (database, market), running_api(DATABASE_URL=database.url) as api:
        await api.until("market.loaded")
        print(f"{rate:g} commits a second of {CHANGES} changes each; milliseconds")
        print(f"  {'':<26}{'times':>9}{'p50':>10}{'p99':>10}{'over NOTIFY':>12}")
        for count, stuck in levels:
            measured = await listen(
                database, market, api, count=count, stuck=stuck, seconds=seconds, rate=rate
            )
            print(f"{count} clients, {stuck} of them stuck")
            print(_line("NOTIFY at a bare listener", measured.notified))
            print(_line("event at a client", measured.arrived, measured.notified))
            print(_line("GET /health", measured.health))
            if measured.missing:
                print(f"  {measured.missing} events did not arrive")
        print(f"the API's memory was {_peak_memory(api.pid)} at most")
        code, took = await api.stop()
        print(f"the API ended with {code} after {took:.1f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", nargs=3, type=int, help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rate", type=float, default=10)
    parser.add_argument("--level", nargs=2, type=int, action="append")
    given = parser.parse_args()
    if given.clients:
        run_clients(*given.clients)
    else:
        levels = [tuple(level) for level in given.level] if given.level else list(LEVELS)
        asyncio.run(main(levels, seconds=given.seconds, rate=given.rate))
