"""Where the parts of a replay meet: the stored day, a passing database, the writer, the readers."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec
import structlog

from darkhorses.api.app import run_api
from darkhorses.api.stream_forms import MESSAGES
from darkhorses.database import open_database, passing_database
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.readmodel.follower import Follower
from darkhorses.replay.clock import ReplayClock
from darkhorses.replay.player import Player
from darkhorses.replay.steps import CARD_LOOK, first_moment
from darkhorses.settings import Settings
from darkhorses.signals import until_signalled
from darkhorses.store.embedded import default_data_dir
from darkhorses.store.migrations import migrate, require_current_schema
from darkhorses.store.pool import Database
from darkhorses.store.recorded_days import RecordedDay, recorded_day
from darkhorses.store.writing.lease import acquire

log = structlog.get_logger("darkhorses.replay")

_CONNECTIONS = 2
"""One to write with, one for who prints what happens."""

_LONGEST_REPLAY = timedelta(days=30)

Print = Callable[[bytes], None]


class NothingToReplayError(DarkHorsesError):
    """Of the day that is asked for nothing is stored, or no price; the message says which."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay: a race day (London), ``speed`` times as fast, or as fast as can be (None).

    What happened before ``start`` (UTC; None: the first price) is there at once. ``api`` is where
    to serve it, host and port; without, events are printed.
    """

    day: date
    speed: float | None
    start: datetime | None
    api: tuple[str, int] | None


async def run_replay(settings: Settings, replay: Replay, *, out: Print) -> None:
    """Replay a day until its end, with an API until SIGINT or SIGTERM.

    Raises NothingToReplayError, CannotListenError and StoreError.
    """
    await until_signalled(_run(settings, replay, out), stopping=lambda: log.info("replay.stopping"))


async def _run(settings: Settings, replay: Replay, out: Print) -> None:
    day = await _stored_day(settings, replay.day)
    start = replay.start or first_moment(day)
    clock = ReplayClock(start, speed=replay.speed)
    async with _database_of_its_own(settings) as database:
        async with database.connection() as connection:
            lease = await acquire(connection, "market", "replay", ttl=_LONGEST_REPLAY)
        if lease is None:
            raise AssertionError("an empty database has no other writer")
        player = Player(database, lease, day, clock=clock, start=start)
        log.info(
            "replay.begins",
            day=replay.day.isoformat(),
            races=len(day.races),
            changes=sum(len(race.changes) for race in day.races),
            start=start.isoformat(),
            speed=replay.speed or "max",
        )
        if replay.api is None:
            await _print_events(database, player, clock, out)
        else:
            await _serve(settings, replay.api, database, player, clock)


async def _stored_day(settings: Settings, day: date) -> RecordedDay:
    """The day in the database that the settings ask for, which is only read."""
    async with open_database(
        settings,
        max_connections=1,
        application_name="darkhorses replay",
        migrate_embedded=False,
    ) as source:
        await require_current_schema(source)
        recorded = await recorded_day(source, day)
    if not recorded.races:
        raise NothingToReplayError(f"no race of {day} is stored; /api/race-days lists days")
    if not any(race.changes for race in recorded.races):
        raise NothingToReplayError(
            f"{len(recorded.races)} races of {day} are stored, but no price change of them: "
            "prices are known of days on which a worker collected them"
        )
    return recorded


async def _print_events(database: Database, player: Player, clock: ReplayClock, out: Print) -> None:
    """Print every event of the stream, step by step: none is left out, however fast it goes."""
    follower = Follower(database, clock=clock, with_workers=False)
    printed = 0

    async def seen(revision: int) -> None:
        nonlocal printed
        follower.wake()
        await follower.until(lambda follower: follower.now.market.revision >= revision)
        for batch in follower.tail.batches_from(printed):
            lines = [
                MESSAGES.frame(event.kind, event.data, event.position) for event in batch.events
            ]
            out(b"\n".join([*lines, b""]))
        printed = follower.tail.next_number

    async def play() -> None:
        await follower.until(lambda follower: follower.now.loaded)
        await player.catch_up(seen=seen)
        await player.play(seen=seen)

    await _while_beside(play(), follower.run())


async def _serve(
    settings: Settings,
    api: tuple[str, int],
    database: Database,
    player: Player,
    clock: ReplayClock,
) -> None:
    """Serve the real API on the replay; it stays at the end of the day until it is stopped."""
    host, port = api
    replayed = msgspec.structs.replace(
        settings,
        database_url=database.url,
        database_replica_url=None,
        pooler="session",
        host=host,
        port=port,
        poll_interval=int(CARD_LOOK.total_seconds()),
    )
    await player.catch_up()
    await _while_beside(
        run_api(replayed, clock=clock, clock_headers=clock.headers, with_workers=False),
        player.play(),
    )


async def _while_beside(
    work: Coroutine[None, None, None], beside: Coroutine[None, None, None]
) -> None:
    """Do some work to its end with something beside it, which may end before but not fail."""
    tasks = asyncio.create_task(work), asyncio.create_task(beside)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if tasks[1].done():
            tasks[1].result()
        await tasks[0]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def _database_of_its_own(settings: Settings) -> AsyncIterator[Database]:
    """An empty, migrated database that is removed at the end, with those of killed replays."""
    parent = (Path(settings.data_dir) if settings.data_dir else default_data_dir()) / "replay"
    for left in parent.glob("*"):
        if left.name.isdigit() and not _is_running(int(left.name)):
            async with passing_database(left):
                log.info("replay.left_over_removed", directory=str(left))
    async with passing_database(parent / str(os.getpid())) as server:
        database = await Database.open(
            server.url, max_connections=_CONNECTIONS, application_name="darkhorses replay"
        )
        try:
            await migrate(database)
            yield database
        finally:
            await database.close()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
