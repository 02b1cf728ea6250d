import json
from datetime import UTC, datetime
from typing import Any

import pytest

from darkhorses.domain.gaps import RunnerHistory
from darkhorses.domain.identifiers import BookmakerId, HorseId, RaceId
from darkhorses.upstream.errors import MalformedError
from darkhorses.upstream.histories import read_runner_history
from tests.cards import quote
from tests.market import price
from tests.recorded import RECORDED, needs_recordings

BET365 = BookmakerId("bet365")


def point(changed_at: str, fractional: str = "4/1", decimal: str = "5") -> dict[str, str]:
    return {"changed_at": changed_at, "fractional": fractional, "decimal": decimal}


def read(*quotes: Any, **fields: Any) -> RunnerHistory:
    body = {"race_id": "rac_1", "horse_id": "hrs_1", "horse": "Ada", "odds": list(quotes)} | fields
    return read_runner_history(json.dumps(body).encode(), RaceId("rac_1"), HorseId("hrs_1"))


def test_a_history_is_read_oldest_first_with_a_pulled_price_as_none() -> None:
    history = [
        point("2026-06-20T13:05:00+01:00", "-", "-"),
        point("2026-06-20T13:02:00+01:00", "10/3", "4.33"),
        point("2026-06-19T00:00:00+01:00"),
    ]

    (path,) = read(quote(history=history)).paths.values()

    assert [entry.price for entry in path] == [price("4/1"), price("10/3"), None]
    assert path[0].at == datetime(2026, 6, 18, 23, 0, tzinfo=UTC)


def test_points_of_one_minute_stay_in_the_feeds_order() -> None:
    minute = "2026-06-20T13:05:00+01:00"

    history = read(quote(history=[point(minute, "5/1", "6"), point(minute)]))

    assert [entry.price for entry in history.paths[BET365]] == [price("4/1"), price("5/1")]


def test_a_bookmaker_without_a_history_has_no_path_and_an_unknown_one_comes_in() -> None:
    history = read(
        quote(history=[]),
        quote("Coral", history=None),
        quote("Bet Nouveau", history=[point("2026-06-20T13:05:00+01:00")]),
    )

    assert list(history.paths) == list(history.bookmakers) == ["betnouveau"]


def test_what_cannot_be_understood_is_set_aside_and_the_rest_stands() -> None:
    history = read(
        quote(
            history=[
                point("2026-06-20T13:05:00+01:00", "4/0"),
                point("five past one"),
                point("2026-06-20T13:02:00"),
                point("2026-06-20T13:01:00+01:00"),
            ]
        ),
        quote("***", history=[point("2026-06-20T13:05:00+01:00")]),
    )

    assert len(history.paths[BET365]) == 1
    assert [piece.reason for piece in history.unreadable] == [
        (
            "changed_at '2026-06-20T13:02:00' has no offset; changed_at 'five past one' is not a "
            "time; fractional price '4/0' has a zero"
        ),
        "bookmaker name '***' has no letter or digit",
    ]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"odds": 7}'])
def test_an_answer_of_another_shape_is_no_history(body: bytes) -> None:
    with pytest.raises(MalformedError):
        read_runner_history(body, RaceId("rac_1"), HorseId("hrs_1"))


def test_an_answer_without_odds_does_not_say_that_there_were_none() -> None:
    body = b'{"race_id": "rac_1", "horse_id": "hrs_1", "horse": "Ada"}'

    with pytest.raises(MalformedError, match="has no odds"):
        read_runner_history(body, RaceId("rac_1"), HorseId("hrs_1"))
    assert read(odds=[]).paths == read(odds=None).paths == {}


def test_an_answer_about_another_runner_is_no_history_of_this_one() -> None:
    with pytest.raises(MalformedError, match="hrs_2"):
        read(horse_id="hrs_2")


@needs_recordings
@pytest.mark.recorded
def test_a_recorded_history_is_understood_in_full() -> None:
    body = (RECORDED / "odds_with_history_2026-10-09.json").read_bytes()
    ids = json.loads(body)

    history = read_runner_history(body, RaceId(ids["race_id"]), HorseId(ids["horse_id"]))

    assert history.unreadable == ()
    assert {name: len(path) for name, path in history.paths.items()} == {
        "bet365": 5,
        "betfairexchange": 5,
    }
    first = history.paths[BET365][0]
    assert first.at == datetime(2026, 10, 7, 23, 0, tzinfo=UTC)
    assert first.price == price("10/1")
    assert history.paths[BookmakerId("betfairexchange")][-1].price == price("17.5")
