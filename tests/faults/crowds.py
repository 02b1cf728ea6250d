"""A crowd that follows the stream of one API, some of it never reading: a process of its own.

It writes one line when all are open, one when all have heard of the change that it is given on
stdin, and, once their streams have ended, one of what they heard.
"""

import asyncio
import json
import re
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Self

_ID = re.compile(rb"^id: (\d+)-\d+\nevent: price", re.MULTILINE)
# By HTTP/1.0, so that the body comes as it is: chunks would cut events in two.
_ASK = b"GET /api/stream%s HTTP/1.0\r\nhost: crowd\r\n\r\n"
_OPENED_AT_ONCE = 50


class Crowd:
    """So many clients of one API, of which ``stuck`` never read."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def gather(cls, port: int, *, clients: int, stuck: int) -> AsyncIterator[Self]:
        """Open all of their streams; returns when every one that reads has heard its status."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.faults.crowds", str(port), str(clients), str(stuck),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**28,
        )  # fmt: skip
        try:
            crowd = cls(process)
            assert await crowd._told() == "open"
            yield crowd
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def until(self, change_id: int) -> None:
        """Return when all that read have heard of a change or a later one."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"%d\n" % change_id)
        assert await self._told() == "heard"

    async def heard(self) -> list[tuple[int, list[int]]]:
        """What changes were heard, in order, and by how many; waits for the streams to end."""
        return [(count, ids) for count, ids in await self._told()]

    async def _told(self) -> Any:
        assert self._process.stdout is not None
        async with asyncio.timeout(120):
            return json.loads(await self._process.stdout.readline())


class _Follower(asyncio.Protocol):
    """One that reads everything."""

    def __init__(self) -> None:
        self._said: list[bytes] = []
        self._awaited: int | None = None
        loop = asyncio.get_running_loop()
        self.is_open: asyncio.Future[None] = loop.create_future()
        self.has_heard: asyncio.Future[None] = loop.create_future()
        self.has_ended: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(_ASK % b"?snapshot=false")

    def data_received(self, data: bytes) -> None:
        if self.is_open.done():
            self._said.append(data)
            self._look_out()
        elif b"event: status" in data:
            self.is_open.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.is_open.done():
            self.is_open.set_exception(ConnectionError("refused or cut off before its status"))
        self.has_ended.set_result(None)

    def await_change(self, change_id: int) -> None:
        """Say by ``has_heard`` when it or a later one has been heard of."""
        self._awaited = change_id
        self._look_out()

    def _look_out(self) -> None:
        if self._awaited is None or self.has_heard.done():
            return
        changes = self.changes()
        if changes and changes[-1] >= self._awaited:
            self.has_heard.set_result(None)

    def changes(self) -> tuple[int, ...]:
        """The changes that were heard, in order."""
        return tuple(int(found) for found in _ID.findall(b"".join(self._said)))


async def _follow(port: int, clients: int, stuck: int) -> None:
    loop = asyncio.get_running_loop()
    silent = [_stuck(port) for _ in range(stuck)]
    followers: list[_Follower] = []
    while (missing := clients - stuck - len(followers)) > 0:
        made = await asyncio.gather(
            *(
                loop.create_connection(_Follower, "127.0.0.1", port)
                for _ in range(min(missing, _OPENED_AT_ONCE))
            )
        )
        followers += [follower for _, follower in made]
        await asyncio.gather(*(follower.is_open for _, follower in made))
    _tell("open")
    awaited = int(await loop.run_in_executor(None, sys.stdin.readline))
    for follower in followers:
        follower.await_change(awaited)
    await asyncio.gather(*(follower.has_heard for follower in followers))
    _tell("heard")
    await asyncio.gather(*(follower.has_ended for follower in followers))
    heard = Counter(follower.changes() for follower in followers)
    _tell([(count, ids) for ids, count in heard.most_common()])
    for one in silent:
        one.close()


def _stuck(port: int) -> socket.socket:
    silent = socket.socket()
    silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent.connect(("127.0.0.1", port))
    silent.sendall(_ASK % b"")
    return silent


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_follow(*map(int, sys.argv[1:])))
