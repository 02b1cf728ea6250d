"""Requests that no client of good will sends: refused in order, and the service goes on."""

import json
import socket

import hypothesis
import pytest
from hypothesis import strategies as st

from tests.fuzz.abuse import abuse, judge
from tests.fuzz.conftest import FuzzedApi
from tests.fuzz.raw import UPGRADE, InARow, ask, connected, read_answer, request

_RESULTS = b"/api/results?limit=1"
_LONG = b"a" * 60_000
_ONE = (b"Content-Length", b"1")
_CHUNKED = (b"Transfer-Encoding", b"chunked")


def test_whatever_is_sent_is_answered_in_order(fuzzed: FuzzedApi) -> None:
    abuse(fuzzed, 600, repeatable=True)
    assert fuzzed.answers.statuses.keys() >= {200, 400, 404, 405}


@pytest.mark.parametrize(
    ("data", "status", "is_bare"),
    [
        (request(b"/api/results/%00"), 404, False),
        (request(b"/api/results/%ff%fe"), 404, False),
        (request(b"/api/results?course=%00"), 400, False),
        (request(b"/api/results?course=%ed%a0%80"), 400, False),
        (request(b"/api/races?stage=null"), 400, False),
        (request(b"/races/%00"), 404, False),
        (request(b"/api/results?course=" + _LONG), 400, False),
        (request(b"/" + _LONG), 404, False),
        (request(b"/api/results?course=" + 2 * _LONG), 431, True),
        (request(b"/api/results?" + b"&".join(b"a%d=1" % n for n in range(5_000))), 400, False),
        (request(_RESULTS, headers=[(b"X", _LONG[:50_000])]), 200, False),
        (request(_RESULTS, headers=[(b"X", 5 * _LONG)]), 431, True),
        (request(_RESULTS, headers=[(b"X-%d" % n, b"") for n in range(500)]), 431, True),
        (request(_RESULTS, host=b"a b/<>"), 400, False),
        (request(_RESULTS, version=b"HTTP/1.0", host=None), 200, False),
        (request(b"/api/export/results", version=b"HTTP/1.0"), 426, False),
        (request(_RESULTS, version=b"HTTP/2.0"), 400, True),
        (request(_RESULTS, version=b"HTCPCP/1.0"), 400, True),
        (b"GET /version\r\n\r\n", 400, True),
        (b"\x16\x03\x01 \x00\x01\x00\r\n\r\n", 400, True),
        (request(b"/version\x00"), 400, True),
        (request(b"/version\xff"), 400, True),
        (request(_RESULTS, headers=[(b"X Y", b"1")]), 400, True),
        (request(_RESULTS, headers=[(b"X", b"a\x00b")]), 400, True),
        (request(_RESULTS, headers=[(b"Content-Length", b"-5")]), 400, True),
        (request(_RESULTS, headers=[_ONE, (b"Content-Length", b"2")]), 400, True),
        (request(_RESULTS, headers=[(b"Content-Length", b"5")], body=b"hello"), 200, False),
        (request(_RESULTS, headers=[(b"Content-Length", b"9" * 12)]), 200, False),
        (request(_RESULTS, headers=[_CHUNKED], body=b"zz\r\n"), 200, False),
        (request(b"http://evil.example/api/results?limit=1"), 200, False),
        (request(b"evil.example:443", method=b"CONNECT"), 405, False),
        (request(b"*", method=b"OPTIONS"), 404, False),
        (request(b"/api/results", method=b"BREW"), 405, False),
        (request(b"/static/..%2f..%2fapp.py"), 404, False),
        (request(b"/api/ws"), 405, False),
        (request(b"/api/results", headers=UPGRADE, connection=b"Upgrade"), 403, True),
        (request(b"/nowhere", headers=UPGRADE, connection=b"Upgrade"), 403, True),
    ],
)  # fmt: skip
def test_abuse_is_refused_as_it_should_be(
    fuzzed: FuzzedApi, *, data: bytes, status: int, is_bare: bool
) -> None:
    target = data.split(maxsplit=2)[1]
    answer = ask(fuzzed.port, data)
    assert (answer.status, answer.is_bare) == (status, is_bare)
    judge(fuzzed, target, answer)


