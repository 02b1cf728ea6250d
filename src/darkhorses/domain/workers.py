"""What a worker is, and how it finds the feed."""

from enum import StrEnum


class Role(StrEnum):
    """Whether a worker writes or waits for its turn."""

    LEADER = "leader"
    STANDBY = "standby"


class FeedState(StrEnum):
    """How a worker finds the feed."""

    OK = "ok"
    FAILING = "failing"
    REFUSED = "refused"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, _value: object) -> "FeedState":
        # A newer worker may know more states than this reader.
        return cls.UNKNOWN
