"""The formats of an export, and who encodes each."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib.util import find_spec
from typing import Protocol

import msgspec

from darkhorses.domain.errors import DarkHorsesError
from darkhorses.export.text import CsvEncoder, NdjsonEncoder
from darkhorses.store.exporting import Column, Row


class ExportFormat(StrEnum):
    """How an export is written."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What a format is called elsewhere."""

    media_type: str


KINDS: Mapping[ExportFormat, Kind] = {
    ExportFormat.CSV: Kind(media_type="text/csv; charset=utf-8; header=present"),
    ExportFormat.NDJSON: Kind(media_type="application/x-ndjson"),
    ExportFormat.PARQUET: Kind(media_type="application/vnd.apache.parquet"),
}


class ParquetMissingError(DarkHorsesError):
    """Parquet was asked for where the package that writes it is not installed."""


class Encoder(Protocol):
    """Turns rows into the bytes of a file, piece by piece."""

    def begin(self) -> bytes:
        """What stands before the first row."""

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Some rows more; may keep them back until there are enough."""

    def end(self) -> bytes:
        """What was kept back, and what stands after the last row."""


def encoder_of(export_format: ExportFormat, columns: Sequence[Column]) -> Encoder:
    """Make the encoder of one export; raises ParquetMissingError."""
    if export_format is ExportFormat.CSV:
        return CsvEncoder(columns)
    if export_format is ExportFormat.NDJSON:
        return NdjsonEncoder(columns)
    require(export_format)
    from darkhorses.export.parquet import ParquetEncoder  # noqa: PLC0415  # it may be missing

    return ParquetEncoder(columns)


def best_for_archives() -> ExportFormat:
    """Parquet where this installation can write it, NDJSON elsewhere: both keep prices exact."""
    return ExportFormat.NDJSON if find_spec("pyarrow") is None else ExportFormat.PARQUET


def require(export_format: ExportFormat) -> None:
    """Raise ParquetMissingError where this installation cannot write the format."""
    if export_format is ExportFormat.PARQUET and find_spec("pyarrow") is None:
        raise ParquetMissingError(
            "Parquet needs the package pyarrow: pip install 'darkhorses[parquet]', or take ndjson "
            "or csv"
        )
