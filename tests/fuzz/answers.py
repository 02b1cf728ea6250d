"""What every answer of the API must be like, whatever was asked."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlsplit

PROBLEM = "application/problem+json"
_ALWAYS = {
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "cross-origin-opener-policy",
}
_INSIDE = (b"Traceback", b"asyncpg", b"litestar", b"site-packages", b"/darkhorses/", b"SELECT ")
_OLD_EXPORT = 505


class Answers:
    """Judges answers, and counts them by their status."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.unavailable: Counter[str] = Counter()
        """Why there was no answer just then, in the API's words."""

    @property
    def count(self) -> int:
        return self.statuses.total()

    def judge(self, target: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
        """Fail with what is wrong with an answer of the application."""
        self.statuses[status] += 1
        told = f"{status} to {target[:500]!r}: {body[:500]!r}"
        assert status < 500 or status == 503 or (status == _OLD_EXPORT and "export" in target), told
        assert headers.get("server") == "darkhorses", told
        assert headers.keys() >= _ALWAYS, told
        if status < 400:
            return
        assert not [word for word in _INSIDE if word in body], told
        assert headers["cache-control"] == "no-store", told
        assert (status == 405) == ("allow" in headers), told
        assert status != 503 or int(headers["retry-after"]) > 0, told
        if headers["content-type"].startswith("text/html"):
            assert not urlsplit(target).path.startswith("/api/"), told
            return
        assert headers["content-type"] == PROBLEM, told
        if body:
            problem = json.loads(body)
            _judge_problem(target, status, problem)
            if status == 503:
                self.unavailable[problem["detail"]] += 1


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
