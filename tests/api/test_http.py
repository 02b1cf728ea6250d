"""What is true of every address: errors, tags, codings, headers."""

import gzip
from datetime import timedelta

import brotli
import pytest

from tests.api.conftest import RunningApi
from tests.market import NOON, MarketWriter, StoppedClock, card, race, runner

LIVE = [
    "/api/live-odds",
    "/api/live-odds/races-by-stage",
    "/api/live-odds/upcoming-races",
    "/api/live-odds/next-race",
]
OTHER = ["/", "/docs", "/openapi.json", "/version", "/api/bookmakers", "/api/courses"]


@pytest.fixture
async def filled(api: RunningApi, writer: MarketWriter) -> RunningApi:
    prices = {"Bet365": "4/1", "Coral": "9/2"}
    runners = [(runner(f"Horse{number}", number), prices) for number in range(1, 13)]
    look = card(race(off_dt=NOON + timedelta(hours=1)), *runners)
    await api.seen(await writer.look(look, seen_at=NOON))
    return api


@pytest.mark.parametrize(
    ("url", "field"),
    [
        ("/api/live-odds?racedate=2026-06-20", "racedate"),
        ("/api/live-odds?race_date=20-06-2026", "race_date"),
        ("/api/live-odds?race_date=", "race_date"),
        ("/api/live-odds?limit=0", "limit"),
        ("/api/live-odds?limit=1001", "limit"),
        ("/api/live-odds?limit=ten", "limit"),
        ("/api/live-odds?limit=5&limit=6", "limit"),
        ("/api/live-odds?offset=-1", "offset"),
        ("/api/live-odds?course=", "course"),
        ("/api/live-odds?bookmaker=%21%21", "bookmaker"),
        ("/api/live-odds/upcoming-races?hours_ahead=0", "hours_ahead"),
        ("/api/live-odds/upcoming-races?hours_ahead=nan", "hours_ahead"),
        ("/api/live-odds/races-by-stage?all_odds=maybe", "all_odds"),
        ("/api/bookmakers?active=true", "active"),
        ("/api/races?stage=null", "stage"),
        ("/api/historical-odds?year=NULL", "year"),
        ("/api/historical-odds?course=a%00b", "course"),
        ("/api/historical-odds?horse=%ff", "horse"),
        ("/health?verbose=1", "verbose"),
        ("/?x=1", "x"),
    ],
)
async def test_a_wrong_parameter_is_named(api: RunningApi, url: str, field: str) -> None:
    answer = await api.get(url)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [error["field"] for error in body["errors"]] == [field]
    assert {"type", "title", "status", "detail"} <= body.keys()
    assert (body["title"], body["status"]) == ("Bad Request", 400)
    assert field in body["detail"]


@pytest.mark.parametrize(
    ("method", "url", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/static/nothing.js", 404),
        ("GET", "/static/..%2Fapp.py", 404),
        ("POST", "/api/live-odds", 405),
        ("DELETE", "/health", 405),
    ],
)
async def test_other_errors_are_problems_too(
    api: RunningApi, method: str, url: str, status: int
) -> None:
    answer = await api.client.request(method, url)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert ("allow" in answer.headers) is (status == 405)


async def test_an_unexpected_error_tells_nothing_of_the_inside(
    api: RunningApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr("darkhorses.api.live_routes.next_race", fail)
    monkeypatch.setattr("darkhorses.api.live_routes.as_json", lambda _: fail)
    answer = await api.get("/api/live-odds/next-race")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "RuntimeError" not in answer.text


@pytest.mark.parametrize("url", LIVE + OTHER)
async def test_what_a_client_has_already_is_not_sent_again(filled: RunningApi, url: str) -> None:
    first = await filled.get(url)
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-cache"
    again = await filled.get(url, if_none_match=first.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    listed = await filled.get(url, if_none_match=f'"other", W/{first.headers["etag"]}')
    assert listed.status_code == 304
    other = await filled.get(url, if_none_match='"other"')
    assert other.status_code == 200


@pytest.mark.parametrize("url", LIVE)
async def test_a_look_makes_a_new_tag(filled: RunningApi, writer: MarketWriter, url: str) -> None:
    first = await filled.get(url)
    look = card(race(off_dt=NOON + timedelta(hours=1)), (runner("Horse1", 1), {"Bet365": "4/1"}))
    await filled.seen(await writer.look(look, seen_at=NOON + timedelta(seconds=10)))
    again = await filled.get(url, if_none_match=first.headers["etag"])
    assert again.status_code == 200
    assert again.headers["etag"] != first.headers["etag"]


async def test_different_parameters_have_different_tags(filled: RunningApi) -> None:
    urls = ["/api/live-odds", "/api/live-odds?limit=5", "/api/live-odds?limit=5&offset=5"]
    assert len({(await filled.get(url)).headers["etag"] for url in urls}) == 3


@pytest.mark.parametrize("url", ["/", *LIVE[:2]])
async def test_bodies_come_in_the_coding_that_is_asked_for(filled: RunningApi, url: str) -> None:
    plain = await filled.get(url)
    assert "content-encoding" not in plain.headers
    tags = {plain.headers["etag"]}
    for coding, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        async with filled.client.stream("GET", url, headers={"accept-encoding": coding}) as answer:
            raw = b"".join([chunk async for chunk in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == coding
        assert answer.headers["vary"] == "accept-encoding"
        assert unpack(raw) == plain.content
        assert len(raw) < len(plain.content) / 2
        tags.add(answer.headers["etag"])
    assert len(tags) == 3


@pytest.mark.parametrize(
    ("asked", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip;q=1.0, identity", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("identity", None),
        ("zstd", None),
    ],
)
async def test_the_best_coding_that_is_accepted_is_taken(
    filled: RunningApi, asked: str, coding: str | None
) -> None:
    async with filled.client.stream("GET", LIVE[0], headers={"accept-encoding": asked}) as answer:
        assert answer.headers.get("content-encoding") == coding


@pytest.mark.parametrize("url", ["/health", "/static/board.js", *LIVE, *OTHER])
async def test_head_is_get_without_the_body(filled: RunningApi, url: str) -> None:
    get = await filled.get(url)
    head = await filled.client.head(url)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers.get("etag") == get.headers.get("etag")


@pytest.mark.parametrize("url", ["/", "/docs", "/api/live-odds", "/nowhere", "/static/board.js"])
async def test_every_answer_is_guarded(api: RunningApi, url: str) -> None:
    headers = (await api.get(url, origin="https://elsewhere.example")).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'self';")
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers
    assert headers["server"] == "darkhorses"


async def test_every_request_leaves_one_line_in_the_log(
    api: RunningApi, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    await api.get("/version")
    lines = [line for line in capsys.readouterr().out.splitlines() if "request." in line]
    assert len(lines) == 1
    for part in ("request.served", "method=GET", "path=/version", "status=200", "ms="):
        assert part in lines[0]


async def test_a_clock_that_stands_serves_the_same_bytes(
    filled: RunningApi, clock: StoppedClock
) -> None:
    first = await filled.get("/api/live-odds")
    clock.forward(seconds=1)
    assert (await filled.get("/api/live-odds")).headers["etag"] == first.headers["etag"]
