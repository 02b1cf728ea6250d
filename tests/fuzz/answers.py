"""What every answer of the API must be like, whatever was asked."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlsplit

PROBLEM = "application/problem+json"
_ALWAYS = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
}
_INSIDE = (b"Traceback", b"asyncpg", b"litestar", b"site-packages", b"/darkhorses/", b"SELECT ")


class Answers:
    """Judges answers, and counts them by their status and errors by their form."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        """Errors: problems, those without a body (HEAD), pages, and the HTTP server's own."""

    @property
    def count(self) -> int:
        return self.statuses.total()

    def __str__(self) -> str:
        statuses = ", ".join(f"{n} of {status}" for status, n in sorted(self.statuses.items()))
        errors = ", ".join(f"{n} {form}" for form, n in sorted(self.errors.items()))
        return f"{self.count} requests: {statuses}; errors: {errors}"

    def note_bare(self, status: int) -> None:
        """Count a refusal that the HTTP server makes of what it cannot read as a request."""
        self.statuses[status] += 1
        self.errors[f"without a body by the HTTP server ({status})"] += 1

    def judge(self, target: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Fail with what is wrong with an answer of the application."""
        self.statuses[status] += 1
        told = f"{status} to {target[:500]!r}: {body[:500]!r}"
        assert status < 500, told
        assert headers.get("server") == "darkhorses", told
        assert headers.keys() >= _ALWAYS, told
        if status < 400:
            return
        # What the client itself said may be told back to it.
        asked = unquote_plus(target).encode()
        assert not [word for word in _INSIDE if word in body and word not in asked], told
        assert headers["cache-control"] == "no-store", told
        assert (status == 405) == ("allow" in headers), told
        if headers["content-type"].startswith("text/html"):
            assert not urlsplit(target).path.startswith("/api/"), told
            self.errors["as HTML pages of the dashboard"] += 1
            return
        assert headers["content-type"] == PROBLEM, told
        if body:
            _judge_problem(target, status, json.loads(body))
            self.errors["as problem+json"] += 1
        else:
            self.errors["as problem+json whose body HEAD leaves out"] += 1


def _judge_problem(target: str, status: int, problem: dict[str, Any]) -> None:
    assert problem.keys() - {"errors"} == {"type", "title", "status", "detail"}, problem
    assert (problem["type"], problem["status"]) == ("about:blank", status), problem
    assert problem["title"], problem
    assert problem["detail"], problem
    for error in problem.get("errors", ()):
        assert error.keys() == {"field", "message"}, problem
        assert error["message"], problem
    if status == 400 and "errors" in problem:
        names = {name for name, _ in parse_qsl(urlsplit(target).query, keep_blank_values=True)}
        # A required parameter that is missing is named too, and so are parts of paths.
        named = {error["field"] for error in problem["errors"]}
        assert named & (names | _ELSEWHERE), (target, problem)


_ELSEWHERE = {"race_id", "table", "name", "horse_id", "bookmaker", "at", "Last-Event-ID"}
