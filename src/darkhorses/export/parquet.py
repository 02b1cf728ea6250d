"""Exports as Parquet, in row groups that are written as soon as they are full.

Numbers are decimal128 with the digits of their column, days date32, instants microseconds in UTC.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from darkhorses.store.exporting import Column, ColumnKind, Row

ROWS_IN_A_GROUP = 50_000

_NEVER_THE_SAME = (ColumnKind.BIG_INTEGER, ColumnKind.INSTANT)
"""Kinds whose values hardly repeat: a dictionary of them would be larger than they are."""

_TYPES: Mapping[ColumnKind, Any] = {
    ColumnKind.TEXT: pa.string(),
    ColumnKind.SMALL_INTEGER: pa.int16(),
    ColumnKind.INTEGER: pa.int32(),
    ColumnKind.BIG_INTEGER: pa.int64(),
    ColumnKind.DAY: pa.date32(),
    ColumnKind.INSTANT: pa.timestamp("us", tz="UTC"),
    ColumnKind.TRUTH: pa.bool_(),
    ColumnKind.JSON: pa.string(),
}


class ParquetEncoder:
    """Rows as a Parquet file; columns of JSON are text."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._schema = pa.schema([pa.field(column.name, _type(column)) for column in columns])
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(
            self._sink,
            self._schema,
            compression="zstd",
            use_dictionary=[c.name for c in columns if c.kind not in _NEVER_THE_SAME],
        )
        self._batches: list[Any] = []
        self._waiting = 0

    def begin(self) -> bytes:
        """The mark that every Parquet file begins with."""
        return self._sink.taken()

    def encode(self, rows: Sequence[Row]) -> bytes:
        """A row group, once there are rows enough for one."""
        columns = zip(*(row.values() for row in rows), strict=True)
        arrays = [
            pa.array(values, type=field.type)
            for field, values in zip(self._schema, columns, strict=True)
        ]
        self._batches.append(pa.record_batch(arrays, schema=self._schema))
        self._waiting += len(rows)
        if self._waiting >= ROWS_IN_A_GROUP:
            self._write_group()
        return self._sink.taken()

    def end(self) -> bytes:
        """The last row group and the footer, without which nobody can read the file."""
        if self._batches:
            self._write_group()
        self._writer.close()
        return self._sink.taken()

    def _write_group(self) -> None:
        self._writer.write_table(
            pa.Table.from_batches(self._batches, self._schema), row_group_size=self._waiting
        )
        self._batches.clear()
        self._waiting = 0


class _Sink(io.RawIOBase):
    """A file whose bytes are taken away as they are written."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._bytes += data
        return len(data)

    def taken(self) -> bytes:
        taken = bytes(self._bytes)
        self._bytes.clear()
        return taken


def _type(column: Column) -> Any:
    if column.kind is not ColumnKind.NUMBER:
        return _TYPES[column.kind]
    if column.digits is None or column.scale is None:
        raise ValueError(f"the column {column.name} does not say how many digits it has")
    return pa.decimal128(column.digits, column.scale)
