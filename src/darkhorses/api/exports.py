"""Exports over HTTP: whole tables as streams that are complete or visibly broken off.

Each export has a connection of its own, made for it and cut with it, so that live reads never wait
for one; there are only so many at a time. A client that goes away, or takes nothing for a while,
ends its export at once. Where the database fails half-way the connection is broken: what has
arrived then lacks the end that every whole answer has.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import timedelta

import structlog
from litestar.types import Receive, Scope, Send

from darkhorses.api.edge import is_head
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.export.formats import KINDS, ExportFormat
from darkhorses.export.streaming import exported
from darkhorses.store.exporting import ExportQuery, open_exports
from darkhorses.store.pool import Database

log = structlog.get_logger()

PATIENCE = timedelta(seconds=60)
"""How long a client may take to take a piece."""


class ExportsBusyError(DarkHorsesError):
    """As many exports as may be are under way."""


class StreamBrokenError(DarkHorsesError):
    """An export ended before its end, after the answer had begun."""


class Exports:
    """Lets a few exports at a time have a connection each, beside those of everything else."""

    def __init__(self, database: Database, *, at_once: int) -> None:
        self._database = database
        self._free = at_once
        self._at_once = at_once

    @property
    def running(self) -> int:
        """Exports under way."""
        return self._at_once - self._free

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[Database]:
        """A connection for one export; raises ExportsBusyError at once when none is free."""
        if not self._free:
            raise ExportsBusyError("as many exports as may be are under way")
        self._free -= 1
        try:
            own = await open_exports(
                self._database.nearest(), connections=1, application_name="darkhorses api export"
            )
            try:
                yield own
            finally:
                await own.close()
        finally:
            self._free += 1


class ExportAnswer:
    """An answer, as ASGI knows it, that reads what it sends while it sends it."""

    def __init__(self, exports: Exports, query: ExportQuery, export_format: ExportFormat) -> None:
        self._exports = exports
        self._query = query
        self._format = export_format
        self._bytes = 0
        self._rows = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the export; raises StoreError and ExportsBusyError before anything is sent."""
        if is_head(scope):
            await self._begin(send)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        sending = asyncio.create_task(self._send(send))
        leaving = asyncio.create_task(_departure(receive))
        try:
            await asyncio.wait([sending, leaving], return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        started = time.perf_counter()
        outcome = "refused"
        try:
            async with self._exports.turn() as own, aclosing(self._pieces(own)) as pieces:
                first = await anext(pieces)
                await self._begin(send)
                outcome = "broken"
                await self._send_all(first, pieces, send)
                outcome = "whole"
        finally:
            log.info(
                "export.ended",
                table=self._query.table.value,
                format=self._format.value,
                outcome=outcome,
                rows=self._rows,
                bytes=self._bytes,
                ms=round((time.perf_counter() - started) * 1000),
            )

    async def _send_all(self, first: bytes, pieces: AsyncGenerator[bytes], send: Send) -> None:
        try:
            await self._send_piece(first, send)
            async for piece in pieces:
                await self._send_piece(piece, send)
        except (DarkHorsesError, TimeoutError) as error:
            log.warning("export.broken", reason=str(error) or "the client takes nothing")
            raise StreamBrokenError("the export ended before its end") from error
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_piece(self, piece: bytes, send: Send) -> None:
        if piece:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            self._bytes += len(piece)

    def _pieces(self, own: Database) -> AsyncGenerator[bytes]:
        return exported(own, self._query, self._format, on_rows=self._count)

    def _count(self, rows: int) -> None:
        self._rows += rows

    async def _begin(self, send: Send) -> None:
        name = f"{file_name(self._query)}.{self._format}"
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [
                    (b"content-type", KINDS[self._format].media_type.encode()),
                    (b"content-disposition", f'attachment; filename="{name}"'.encode()),
                    (b"cache-control", b"no-store"),
                ],
            }
        )


def file_name(query: ExportQuery) -> str:
    """The name of an export's file without its ending: the table, and the days when given."""
    parts: list[str] = [query.table.value]
    if query.from_day != query.from_day.min:
        parts.append(f"from-{query.from_day}")
    if query.to_day != query.to_day.max:
        parts.append(f"to-{query.to_day}")
    return "-".join(parts)


async def _departure(receive: Receive) -> None:
    """Return when the client has gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
