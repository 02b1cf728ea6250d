"""Reading an export of the change log back, to know that it is whole before the log lets go."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from darkhorses.domain.errors import DarkHorsesError
from darkhorses.export.formats import ExportFormat, require


class NotVerifiedError(DarkHorsesError):
    """A file does not hold what was exported into it."""


class FileOfChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds: rows, and the highest change_id (0 of none)."""

    rows: int
    newest: int


class _Change(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    change_id: int


_changes = msgspec.json.Decoder(_Change)


def read_back(path: Path, export_format: ExportFormat) -> FileOfChanges:
    """Read every row of a file of changes, in constant memory; raises NotVerifiedError."""
    require(export_format)
    numbers = _from_parquet if export_format is ExportFormat.PARQUET else _from_ndjson
    rows = newest = 0
    try:
        for change_ids in numbers(path):
            rows += len(change_ids)
            newest = max((newest, *change_ids))
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise NotVerifiedError(f"{path} cannot be read back: {error}") from error
    return FileOfChanges(rows=rows, newest=newest)


def _from_parquet(path: Path) -> Iterator[list[int]]:
    import pyarrow.parquet as pq  # noqa: PLC0415  # it may be missing

    with pq.ParquetFile(path) as file:
        # Every column is decoded, so that a file with one that is broken does not pass.
        for batch in file.iter_batches():
            yield batch.column("change_id").to_pylist()


def _from_ndjson(path: Path) -> Iterator[list[int]]:
    with path.open("rb") as file:
        for line in file:
            yield [_changes.decode(line).change_id]
