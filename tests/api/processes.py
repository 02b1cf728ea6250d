"""The API as an operator runs it: a process that is watched by what it logs."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.ports import free_port


class ApiProcess:
    """A ``darkhorses api`` on a port of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self._process = process
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.lines: list[str] = []

    @property
    def pid(self) -> int:
        """Its number as a process."""
        return self._process.pid

    async def until(self, event: str) -> dict[str, Any]:
        """The next log line of an event."""
        assert self._process.stderr is not None
        async with asyncio.timeout(30):
            while line := await self._process.stderr.readline():
                self.lines.append(line.decode())
                entry = json.loads(line)
                if entry["event"] == event:
                    return dict(entry)
        raise AssertionError(f"the API ended without {event}: {self.lines}")

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; the exit code, and the seconds until the end."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._process.send_signal(number)
        code, said = await self.ended()
        assert "Traceback" not in said
        return code, loop.time() - started

    async def stop_and_tell(self) -> tuple[int, str]:
        """Ask it to end; the exit code, and what was said last."""
        self._process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> tuple[int, str]:
        """Wait for the end; the exit code, and what was said last."""
        async with asyncio.timeout(30):
            _, said = await self._process.communicate()
        assert self._process.returncode is not None
        return self._process.returncode, said.decode()

    def kill(self) -> None:
        """End it if it still runs."""
        if self._process.returncode is None:
            self._process.kill()


@asynccontextmanager
async def running_api(port: int | None = None, **environment: str) -> AsyncIterator[ApiProcess]:
    """Start the API; it is killed at the end if it still runs."""
    port = port or free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "darkhorses",
        "api",
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"PORT": str(port)} | environment,  # noqa: TID251  # a child's
    )
    api = ApiProcess(process, port)
    try:
        yield api
    finally:
        api.kill()
        await process.wait()
