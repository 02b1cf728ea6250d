"""Requests that no client of good will sends, made by the thousand."""

from urllib.parse import quote_from_bytes

import hypothesis
from hypothesis import strategies as st

from tests.fuzz.conftest import FuzzedApi
from tests.fuzz.raw import Answer, ask, request

_ADDRESSES = [
    "/", "/docs", "/openapi.json", "/health", "/version", "/movers", "/results", "/history",
    "/status", "/statistics", "/bookmakers", "/courses", "/parts/board", "/parts/movers",
    "/parts/status", "/static/live.js", "/api/live-odds", "/api/live-odds/races-by-stage",
    "/api/live-odds/upcoming-races", "/api/live-odds/next-race", "/api/races", "/api/movers",
    "/api/opportunities", "/api/historical-odds", "/api/historical-odds/summary", "/api/race-days",
    "/api/results", "/api/statistics", "/api/statistics/trends", "/api/scheduler-status",
    "/api/bookmakers", "/api/courses", "/api/stream", "/api/ws", "/api/export/results",
]  # fmt: skip
_WITH_PART = [
    "/races/", "/results/", "/parts/races/", "/static/", "/api/races/", "/api/results/",
    "/api/export/", "/nowhere/",
]  # fmt: skip
_NAMES = [
    "race_date", "date", "from", "to", "year", "at", "limit", "offset", "cursor", "course",
    "bookmaker", "horse", "region", "stage", "kind", "window", "direction", "format", "metric",
    "table", "type", "hours_ahead", "max_age", "stake", "min_value", "last_event_id", "snapshot",
    "all_odds", "best_only", "resolution", "horse_id", "race_id", "x", "",
]  # fmt: skip
_VALUES = [
    "", "0", "-1", "1", "1e9", "nan", "-inf", "null", "true", "9" * 40, "9223372036854775808",
    "0001-01-01", "9999-12-31", "2026-02-30", "0000-00-00", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59", "2026-06-20T13:05:00Z", "' OR 1=1 --", "../../etc/passwd",
    "<script>alert(1)</script>", "{{7*7}}", "%s%n", "\u202e", "\U0001f40e" * 50, "a" * 5_000,
]  # fmt: skip
_HEADERS = [
    b"Accept", b"Accept-Encoding", b"If-None-Match", b"If-Modified-Since", b"If-Match", b"Range",
    b"Last-Event-ID", b"Origin", b"Referer", b"Cookie", b"Authorization", b"Content-Type",
    b"X-Forwarded-For", b"X-HTTP-Method-Override", b"Forwarded", b"Expect", b"TE", b"Upgrade",
    b"Content-Encoding", b"User-Agent", b"X-Request-ID", b"traceparent",
]  # fmt: skip
_HEADER_VALUES = [
    b"", b"*", b"text/html", b"text/html;q=0.5, */*", b"br;q=nan,gzip;q=9,;;", b"gzip;q=0",
    b'"', b'W/""', b"bytes=0-10,-5", b"0-0", b"99999999999999999999-1", b"-1--1", b"\xff\xfe",
    b"Basic Og==", b"Bearer " + b"x" * 4_000, b"null", b"evil.example, 127.0.0.1", b"websocket",
    b"h2c", b"100-continue", b"Thu, 99 Foo 0000 99:99:99 GMT", b"00-" + b"0" * 32 + b"-0-ff",
]  # fmt: skip
_METHODS = [
    b"GET", b"GET", b"GET", b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"PATCH", b"OPTIONS",
    b"TRACE", b"PROPFIND", b"get", b"\xc3\xa9", b"A" * 300,
]  # fmt: skip


def _piece() -> st.SearchStrategy[bytes]:
    """A piece of an address: mostly encoded as it should be, and sometimes not."""
    values = st.sampled_from(_VALUES) | st.text(max_size=20)
    encoded = (values.map(lambda text: text.encode("utf-8", "surrogatepass"))).map(
        lambda raw: quote_from_bytes(raw).encode()
    )
    broken = st.sampled_from([b"%", b"%zz", b"%00", b"%ff%fe", b"%ed%a0%80", b"%c0%ae", b"%2f.."])
    return encoded | encoded | broken | st.binary(max_size=8)


@st.composite
def _requests(draw: st.DrawFn) -> tuple[bytes, bytes, bytes]:
    """A request: its method, its target, and its bytes."""
    address = st.sampled_from(_ADDRESSES).map(str.encode)
    parts = st.tuples(st.sampled_from(_WITH_PART).map(str.encode), _piece()).map(b"".join)
    query = st.lists(
        st.tuples(st.sampled_from(_NAMES).map(str.encode), _piece()).map(b"=".join), max_size=4
    )
    target = draw(address | parts)
    if given := draw(query):
        target += b"?" + b"&".join(given)
    method = draw(st.sampled_from(_METHODS))
    headers = draw(
        st.lists(st.tuples(st.sampled_from(_HEADERS), st.sampled_from(_HEADER_VALUES)), max_size=4)
    )
    version = draw(st.sampled_from([b"HTTP/1.1"] * 9 + [b"HTTP/1.0"]))
    host = draw(st.sampled_from([b"darkhorses.test"] * 5 + [b"a b", b"\xff", b":", b"", b"[::1"]))
    body = draw(st.sampled_from([b""] * 5 + [b"x", b"{}" * 500]))
    if body:
        headers.append((b"Content-Length", b"%d" % len(body)))
    data = request(target, method=method, version=version, headers=headers, host=host, body=body)
    return method, target, data


def abuse(fuzzed: FuzzedApi, examples: int, *, repeatable: bool) -> None:
    """Send so many requests that are wrong in some way, each over its own connection."""

    @hypothesis.settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=repeatable,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(_requests())
    def send(asked: tuple[bytes, bytes, bytes]) -> None:
        method, target, data = asked
        judge(fuzzed, target, ask(fuzzed.port, data, method=method))

    send()


def judge(fuzzed: FuzzedApi, target: bytes, answer: Answer) -> None:
    """An answer of the application is judged; the HTTP server's own refuses and says no more."""
    if answer.is_bare:
        assert answer.status in (400, 403, 431), (target, answer.status)
        assert answer.body == b""
        fuzzed.answers.note_bare(answer.status)
        return
    fuzzed.answers.judge(target.decode("latin-1"), answer.status, answer.headers, answer.body)
