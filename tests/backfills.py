"""``darkhorses backfill`` and the simulator as an operator runs them: real processes."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Self


def environment_of(database_url: str, base_url: str, **more: str) -> dict[str, str]:
    """What a backfill process is told."""
    return {
        "PATH": os.environ["PATH"],  # noqa: TID251  # a child's
        "DATABASE_URL": database_url,
        "RACING_API_BASE_URL": base_url,
        "RACING_API_USERNAME": "simulator",
        "RACING_API_PASSWORD": "simulator",
        **more,
    }


def days(first: date, last: date) -> tuple[str, ...]:
    """The options that name a span."""
    return "--from", str(first), "--to", str(last)


@asynccontextmanager
async def simulator_process(*arguments: str) -> AsyncIterator[str]:
    """A ``darkhorses simulator``; its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "darkhorses", "simulator", "--port", "0", *arguments,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stderr is not None
        said = ""
        async with asyncio.timeout(30):
            while "is simulated at" not in said:
                said = (await process.stderr.readline()).decode()
                assert said, "the simulator ended before it was ready"
        yield said.split()[-1]
    finally:
        process.kill()
        await process.wait()


class Backfill:
    """A ``darkhorses backfill`` with plain lines; ``progress`` are those of days that were done."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.progress: list[str] = []
        self.said: list[str] = []

    @classmethod
    @asynccontextmanager
    async def start(cls, environment: dict[str, str], *arguments: str) -> AsyncIterator[Self]:
        """Start one; it is killed at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "darkhorses", "backfill", *arguments,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment,
        )  # fmt: skip
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def until_done(self, count: int) -> None:
        """Return when so many lines of progress were read altogether."""
        assert self._process.stderr is not None
        async with asyncio.timeout(60):
            while len(self.progress) < count:
                line = (await self._process.stderr.readline()).decode()
                assert line, f"the backfill ended early: {self.said}"
                self._note(line)

    def send(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    async def ended(self) -> tuple[int, str]:
        """Wait for its end; its exit code and what it printed."""
        async with asyncio.timeout(120):
            printed, said = await self._process.communicate()
        for line in said.decode().splitlines():
            self._note(line)
        assert self._process.returncode is not None
        return self._process.returncode, printed.decode()

    async def summary(self) -> dict[str, Any]:
        """Wait for its end, well; what it printed with ``--json``."""
        code, printed = await self.ended()
        assert code == 0, (self.said, printed)
        found: dict[str, Any] = json.loads(printed)
        return found

    def _note(self, line: str) -> None:
        self.said.append(line)
        if " days/min, " in line:
            self.progress.append(line.strip())
