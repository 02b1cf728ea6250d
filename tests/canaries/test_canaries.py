"""No secret is told: not in logs, not in errors, not over HTTP, not in the database.

Every secret has a value of its own that is looked for in all that commands and processes say while
the database, the feed and the settings are wrong in every way.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import pytest

from darkhorses.domain.errors import SettingError
from darkhorses.settings import load_settings, variables
from tests.api.processes import running_api
from tests.canaries.feeds import gossiping
from tests.canaries.secrets_set import Canaries, told_by_database
from tests.commands import darkhorses
from tests.ports import free_port
from tests.worker.processes import WorkerProcess

COMMANDS = [
    ["version"],
    ["migrate"],
    ["migrate", "--status"],
    ["status"],
    ["status", "--json"],
    ["doctor"],
    ["doctor", "--json"],
    ["run", "live-odds"],
    ["run", "historical-odds", "--json"],
    ["run", "gap-repair"],
    ["run", "statistics"],
    ["backfill", "--from", "2026-06-20", "--to", "2026-06-20"],
    ["export", "results"],
    ["retention", "--dry-run"],
    ["replay", "--date", "2026-06-20"],
    ["webhooks", "list"],
    ["webhooks", "test", "whk_1"],
    ["worker"],
    ["api"],
]
DATABASES = {
    "unreachable": "postgresql://u:{}@127.0.0.1:1/none",
    "no_port": "postgresql://u:{}@127.0.0.1:port/none",
    "no_address": "postgresql://u:{}@[::1/none",
    "slash_in_password": "postgresql://u:{}/x@127.0.0.1:1/none",
    "other_kind": "mysql://u:{}@127.0.0.1:1/none",
    "bad_option": "postgresql://u:{}@127.0.0.1:1/none?sslmode=maybe",
    "password_beside": "postgresql://127.0.0.1:1/none?user=u&password={}",
    "no_name": "postgresql://u:{}@nowhere.invalid/none",
}
FEEDS = ["401", "403", "404", "422", "429", "500", "garbage", "nonsense", "cut"]
ASKING = [
    ["doctor", "--json"],
    ["run", "live-odds"],
    ["run", "historical-odds", "--date", "2026-06-20"],
    ["backfill", "--from", "2026-06-20", "--to", "2026-06-20"],
]
_ENDLESS = ("worker", "api")


@pytest.fixture
def canaries() -> Canaries:
    return Canaries()


@contextmanager
def does_not_tell(canaries: Canaries) -> Iterator[None]:
    """Look into the error that the block ends with."""
    try:
        yield
    except SettingError as error:
        assert not canaries.found_in(str(error))  # noqa: PT017  # it may be none
        raise


def said_by(arguments: list[str], environment: dict[str, str]) -> str:
    """All that a command says; one that goes on for ever is stopped when it said something."""
    if arguments[0] not in _ENDLESS:
        done = darkhorses(*arguments, **environment)
        return done.stdout + done.stderr
    with subprocess.Popen(
        [sys.executable, "-m", "darkhorses", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={"PATH": os.defpath, **environment},
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        if '"event"' in said:
            lines = iter(process.stdout.readline, "")
            said += next((line for line in lines if "unavailable" in line or "away" in line), "")
            process.send_signal(signal.SIGTERM)
        return said + process.stdout.read()


def _pairs() -> Iterator[Any]:
    """All commands with all troubles; the suite takes every trouble and every command once."""
    for place, arguments in enumerate(COMMANDS):
        for number, name in enumerate(DATABASES):
            is_short = number == place % len(DATABASES) and arguments[0] != "version"
            marks = [] if is_short else [pytest.mark.soak]
            yield pytest.param(arguments, name, marks=marks, id=f"{'-'.join(arguments)}-{name}")


@pytest.mark.parametrize(("arguments", "trouble"), list(_pairs()))
def test_no_command_tells_a_secret_when_its_database_is_wrong(
    canaries: Canaries, arguments: list[str], trouble: str
) -> None:
    environment = canaries.environment("postgresql://localhost", "http://127.0.0.1:1/v1")
    environment["DATABASE_URL"] = DATABASES[trouble].format(canaries.database.replace("/", "%2F"))
    environment["PORT"] = str(free_port())
    said = said_by(arguments, environment)
    assert canaries.found_in(said) == [], said
    assert said
    assert "Traceback" not in said


def _feeds() -> list[Any]:
    """What asks the feed, with every kind of answer; the suite takes every kind once.

    Reading past days is tried again and again, which takes its time.
    """
    return [
        pytest.param(
            arguments,
            how,
            marks=[] if number % 2 == place else [pytest.mark.soak],
            id=f"{'-'.join(arguments[:2])}-{how}",
        )
        for place, arguments in enumerate(ASKING)
        for number, how in enumerate(FEEDS)
    ]


@pytest.mark.parametrize(("arguments", "how"), _feeds())
async def test_no_command_tells_a_secret_that_the_feed_repeats(
    canaries: Canaries, database_url: str, arguments: list[str], how: str
) -> None:
    with gossiping(how) as feed_url:
        environment = canaries.environment(database_url, feed_url)
        said = await asyncio.to_thread(said_by, arguments, environment)
    assert canaries.found_in(said) == [], said
    assert "Traceback" not in said
    assert await told_by_database(database_url, canaries) == {}


@pytest.mark.parametrize(
    "how", ["422", *(pytest.param(how, marks=pytest.mark.soak) for how in FEEDS if how != "422")]
)
async def test_worker_and_api_tell_no_secret_of_a_feed_that_gossips(
    canaries: Canaries, database_url: str, how: str
) -> None:
    with gossiping(how) as feed_url:
        environment = canaries.environment(database_url, feed_url)
        added = await asyncio.to_thread(
            darkhorses, "webhooks", "add", "http://127.0.0.1:1/", "--events", "status", "--json",
            **environment,
        )  # fmt: skip
        canaries.webhook = json.loads(added.stdout)["secret"]
        async with WorkerProcess.start(**environment) as worker:
            await worker.until("job.failed", job="reference")
            await worker.until("webhooks.failed")
            async with running_api(None, **environment) as api:
                await api.until("market.loaded")
                told = await _asked_of(api.url, canaries)
                code, said = await api.stop_and_tell()
            assert code == 0
            # Its job's last error is what others are told of it.
            assert "the feed" in told
            assert await told_by_database(database_url, canaries) == {}
            assert await worker.stop() == 0
        said += "".join(api.lines) + json.dumps(worker.events, ensure_ascii=False)
    assert canaries.found_in(said) == [], said
    assert canaries.found_in(told) == [], told


async def _asked_of(url: str, canaries: Canaries) -> str:
    """All that the API tells, good and bad, to one who shows a key that it does not know."""
    addresses = [
        "/health", "/api/scheduler-status", "/status", "/", "/docs", "/openapi.json", "/nowhere",
        "/api/live-odds?limit=0", "/api/races/none", "/api/export/nothing", "/api/bookmakers",
    ]  # fmt: skip
    shown = {"authorization": f"Bearer {canaries.api_key}", "x-api-key": canaries.api_key}
    async with httpx.AsyncClient(base_url=url, headers=shown) as client:
        answers = [await client.get(address) for address in addresses]
        answers.append(await client.post("/health", content=b"x"))
    return "\n".join(f"{answer.headers} {answer.text}" for answer in answers)


@pytest.mark.parametrize("field", list(variables()))
def test_a_wrong_setting_tells_no_secret_that_was_put_into_it(
    canaries: Canaries, field: str
) -> None:
    right = canaries.environment("postgresql://localhost/", "http://127.0.0.1:1/v1")
    for wrong in (
        f"postgres//u:{canaries.database}@h:port/",
        f"https://u:{canaries.feed}@h:port/",
        canaries.supabase,
        right["DATABASE_URL"] + "[",
        right["REDIS_URL"],
    ):
        environment = right | {variables()[field].name: wrong}
        with suppress(SettingError), does_not_tell(canaries):
            load_settings(environment)


def test_a_crash_tells_no_secret(canaries: Canaries) -> None:
    environment = canaries.environment("postgresql://localhost/", "http://127.0.0.1:1/v1")
    crashing = (
        "import logging\n"
        "from darkhorses.commands.starting import start_settings\n"
        "settings = start_settings()\n"
        "try: raise KeyError(settings.racing_api_password)\n"
        "except KeyError: logging.getLogger('asyncio').exception('lost: %s', settings.redis_url)\n"
        "import structlog\n"
        "deep = [{'a': (settings.sentry_dsn,)}]\n"
        "structlog.get_logger().debug('x', url=settings.database_url, deep=deep)\n"
        "print(settings)\n"
        "raise RuntimeError(f'no way to {settings.database_url} and {settings}')\n"
    )
    crashed = subprocess.run(
        [sys.executable, "-c", crashing],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={"PATH": os.defpath, **environment},
    )
    said = crashed.stdout + crashed.stderr
    assert "RuntimeError: no way to" in said
    assert said.count("[hidden]") >= 4
    assert canaries.found_in(said) == [], said
