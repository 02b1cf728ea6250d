"""An export as a stream of bytes."""

import asyncio
from collections.abc import AsyncGenerator, Callable

from darkhorses.export.formats import ExportFormat, encoder_of, require
from darkhorses.store.exporting import ExportQuery, reading
from darkhorses.store.pool import Database


async def exported(
    exports: Database,
    query: ExportQuery,
    export_format: ExportFormat,
    *,
    on_total: Callable[[int], None] | None = None,
    on_rows: Callable[[int], None] = lambda _: None,
) -> AsyncGenerator[bytes]:
    """The bytes of an export; the first piece comes as soon as the database has said yes.

    ``exports`` is of ``open_exports``. ``on_total`` is told how many rows there are (which costs
    a count), ``on_rows`` how many more were encoded. Raises ParquetMissingError before anything
    is read, and StoreError at any time: what came before it is then no whole file.
    """
    require(export_format)
    async with reading(exports, query) as table:
        encoder = encoder_of(export_format, table.columns)
        yield encoder.begin()
        if on_total is not None:
            on_total(await table.count())
        async for rows in table.batches():
            # Beside the event loop: a batch takes long enough for others to notice.
            piece = await asyncio.to_thread(encoder.encode, rows)
            on_rows(len(rows))
            if piece:
                yield piece
        yield await asyncio.to_thread(encoder.end)
