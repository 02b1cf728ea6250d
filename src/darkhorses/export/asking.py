"""What is asked to be exported, checked: every filter applies to the table or is refused."""

from collections.abc import Mapping
from datetime import date

from darkhorses.domain.bookmakers import bookmaker_named
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.store.exporting import FILTERS, ExportQuery, ExportTable


class WrongFilterError(DarkHorsesError):
    """A filter cannot be used for the table, or makes no sense; ``field`` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field
        self.message = message


def export_query(
    table: ExportTable,
    *,
    from_day: date | None = None,
    to_day: date | None = None,
    filters: Mapping[str, str | None],
) -> ExportQuery:
    """The query of a table; filters that are None are left out, ``bookmaker`` is a name or an id.

    Raises WrongFilterError.
    """
    if from_day is not None and to_day is not None and from_day > to_day:
        raise WrongFilterError("from", "is after to")
    given = {name: value for name, value in filters.items() if value is not None}
    for name in given:
        _refuse_where_it_does_not_apply(name, table)
    if "bookmaker" in given:
        given["bookmaker"] = _bookmaker_id(given["bookmaker"])
    return ExportQuery(
        table=table,
        from_day=from_day or date.min,
        to_day=to_day or date.max,
        filters=given,
    )


def _refuse_where_it_does_not_apply(name: str, table: ExportTable) -> None:
    if name in FILTERS[table]:
        return
    others = sorted(other for other, names in FILTERS.items() if name in names)
    raise WrongFilterError(name, f"does not apply to {table}, only to {' and '.join(others)}")


def _bookmaker_id(name: str) -> str:
    try:
        return bookmaker_named(name).bookmaker_id
    except ValueError as error:
        raise WrongFilterError("bookmaker", str(error)) from error
