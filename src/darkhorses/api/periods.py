"""Race days as addresses name them: ``race_date``, ``year``, ``from`` and ``to``."""

from datetime import date
from typing import Annotated

import msgspec
from litestar.params import QueryParameter

from darkhorses.api.problems import BadParametersError, FieldError

RaceDate = Annotated[
    date | None, QueryParameter(description="A single race day in London, YYYY-MM-DD")
]
FromDay = Annotated[
    date | None, QueryParameter(name="from", description="First race day, YYYY-MM-DD")
]
ToDay = Annotated[date | None, QueryParameter(name="to", description="Last race day, YYYY-MM-DD")]
Year = Annotated[int | None, QueryParameter(ge=1900, le=2200, description="Race days of a year")]


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """Race days of London, first and last included; none at all where first is after last."""

    first: date = date.min
    last: date = date.max


def period(
    *,
    race_date: date | None = None,
    year: int | None = None,
    from_day: date | None = None,
    to_day: date | None = None,
) -> Period:
    """The days that are in all of these; raises BadParametersError when ``from`` is after ``to``.

    ``race_date`` and ``year`` beside them only narrow: they may leave no day.
    """
    if from_day is not None and to_day is not None and from_day > to_day:
        raise BadParametersError(FieldError(field="from", message="is after to"))
    firsts = [from_day or date.min, race_date or date.min]
    lasts = [to_day or date.max, race_date or date.max]
    if year is not None:
        firsts.append(date(year, 1, 1))
        lasts.append(date(year, 12, 31))
    return Period(first=max(firsts), last=min(lasts))