def test_requests_in_a_row_are_answered_in_their_order(fuzzed: FuzzedApi) -> None:
    limits = [1, 0, 3, 2, 0, 7]
    targets = [b"/api/historical-odds?limit=%d" % limit for limit in limits]
    with connected(fuzzed.port) as connection:
        connection.sendall(
            b"".join(
                request(target, connection=b"keep-alive", headers=[(b"Content-Length", b"2")])
                + b"{}"
                for target in targets
            )
        )
        answers = InARow(connection)
        for limit, target in zip(limits, targets, strict=True):
            answer = read_answer(answers)
            judge(fuzzed, target, answer)
            body = json.loads(answer.body)
            assert body["count" if limit else "status"] == (limit or 400)


def test_a_body_is_never_taken_for_the_next_request(fuzzed: FuzzedApi) -> None:
    hidden = request(b"/api/results/hidden")
    length = (b"Content-Length", b"%d" % len(hidden))
    in_chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(hidden), hidden)
    for headers, body in (
        ([length], hidden),
        ([_CHUNKED], in_chunks),
        ([length, _CHUNKED], in_chunks),
    ):
        for method in (b"GET", b"POST"):
            first = request(
                b"/version", method=method, connection=b"keep-alive", headers=headers, body=body
            )
            with connected(fuzzed.port) as connection:
                connection.sendall(first + request(b"/api/races?limit=after"))
                answer = read_answer(connection, method)
                assert answer.status == (200 if method == b"GET" else 405)
                rest = connection.recv(65_536)
            assert rest == b"" or b"limit: unknown parameter" in rest


_FRAMES = st.one_of(
    st.binary(max_size=200),
    st.binary(max_size=40).map(lambda text: _frame(1, text)),
    st.sampled_from(
        [
            b'{"subscribe": {"race_id": ["\\u0000"]}}', b'{"subscribe": {"stage": ["x"]}}', b"null",
            b'{"subscribe": {"region": 1}}', b'{"ping": ' + b"[" * 5_000, b'{"ping": 1e999}', b"{}",
            b'{"subscribe": {}, "last_event_id": "9-9"}', b'{"last_event_id": "\\ud800"}',
            b'{"ping": "\\ud800"}', b'{"ping": ' + b"9" * 5_000 + b"}", b"a" * 20_000, b"\xff\xfe",
            b'{"subscribe": {"course": ["' + b"x" * 9_000 + b'"]}}',
        ]
    ).map(lambda text: _frame(1, text)),
    st.tuples(st.integers(0, 15), st.binary(max_size=130)).map(lambda frame: _frame(*frame)),
)  # fmt: skip


def _frame(kind: int, data: bytes) -> bytes:
    """A frame of a client: masked, whole."""
    length = (
        bytes([0x80 | len(data)])
        if len(data) < 126
        else bytes([0x80 | 126]) + len(data).to_bytes(2, "big")
    )
    mask = b"mask"
    masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(data))
    return bytes([0x80 | kind]) + length + mask + masked


def test_frames_of_garbage_end_their_own_socket_alone(fuzzed: FuzzedApi) -> None:
    greeting = request(b"/api/ws", headers=UPGRADE, connection=b"Upgrade")

    @hypothesis.settings(
        max_examples=150, deadline=None, database=None, derandomize=True,
        suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(st.lists(_FRAMES, min_size=1, max_size=25))
    def send(frames: list[bytes]) -> None:
        with connected(fuzzed.port) as connection:
            connection.sendall(greeting)
            assert read_answer(connection).status == 101
            try:
                connection.sendall(b"".join(frames) + _frame(8, b"\x03\xe8"))
                # What was sent may claim to be the beginning of more.
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65_536):
                    pass
            except (BrokenPipeError, ConnectionResetError):
                pass

    send()
    assert ask(fuzzed.port, request(b"/api/stream")).status == 200
