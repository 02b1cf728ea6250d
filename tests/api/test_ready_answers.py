"""What was answered once is given again without asking the application, as long as it is true."""

import asyncio
import io
import json
import logging
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from darkhorses.api.access.gate import Wanted
from darkhorses.api.access.opening import Access, Rules
from darkhorses.api.application import create_application
from darkhorses.api.encoding import Encoded
from darkhorses.api.publishing import Address, Publisher
from darkhorses.api.races import Lens
from darkhorses.api.request_log import RepeatedLines, RequestLog, Served
from darkhorses.domain.redaction import Redaction
from darkhorses.logs import configure_logs
from darkhorses.readmodel.follower import Followed, Follower
from darkhorses.store.pool import Database
from tests.api.conftest import RunningApi, served
from tests.api.test_access import GuardedApi
from tests.market import NOON, MarketWriter, StoppedClock, card, race, runner

OURS = "https://app.example.org"
ADDRESSES = [
    "/api/live-odds",
    "/api/live-odds?limit=5&offset=2",
    "/api/live-odds/races-by-stage",
    "/api/live-odds/upcoming-races",
    "/api/live-odds/next-race",
    "/api/races",
    "/api/races/rac_1",
    "/api/movers",
]


class Asked:
    """How often the application behind the ready answers was asked."""

    def __init__(self) -> None:
        self.times = 0

    def around(self, make: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def made(services: Any) -> Any:
            application = make(services)

            async def counted(scope: Any, receive: Any, send: Any) -> None:
                self.times += 1
                await application(scope, receive, send)

            return counted

        return made


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr("darkhorses.api.app.create_application", asked.around(create_application))
    return asked


@pytest.fixture
async def api(
    asked: Asked,  # noqa: ARG001  # it is asked of what is made here
    database: Database,
    clock: StoppedClock,
    writer: MarketWriter,
) -> AsyncIterator[RunningApi]:
    async with served(database, clock) as api:
        await look(api, writer, NOON)
        yield api


async def look(
    api: RunningApi, writer: MarketWriter, seen_at: datetime, price: str = "4/1"
) -> None:
    runners = [
        (runner(f"Horse{number}", number), {"Bet365": price, "Coral": "9/2"})
        for number in range(1, 13)
    ]
    await api.seen(
        await writer.look(card(race(off_dt=NOON + timedelta(hours=1)), *runners), seen_at=seen_at)
    )


@pytest.mark.parametrize("url", ADDRESSES)
async def test_the_same_answer_is_given_without_asking(
    api: RunningApi, asked: Asked, url: str
) -> None:
    for turn, coding in enumerate(("identity", "gzip", "br"), start=1):
        routed = await api.get(url.replace("/api/", "/api//"), accept_encoding=coding)
        ready = await api.get(url, accept_encoding=coding)

        assert asked.times == turn
        assert (ready.status_code, ready.content) == (routed.status_code, routed.content)
        assert sorted(ready.headers.raw) == sorted(routed.headers.raw)
        assert "content-security-policy" in ready.headers


@pytest.mark.parametrize("url", ["/api/live-odds", "/api/races/rac_1"])
async def test_whoever_has_it_is_told_so_with_the_same_headers(
    api: RunningApi, asked: Asked, url: str
) -> None:
    first = await api.get(url)
    tag = first.headers["etag"]
    await api.get("/nowhere")
    by_ready = [
        await api.get(url, if_none_match=named) for named in (tag, f"W/{tag}", f'"x", {tag}', "*")
    ]
    other = await api.get(url, if_none_match='"x"')

    assert asked.times == 2
    assert {(answer.status_code, answer.content) for answer in by_ready} == {(304, b"")}
    assert all(answer.headers["etag"] == tag for answer in by_ready)
    assert "content-type" not in by_ready[0].headers
    assert (other.status_code, other.content) == (200, first.content)


async def test_a_304_of_the_application_has_the_same_headers(api: RunningApi) -> None:
    url = "/api/live-odds/races-by-stage"
    tag = (await api.get(url, accept_encoding="br")).headers["etag"]
    ready = await api.get(url, accept_encoding="br", if_none_match=tag)
    routed = await api.get(f"{url}?all_odds=true", accept_encoding="br", if_none_match=tag)

    assert ready.status_code == routed.status_code == 304
    assert sorted(ready.headers.raw) == sorted(routed.headers.raw)


async def test_head_has_no_body_and_the_same_headers(api: RunningApi, asked: Asked) -> None:
    get = await api.get("/api/live-odds")
    head = await api.client.head("/api/live-odds", headers={"accept-encoding": "identity"})

    assert asked.times == 1
    assert (head.status_code, head.content) == (200, b"")
    assert sorted(head.headers.raw) == sorted(get.headers.raw)


async def test_other_methods_and_other_queries_are_not_answered_by_it(
    api: RunningApi, asked: Asked
) -> None:
    await api.get("/api/live-odds")
    assert (await api.client.post("/api/live-odds")).status_code == 405
    assert (await api.get("/api/live-odds?limit=0")).status_code == 400
    assert (await api.get("/api/live-odds?limit=0")).status_code == 400
    assert asked.times == 4


@pytest.mark.parametrize("url", ["/api/live-odds/next-race", "/api/races", "/api/movers"])
async def test_a_look_at_the_feed_overtakes_it(
    api: RunningApi, asked: Asked, writer: MarketWriter, url: str
) -> None:
    first = await api.get(url)
    await look(api, writer, NOON + timedelta(seconds=10), price="5/1")
    again = await api.get(url)

    assert asked.times == 2
    assert again.status_code == 200
    assert again.headers["etag"] != first.headers["etag"]


async def test_the_clock_overtakes_it(api: RunningApi, asked: Asked, clock: StoppedClock) -> None:
    url = "/api/live-odds/races-by-stage"
    fresh = (await api.get(url)).json()
    clock.forward(seconds=59)
    await api.get(url)
    minutes = (await api.get(url)).json()
    clock.forward(hours=1)
    stale = (await api.get(url)).json()

    assert asked.times == 3
    assert (fresh["stale"], stale["stale"]) == (False, True)
    assert fresh["stages"] != minutes["stages"]


async def test_what_an_address_means_ends_with_the_day(
    database: Database, clock: StoppedClock
) -> None:
    publisher = Publisher(
        follower := Follower(database, clock=clock),
        clock=clock,
        card_interval=timedelta(seconds=60),
    )
    follower.now = Followed(market=follower.now.market, loaded=True)

    def build(_: Lens) -> tuple[Encoded, None]:
        return Encoded.json("body"), None

    at = Address(path="/api/live-odds", query=b"", route="/api/live-odds")
    clock.now = datetime(2026, 6, 20, 22, 59, 59, tzinfo=UTC)  # one second to midnight in London
    publisher.published("today", build, at=at)
    assert publisher.standing(at.path, at.query) is not None
    clock.forward(seconds=1)
    assert publisher.standing(at.path, at.query) is None


async def test_a_database_that_is_away_is_told_of_at_once(api: RunningApi, asked: Asked) -> None:
    url = "/api/live-odds/races-by-stage"
    assert (await api.get(url)).json()["stale"] is False
    followed = api.follower.now
    api.follower.now = Followed(market=followed.market, loaded=True, away_since=NOON)

    assert (await api.get(url)).json()["stale"] is True
    assert asked.times == 2


async def test_what_is_forgotten_for_its_size_is_made_again(
    api: RunningApi, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.api.publishing.MOST_BODIES", 1)
    await api.get("/api/live-odds")
    await api.get("/api/live-odds/next-race")
    await api.get("/api/live-odds")
    assert asked.times == 3


async def test_no_more_addresses_are_remembered_than_allowed(
    api: RunningApi, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("darkhorses.api.publishing.MOST_ADDRESSES", 2)
    for query in ("", "?limit=100", "?offset=0"):
        await api.get(f"/api/live-odds{query}")
    await api.get("/api/live-odds")
    assert asked.times == 4


async def test_ready_answers_are_counted_and_logged_like_others(
    api: RunningApi, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    for _ in range(3):
        await api.get("/api/races/rac_1", user_agent="curl/8")
    lines = [line for line in capsys.readouterr().out.splitlines() if "request.served" in line]
    metrics = (await api.get("/metrics")).text

    assert len(lines) == 3
    for part in (
        "method=GET",
        "path=/api/races/rac_1",
        "route=/api/races/{race_id}",
        "client=curl",
    ):
        assert all(part in line for line in lines)
    assert len({line.partition("bytes=")[2].split()[0] for line in lines}) == 1
    counted = (
        'darkhorses_http_requests_total{method="GET",route="/api/races/{race_id}",status="2xx"}'
    )
    assert f"{counted} 3.0" in metrics
    assert 'darkhorses_http_request_seconds_count{route="/api/races/{race_id}"} 3.0' in metrics


async def test_nobody_is_given_one_without_a_good_key(
    database: Database, clock: StoppedClock, asked: Asked
) -> None:
    access = Access(
        Rules(wanted=Wanted.REQUIRED, per_key=3),
        database,
        clock=clock,
        interval=timedelta(milliseconds=10),
    )
    async with served(database, clock, access) as api:
        await access.ring.until(lambda ring: ring.loaded)
        key = await GuardedApi(api, access, database).make()
        bearer = f"Bearer {key.text}"
        answers = [await api.get("/api/live-odds", authorization=bearer) for _ in range(4)]
        without = await api.get("/api/live-odds")

    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert asked.times == 1
    assert len({answer.headers["ratelimit"] for answer in answers[:3]}) == 3
    assert without.status_code == 401


async def test_pages_of_a_named_origin_are_let_read_it(
    database: Database, clock: StoppedClock, asked: Asked
) -> None:
    async with served(
        database, clock, Access(Rules(origins=(OURS,)), database, clock=clock)
    ) as api:
        answers = [await api.get("/api/live-odds", origin=OURS) for _ in range(2)]
        plain = await api.get("/api/live-odds")

    assert asked.times == 1
    assert [one.headers["access-control-allow-origin"] for one in answers] == [OURS, OURS]
    assert "access-control-allow-origin" not in plain.headers


@pytest.fixture
def logs() -> Iterator[None]:
    """Leave the logs as they were found."""
    root, hook = logging.getLogger(), sys.excepthook
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)
    sys.excepthook = hook


def _served(path: str, **others: Any) -> Served:
    fields: dict[str, Any] = {
        "method": "GET",
        "path": path,
        "route": "/r",
        "status": 200,
        "sent": 7,
        "client": "curl",
        "key": None,
    }
    return Served(**(fields | others))


@pytest.mark.parametrize(
    "request_",
    [
        _served("/api/live-odds"),
        _served("/100%/%s/%(ms)s"),
        _served("/hunter2-is-secret"),
        _served("/ä\n"),
        _served("/" + "long" * 100),
        _served("/", key="abc", method="HEAD"),
    ],
)
@pytest.mark.usefixtures("logs")
async def test_a_repeated_line_is_the_line_that_structlog_writes(
    capsys: pytest.CaptureFixture[str], request_: Served
) -> None:
    configure_logs("INFO", Redaction(["hunter2-is-secret"]))
    RequestLog().served(request_, 1.25)
    lines = RepeatedLines()
    for milliseconds in (1.25, 3.5):
        lines.served(request_, milliseconds)
    lines.flush()
    plain, *repeated = capsys.readouterr().err.splitlines()
    entries = [json.loads(line) for line in (plain, *repeated)]
    stamps = [datetime.fromisoformat(entry.pop("timestamp")) for entry in entries]

    assert [list(entry) for entry in entries] == [list(entries[0])] * 3
    assert entries[1] == entries[0]
    assert entries[2] == {**entries[0], "ms": 3.5}
    assert max(stamps) - min(stamps) < timedelta(minutes=1)
    assert "hunter2" not in plain + "".join(repeated)


@pytest.mark.usefixtures("logs")
async def test_so_it_is_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    configure_logs("INFO", Redaction())
    RequestLog().served(_served("/api/live-odds"), 1.25)
    lines = RepeatedLines()
    lines.served(_served("/api/live-odds"), 1.25)
    lines.flush()
    plain, repeated = (
        re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", line)
        for line in capsys.readouterr().err.splitlines()
    )
    assert "TIME" in plain
    assert repeated == plain


@pytest.mark.usefixtures("logs")
async def test_repeated_lines_are_written_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    written: asyncio.Queue[str] = asyncio.Queue()

    class Stream(io.StringIO):
        def write(self, text: str) -> int:
            written.put_nowait(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Stream())
    configure_logs("INFO", Redaction())
    lines = RepeatedLines()
    lines.served(_served("/api/live-odds"), 1)
    lines.served(_served("/api/live-odds"), 2)
    async with asyncio.timeout(10):
        said = await written.get()
    assert [json.loads(line)["ms"] for line in said.splitlines()] == [1, 2]


@pytest.mark.usefixtures("logs")
async def test_lines_below_the_level_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("WARNING", Redaction())
    lines = RepeatedLines()
    lines.served(_served("/api/live-odds"), 1)
    lines.flush()
    assert capsys.readouterr().err == ""
