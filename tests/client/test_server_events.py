import random

import pytest

from darkhorses.client.server_events import ServerEvent, ServerEventReader

STREAM = (
    "\ufeffretry: 250\n"
    ": a comment\n"
    "\n"
    "id: 1-1\nevent: price\ndata: {}\n\n"
    "data:one\ndata: two\ndata:  three\n\n"
    "id: 2-1\n\n"
    "event: nothing\n\n"
    "unknown: field\nnonsense\n"
    "event: status\ndata: ¼ at \u2028 length\n\n"
    "id: 3-1\nevent: price\ndata: broken off"
)
EVENTS = [
    ("price", b"{}", True),
    ("message", b"one\ntwo\n three", False),
    ("status", "¼ at \u2028 length".encode(), False),
]


def facts(event: ServerEvent) -> tuple[str, bytes, bool]:
    return event.kind, event.data, event.has_id


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_the_same_wherever_the_network_cuts_them(end: str) -> None:
    stream = STREAM.replace("\n", end).encode()
    chance = random.Random(7)  # noqa: S311  # repeatable
    for longest in (1, 3, 40, len(stream)):
        reader = ServerEventReader()
        found, at = [], 0
        while at < len(stream):
            piece = stream[at : at + chance.randint(1, longest)]
            at += len(piece)
            found += [facts(event) for event in reader.take(piece)]
        assert found == EVENTS
        assert reader.last_event_id == "2-1"
        assert reader.retry == 0.25


def test_the_last_id_moves_with_each_event_and_not_before() -> None:
    reader = ServerEventReader()
    ids = [reader.last_event_id for _ in reader.take(b"id: 1\ndata\n\nid: 2\ndata\n\nid: 3\n")]
    assert ids == ["1", "2"]
    assert reader.last_event_id == "2"


def test_what_the_standard_has_ignored_is_ignored() -> None:
    reader = ServerEventReader()
    received = list(reader.take(b"retry: soon\nretry: -1\nid: a\0b\ndata:\n\n"))
    assert [facts(event) for event in received] == [("message", b"", False)]
    assert (reader.retry, reader.last_event_id) == (None, None)
