"""Workers as an operator runs them: processes that are watched by what they log."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self


class WorkerProcess:
    """A ``darkhorses worker``; its log is read line by line."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.events: list[dict[str, Any]] = []

    @classmethod
    @asynccontextmanager
    async def start(cls, **environment: str) -> AsyncIterator[Self]:
        """Start one; it is killed at the end if it still runs."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "darkhorses",
            "worker",
            stderr=asyncio.subprocess.PIPE,
            env={"PATH": os.environ["PATH"], **environment},  # noqa: TID251  # a child's
        )
        try:
            yield cls(process)
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def until(self, event: str, timeout: float = 30, **fields: Any) -> dict[str, Any]:
        """Return the next log line of that event with those fields."""
        assert self._process.stderr is not None
        async with asyncio.timeout(timeout):
            while line := await self._process.stderr.readline():
                entry = json.loads(line)
                self.events.append(entry)
                if entry["event"] == event and fields.items() <= entry.items():
                    return dict(entry)
        raise AssertionError(f"the worker ended without {event}: {self.events}")

    async def stop(self) -> int:
        """Send SIGTERM and read on to the end of its log; its exit code."""
        self._process.send_signal(signal.SIGTERM)
        _, said = await self._process.communicate()
        self.events += [json.loads(line) for line in said.splitlines()]
        assert self._process.returncode is not None
        return self._process.returncode

    async def kill(self) -> None:
        """Send SIGKILL."""
        self._process.kill()
        await self._process.wait()

    async def refuses(self) -> tuple[int, str]:
        """Wait for it to end by itself; its exit code and the last line that it said."""
        _, said = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, said.decode().strip().splitlines()[-1]
