"""Clients of streams that go, in whatever way: their places are free at once."""

import re
import socket
import struct
from collections.abc import Callable

import httpx
import pytest

from tests.fuzz.conftest import FuzzedApi
from tests.fuzz.raw import UPGRADE, ask, connected, read_answer, request

_PLACES = 40
_STREAM = b"/api/stream"
_AT_ONCE = struct.pack("ii", 1, 0)


def _close(connection: socket.socket) -> None:
    connection.close()


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
    connection.close()


def _half_close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def _taken(fuzzed: FuzzedApi) -> int:
    text = httpx.get(f"{fuzzed.url}/metrics").text
    counts = re.findall(r"^darkhorses_stream_clients\{.*\} (\S+)$", text, re.MULTILINE)
    return int(sum(map(float, counts)))


def _until_all_are_free(fuzzed: FuzzedApi) -> None:
    while _taken(fuzzed):
        pass


@pytest.mark.parametrize("leave", [_close, _reset, _half_close])
@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (request(_STREAM), 200),
        (request(_STREAM, version=b"HTTP/1.0"), 200),
        (request(_STREAM, headers=[(b"Content-Length", b"1000")], body=b"{}" * 500), 200),
        (request(b"/api/ws", headers=UPGRADE, connection=b"Upgrade"), 101),
    ],
    ids=["a stream", "of HTTP/1.0", "with a body", "a WebSocket"],
)
def test_who_goes_leaves_its_place(
    fuzzed: FuzzedApi, *, asked: bytes, status: int, leave: Callable[[socket.socket], None]
) -> None:
    # Those who were here before may have left bytes unread, and then it takes until a keep-alive.
    _until_all_are_free(fuzzed)
    # Two rounds of all places: one place that is kept is one client that is refused.
    for _ in range(2):
        connections = []
        for _ in range(_PLACES):
            with connected(fuzzed.port) as connection:
                kept = connection.dup()
            kept.sendall(asked)
            assert read_answer(kept).status == status
            connections.append(kept)
        for connection in connections:
            leave(connection)
        _until_all_are_free(fuzzed)
        for connection in connections:
            connection.close()
    assert ask(fuzzed.port, request(_STREAM)).status == 200
