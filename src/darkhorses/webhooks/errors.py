"""What can go wrong when a message is sent to a webhook."""

from datetime import timedelta

from darkhorses.domain.errors import DarkHorsesError


class WebhookError(DarkHorsesError):
    """A message to a webhook did not arrive."""


class TargetRefusedError(WebhookError):
    """The address is one that nothing may be sent to."""


class NotDeliveredError(WebhookError):
    """Network, timeout, or an answer that is no success.

    ``status`` is the answer's, None without one; ``retry_after`` is how long the receiver asked
    to be left alone.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
