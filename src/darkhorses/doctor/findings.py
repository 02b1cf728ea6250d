"""What the doctor found, and how it is mended."""

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was looked at; ``remedy`` says how to mend it and is None when it is fine."""

    check: str
    level: Level
    message: str
    remedy: str | None = None

    def __str__(self) -> str:
        """One line for a person."""
        line = f"{self.level.value:<5}{self.check:<20} {self.message}"
        return " ".join((line if self.remedy is None else f"{line} -> {self.remedy}").splitlines())


def fine(check: str, message: str) -> Finding:
    """Nothing to mend."""
    return Finding(check=check, level=Level.OK, message=message)


def doubtful(check: str, message: str, remedy: str) -> Finding:
    """Works, but should be looked at."""
    return Finding(check=check, level=Level.WARN, message=message, remedy=remedy)


def broken(check: str, message: str, remedy: str) -> Finding:
    """Does not work."""
    return Finding(check=check, level=Level.FAIL, message=message, remedy=remedy)
