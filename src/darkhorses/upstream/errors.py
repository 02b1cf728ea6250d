"""How The Racing API refuses or fails; each name asks something else of the operator."""

from datetime import timedelta

from darkhorses.domain.errors import DarkHorsesError


class FeedError(DarkHorsesError):
    """The feed did not give what was asked for; the message says why."""


class BadCredentialsError(FeedError):
    """The feed does not accept the user name and password."""


class PlanTooSmallError(FeedError):
    """The account's plan does not cover the endpoint."""


class NotFoundError(FeedError):
    """The feed has no such race, runner or result."""


class RejectedError(FeedError):
    """The feed found the request wrong; asking again would not help."""


class ThrottledError(FeedError):
    """The feed said that we ask too often; ``retry_after`` when it said for how long."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class UnavailableError(FeedError):
    """The feed cannot be reached, does not answer in time, or fails (5xx)."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CircuitOpenError(UnavailableError):
    """The feed failed so often just now that it was not asked."""


class MalformedError(FeedError):
    """The feed's answer is not what it promises: cut short, not JSON, or of another shape."""
