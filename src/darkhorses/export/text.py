"""Exports as text: CSV for spreadsheets, NDJSON for programs.

In CSV an empty field is NULL, truth is ``true`` or ``false``, instants are ISO 8601 with ``Z``. In
NDJSON prices are numbers with the digits that are stored, and JSON columns stand as they are.
"""

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from darkhorses.store.exporting import Column, ColumnKind, Row


class CsvEncoder:
    """Rows as CSV (RFC 4180) with a header."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._names = [column.name for column in columns]
        self._writers = [_CSV_WRITERS.get(column.kind) for column in columns]

    def begin(self) -> bytes:
        """The header."""
        return _csv_lines([self._names])

    def encode(self, rows: Sequence[Row]) -> bytes:
        """The rows' lines."""
        columns = [
            values if write is None else [None if v is None else write(v) for v in values]
            for write, values in zip(
                self._writers, zip(*(row.values() for row in rows), strict=True), strict=True
            )
        ]
        return _csv_lines(list(zip(*columns, strict=True)))

    def end(self) -> bytes:
        """Nothing stands after the last line."""
        return b""


class NdjsonEncoder:
    """Rows as JSON objects, one to a line."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._json = [column.name for column in columns if column.kind is ColumnKind.JSON]
        self._encoder = msgspec.json.Encoder(decimal_format="number")

    def begin(self) -> bytes:
        """Nothing stands before the first line."""
        return b""

    def encode(self, rows: Sequence[Row]) -> bytes:
        """The rows' lines."""
        objects = [dict(row) for row in rows]
        for name in self._json:
            for one in objects:
                if one[name] is not None:
                    one[name] = msgspec.Raw(one[name].encode())
        return self._encoder.encode_lines(objects)

    def end(self) -> bytes:
        """Nothing stands after the last line."""
        return b""


def _csv_lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()


def _instant(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")


_CSV_WRITERS: Mapping[ColumnKind, Callable[[Any], str]] = {
    ColumnKind.INSTANT: _instant,
    ColumnKind.TRUTH: lambda value: "true" if value else "false",
}
