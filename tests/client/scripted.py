"""A server that says word for word what it is told to, one connection after the other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


class ScriptedServer:
    """``answers`` are whole answers; a connection stays open after one that is in ``held``.

    ``requests`` are the heads that were received, in lower case.
    """

    def __init__(self, answers: Sequence[bytes], held: Sequence[int]) -> None:
        self.requests: list[str] = []
        self.url = ""
        self._answers = answers
        self._held = held

    def last_event_ids(self) -> list[str | None]:
        """What each connection asked to go on from."""
        name = "last-event-id: "
        return [
            next((li.removeprefix(name) for li in head.split("\r\n") if li.startswith(name)), None)
            for head in self.requests
        ]

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        number = len(self.requests)
        self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode().lower())
        writer.write(self._answers[number])
        if number in self._held:
            await reader.read()
        writer.close()


@asynccontextmanager
async def scripted(*answers: bytes, held: Sequence[int] = ()) -> AsyncIterator[ScriptedServer]:
    """Run it on a free port."""
    script = ScriptedServer(answers, held)
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0)
    script.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(30), server:
        yield script
