"""What can go wrong between a program and the API.

ClientError
├── UnreachableError        no answer, or one that broke off
├── ProblemError            the API refused: a problem of RFC 9457, field by field
└── MalformedAnswerError    an answer that is not what the API promises
"""

from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx
import msgspec

from darkhorses.domain.errors import DarkHorsesError

_LONGEST_DETAIL = 200


class ClientError(DarkHorsesError):
    """A question to the API was not answered as it should."""


class UnreachableError(ClientError):
    """The API cannot be reached, or the connection to it was lost."""


class MalformedAnswerError(ClientError):
    """An answer makes no sense: there may be something else at that address."""


class FieldProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one parameter."""

    field: str
    message: str


class _Problem(msgspec.Struct, frozen=True, kw_only=True):
    title: str = ""
    detail: str = ""
    errors: tuple[FieldProblem, ...] = ()


class ProblemError(ClientError):
    """The API refused, and says why.

    ``errors`` names the parameters that are to be mended; ``retry_after`` is how many seconds to
    wait before asking again, where the API says so.
    """

    def __init__(
        self,
        *,
        status: int,
        title: str,
        detail: str,
        errors: tuple[FieldProblem, ...] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(f"{status} {title}: {detail}" if detail else f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = errors
        self.retry_after = retry_after

    @property
    def is_passing(self) -> bool:
        """Whether the same question may well be answered later."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status in (
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_EARLY,
            HTTPStatus.TOO_MANY_REQUESTS,
        )


def problem_of(answer: httpx.Response) -> ProblemError:
    """The problem in an answer that was read; one of a proxy says as much as there is in it."""
    try:
        problem = msgspec.json.decode(answer.content, type=_Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        problem = _Problem(detail=answer.text[:_LONGEST_DETAIL].strip())
    return ProblemError(
        status=answer.status_code,
        title=problem.title or answer.reason_phrase,
        detail=problem.detail,
        errors=problem.errors,
        retry_after=_retry_after(answer),
    )


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds; a date is taken by the server's own clock."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        until, now = (parsedate_to_datetime(one) for one in (text, answer.headers["date"]))
        return max((until - now).total_seconds(), 0.0)
    except (KeyError, ValueError, TypeError):
        return None
