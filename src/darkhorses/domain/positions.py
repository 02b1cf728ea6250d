"""Where a follower of the market stands: what it has been told, and so where it may go on."""

import re

import msgspec

_TEXT = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Every price change up to ``change_id`` and every race as of ``revision`` were told.

    As text ``1234-56``. Change ids come one by one, so prices are resumed exactly; a revision
    stands for a whole write, so the races of one may be told again.
    """

    change_id: int = 0
    revision: int = 0

    def has_reached(self, other: "Position") -> bool:
        """Whether everything up to another position was told."""
        return self.change_id >= other.change_id and self.revision >= other.revision

    def __str__(self) -> str:
        return f"{self.change_id}-{self.revision}"


def read_position(text: str) -> Position:
    """Read a position from its text; raises ValueError."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no position such as 1234-56")
    return Position(change_id=int(match[1]), revision=int(match[2]))
