"""Parameters by which several addresses choose races."""

from typing import Annotated

from litestar.params import QueryParameter

OfRegion = Annotated[
    str | None, QueryParameter(min_length=1, max_length=20, description="gb, ire, …")
]
OfCourse = Annotated[
    str | None, QueryParameter(min_length=1, max_length=100, description="Name or id of a course")
]
