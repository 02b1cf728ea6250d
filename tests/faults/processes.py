"""DarkHorses as an operator runs it, for long: processes whose logs are read all the time.

A log that nobody reads fills its pipe and stops the process; so each is read by a task of its own,
and whoever waits for a line waits for that task to find it.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Self

_PLAIN = {"PATH": os.environ["PATH"], "PYTHONFAULTHANDLER": "1"}  # noqa: TID251  # a child's


class Running:
    """A ``darkhorses`` command that runs; ``events`` is its log so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._news = asyncio.Condition()
        self._ended = False
        self.events: list[dict[str, Any]] = []
        self.said: list[str] = []

    @classmethod
    @asynccontextmanager
    async def start(cls, *arguments: str, **environment: str) -> AsyncIterator[Self]:
        """Start one with these variables and no others; it is killed at the end if it runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "darkhorses", *arguments,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, limit=2**20,
            cwd="/", env=_PLAIN | environment,
        )  # fmt: skip
        running = cls(process)
        reading = asyncio.create_task(running._read())
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await reading

    @property
    def pid(self) -> int:
        """Its number as a process."""
        return self._process.pid

    @property
    def runs(self) -> bool:
        """Whether it has not ended."""
        return self._process.returncode is None

    @property
    def position(self) -> int:
        """How many log lines there are by now; for ``until`` to look at later ones only."""
        return len(self.events)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def kill(self) -> None:
        """Send SIGKILL and see it out."""
        self._process.kill()
        await self._process.wait()

    async def stop(self, timeout: float = 30) -> tuple[int, float]:
        """Send SIGTERM; its exit code, and the seconds until the end."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._process.terminate()
        async with asyncio.timeout(timeout):
            code = await self._process.wait()
        return code, loop.time() - started

    async def ended(self) -> int:
        """Wait for its end; its exit code."""
        async with asyncio.timeout(30):
            return await self._process.wait()

    async def until(
        self, *events: str, after: int = 0, timeout: float = 60, **fields: Any
    ) -> dict[str, Any]:
        """The first log line of one of these events with those fields, from ``after`` on."""
        seen = after

        def found() -> dict[str, Any] | None:
            nonlocal seen
            while seen < len(self.events):
                entry = self.events[seen]
                seen += 1
                if entry["event"] in events and fields.items() <= entry.items():
                    return entry
            return None

        try:
            async with asyncio.timeout(timeout), self._news:
                while (entry := found()) is None:
                    if self._ended:
                        raise AssertionError(f"it ended without {events}: {self._last()}")
                    await self._news.wait()
        except TimeoutError:
            await self._tell_where()
            raise AssertionError(f"no {events} within {timeout} s: {self._last()}") from None
        return entry

    def count(self, event: str) -> int:
        """How many log lines of an event there are."""
        return sum(entry["event"] == event for entry in self.events)

    def resources(self) -> "Resources":
        """What the process holds at this moment."""
        return Resources.of(self.pid)

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            async with self._news:
                try:
                    self.events.append(json.loads(line))
                except ValueError:
                    self.said.append(line.decode())
                self._news.notify_all()
        async with self._news:
            self._ended = True
            self._news.notify_all()

    async def _tell_where(self) -> None:
        """Have a process that does not do as it should say what each of its threads is at."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGABRT)
            self._process.send_signal(signal.SIGCONT)
            async with self._news:
                await self._news.wait_for(lambda: self._ended)

    def _last(self) -> list[Any]:
        return [*self.said[-40:], *self.events[-10:]]


class Resources:
    """A process's memory of its own in KiB (no file pages: others share them), files, threads."""

    def __init__(self, memory: int, files: int, threads: int) -> None:
        self.memory = memory
        self.files = files
        self.threads = threads

    @classmethod
    def of(cls, pid: int) -> Self:
        """Read them from /proc, with those of the process's children."""
        pids = [pid, *_children(pid)]
        memory = files = threads = 0
        for one in pids:
            with suppress(FileNotFoundError):
                rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
                memory += int(rollup.partition("\nPss_Anon:")[2].split()[0])
                files += len(list(Path(f"/proc/{one}/fd").iterdir()))
                threads += len(list(Path(f"/proc/{one}/task").iterdir()))
        return cls(memory, files, threads)

    def __repr__(self) -> str:
        return f"{self.memory / 1024:.1f} MiB, {self.files} files, {self.threads} threads"


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError):
            found += map(int, (task / "children").read_text().split())
    return [child for one in found for child in (one, *_children(one))]


@asynccontextmanager
async def running_feed(
    served: Path, *, speed: float, start: str, refresh: int = 1, seed: int = 1
) -> AsyncIterator[str]:
    """A ``darkhorses simulator`` that keeps a ledger; its address."""
    async with Running.start(
        "simulator", "--port", "0", "--start", start, "--speed", f"{speed:g}",
        "--refresh", str(refresh), "--seed", str(seed), "--no-limits", "--served", str(served),
    ) as simulator:  # fmt: skip
        async with asyncio.timeout(30), simulator._news:
            while not any("is simulated at" in line for line in simulator.said):
                assert not simulator._ended, simulator.said
                await simulator._news.wait()
        yield simulator.said[-1].split()[-1]


def worker_environment(database_url: str, feed_url: str, **more: str) -> dict[str, str]:
    """What a worker is told: the fastest looks at the card, and no pace beyond that."""
    return {
        "DATABASE_URL": database_url,
        "RACING_API_BASE_URL": feed_url,
        "RACING_API_USERNAME": "simulator",
        "RACING_API_PASSWORD": "simulator",
        "DARKHORSES_POLL_INTERVAL": "5",
        **more,
    }
