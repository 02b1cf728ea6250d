"""The command ``darkhorses export``: a table into a file, with a bar that says how far it is."""

import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from darkhorses.database import open_database
from darkhorses.export.files import write_whole
from darkhorses.export.formats import ExportFormat
from darkhorses.export.streaming import exported
from darkhorses.settings import Settings
from darkhorses.store.exporting import ExportQuery, open_exports
from darkhorses.store.migrations import require_current_schema

_LINE_EVERY = 250_000
"""Rows between two lines of progress where there is no terminal."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """What was exported: rows, and bytes of the file."""

    rows: int
    bytes: int


class Gauge:
    """Counts rows and tells how many there are."""

    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.rows = 0
        self._total = 0
        self._tell = tell

    def set_total(self, total: int) -> None:
        """Learn how many rows there will be."""
        self._total = total
        self._tell(0, total)

    def advance(self, rows: int) -> None:
        """So many rows more are done."""
        self.rows += rows
        self._tell(self.rows, self._total)


async def export_table(
    settings: Settings, query: ExportQuery, export_format: ExportFormat, *, out: Path | None
) -> Export:
    """Export into a file, or to stdout without one; progress goes to stderr.

    Raises ParquetMissingError, CannotWriteError and StoreError; a file is whole or is not there.
    """
    async with open_database(
        settings, max_connections=1, application_name="darkhorses export"
    ) as database:
        await require_current_schema(database)
        exports = await open_exports(database, connections=1)
        try:
            with progress(f"{query.table}") as gauge:
                pieces = exported(
                    exports,
                    query,
                    export_format,
                    on_total=gauge.set_total,
                    on_rows=gauge.advance,
                )
                size = await (_to_stdout(pieces) if out is None else write_whole(pieces, out))
        finally:
            await exports.close()
    return Export(rows=gauge.rows, bytes=size)


@contextmanager
def progress(label: str) -> Iterator[Gauge]:
    """A bar with the time left on a terminal, a line now and then elsewhere; both on stderr."""
    if not sys.stderr.isatty():
        yield Gauge(_lines(label))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows,"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=None)
        yield Gauge(lambda rows, total: bar.update(task, completed=rows, total=total))


def _lines(label: str) -> Callable[[int, int], None]:
    said = 0

    def tell(rows: int, total: int) -> None:
        nonlocal said
        if rows - said >= _LINE_EVERY:
            said = rows
            print(f"{label}: {rows:,} of {total:,} rows", file=sys.stderr, flush=True)  # noqa: T201

    return tell


async def _to_stdout(pieces: AsyncGenerator[bytes]) -> int:
    size = 0
    async with aclosing(pieces):
        async for piece in pieces:
            size += sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return size
