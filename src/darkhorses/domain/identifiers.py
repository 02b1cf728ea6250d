"""Types of the ids that the feed gives, and of the bookmaker ids that we make."""

from typing import NewType

RaceId = NewType("RaceId", str)
"""Such as ``rac_11744434``."""

HorseId = NewType("HorseId", str)
"""Such as ``hrs_47475190``."""

CourseId = NewType("CourseId", str)
"""Such as ``crs_624``."""

BookmakerId = NewType("BookmakerId", str)
"""A bookmaker's name in lower-case letters and digits, aliases resolved: ``williamhill``."""
