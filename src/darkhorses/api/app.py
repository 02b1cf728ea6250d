"""The API process: where its parts meet, and how it starts and stops.

granian's embedded server is used instead of its ordinary one, which forks a worker process: with
one process the market is in memory once, the embedded database is held by the very process that
reads it, and a signal has one receiver.
"""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from granian.server.embed import Server

from darkhorses import __version__
from darkhorses.api.access.opening import Access, behind_proxies, rules_of
from darkhorses.api.application import Services, create_application
from darkhorses.api.dashboard.movers import MoverMarks
from darkhorses.api.dashboard.status import operations
from darkhorses.api.edge import Edge, Headers
from darkhorses.api.exports import Exports
from darkhorses.api.heap import give_large_blocks_back
from darkhorses.api.history import History
from darkhorses.api.known_offers import KnownOffers
from darkhorses.api.metrics import Metrics
from darkhorses.api.past_answers import PastAnswers
from darkhorses.api.past_days import PastDays
from darkhorses.api.publishing import Publisher
from darkhorses.api.ready_answers import ReadyAnswers
from darkhorses.api.reference import Reference
from darkhorses.api.request_log import RepeatedLines, RequestLog
from darkhorses.api.server import make_server
from darkhorses.api.settlements import Settlements
from darkhorses.api.statistics import StatisticsReader
from darkhorses.api.stored_races import StoredRaces
from darkhorses.api.streams import Streams
from darkhorses.database import open_database, open_replica
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.readmodel.follower import Follower, keep_listening
from darkhorses.readmodel.price_paths import PricePaths
from darkhorses.settings import Settings
from darkhorses.store.errors import SchemaOutdatedError, SchemaTooNewError
from darkhorses.store.pool import Database, QueuedDatabase, is_transaction_pooler
from darkhorses.store.replica import PastDatabase, Replica

if TYPE_CHECKING:
    from collections.abc import Coroutine

log = structlog.get_logger()

CONNECTIONS = 2
"""With the one that listens and an export's four: two APIs and two workers of a deploy stay under
13. One is the follower's whenever it wants it, since history is read one question at a time."""

LAST_ANSWERS = timedelta(seconds=2)
"""How long requests in hand may take once the service is told to stop."""

LAST_EVENTS = timedelta(seconds=1)
"""How long clients of streams may take for what they are being sent, before all that."""

LAST_GOODBYES = timedelta(seconds=0.5)
"""How long connections without a request may keep it after that: granian waits for them."""


class CannotListenError(DarkHorsesError):
    """The API cannot listen where the settings say."""


def utc_now() -> datetime:
    """The clock of this process."""
    return datetime.now(UTC)  # noqa: TID251  # the composition root reads the clock


def build_edge(
    database: Database,
    follower: Follower,
    streams: Streams,
    *,
    clock: Callable[[], datetime],
    card_interval: timedelta,
    exports_at_once: int = 1,
    clock_headers: Callable[[], Headers] | None = None,
    access: Access | None = None,
    replica: Replica | None = None,
    request_log: RequestLog | None = None,
) -> Edge:
    """Put together what answers requests; without ``access`` anybody may ask anything.

    A replica is asked about what is over and settled.
    """
    publisher = Publisher(follower, clock=clock, card_interval=card_interval)
    queued = QueuedDatabase(database)
    past = PastDatabase(queued, replica)
    stored_races = StoredRaces(queued)
    price_paths = PricePaths(queued)
    exports = Exports(past, at_once=exports_at_once)
    metrics = Metrics(database, publisher, streams, exports, replica)
    application = create_application(
        Services(
            publisher=publisher,
            past_days=PastDays(past, clock=clock),
            stored_races=stored_races,
            past_answers=PastAnswers(stored_races),
            reference=Reference(database, clock=clock),
            history=History(past, clock=clock),
            exports=exports,
            metrics=metrics,
            operations=operations(database, clock),
            mover_marks=MoverMarks(publisher, price_paths, clock),
            settlements=Settlements(queued),
            price_paths=price_paths,
            known_offers=KnownOffers(),
            streams=streams,
            statistics=StatisticsReader(database if replica is None else past, clock=clock),
            replica=replica,
        )
    )
    ready = ReadyAnswers(application, publisher)
    guarded = ready if access is None else access.around(ready)
    return Edge(
        guarded,
        meter=metrics.requests,
        ready=ready if access is None or access.asks_nothing else None,
        clock_headers=clock_headers,
        request_log=request_log,
    )


async def run_api(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    clock_headers: Callable[[], Headers] | None = None,
    with_workers: bool = True,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Another clock than the real one is told to browsers by ``clock_headers``; heartbeats of workers
    are of the real time, so beside it they are left out.

    Raises CannotListenError, and SchemaOutdatedError or SchemaTooNewError. A database that is
    away is waited for.
    """
    give_large_blocks_back()
    address = _free_address(settings.host, settings.port)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with (
        open_database(
            settings, max_connections=CONNECTIONS, application_name="darkhorses api"
        ) as database,
        open_replica(settings, database, clock=utc_now) as replica,
    ):
        follower = Follower(database, clock=clock, with_workers=with_workers)
        card_interval = timedelta(seconds=settings.poll_interval)
        streams = Streams(
            follower,
            database,
            clock=clock,
            card_interval=card_interval,
            most_clients=settings.stream_clients,
        )
        rules = rules_of(settings, address)
        access = Access(rules, database, clock=utc_now)
        edge = build_edge(
            database,
            follower,
            streams,
            clock=clock,
            card_interval=card_interval,
            exports_at_once=settings.exports_at_once,
            clock_headers=clock_headers,
            access=access,
            replica=replica,
            request_log=RepeatedLines(),
        )
        server = make_server(
            behind_proxies(edge, rules.proxies),
            address=address,
            port=settings.port,
            most_streams=settings.stream_clients,
        )
        following: list[Coroutine[None, None, None]] = [follower.run(), streams.run()]
        if access.wants_keys:
            following.append(access.run())
        if not is_transaction_pooler(database.url, settings.pooler):
            following.append(keep_listening(database.url, follower))
        # What was imported and put together stays: the collector, while whose look at everything
        # nobody is served, is to look at what comes and goes alone.
        gc.freeze()
        log.info("api.serving", address=address, port=settings.port, version=__version__)
        await _serve_until(stop, server, edge, streams, following)
        await access.close()
    log.info("api.stopped")


def _free_address(host: str, port: int) -> str:
    """The address of ``host``; raises CannotListenError, where granian would only fail."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
            return str(address[0])
    except OSError as error:
        raise CannotListenError(
            f"cannot listen on {host} port {port} ({error.strerror}): set HOST and PORT to an "
            f"address and a free port of this machine"
        ) from error


async def _serve_until(
    stop: asyncio.Event,
    server: Server,
    edge: Edge,
    streams: Streams,
    following: "list[Coroutine[None, None, None]]",
) -> None:
    """Serve and follow until told to stop, or until either ends by itself."""
    serving = asyncio.create_task(server.serve())
    followers = [asyncio.create_task(task) for task in following]
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait(
        [serving, stopping, *followers], return_when=asyncio.FIRST_COMPLETED
    )
    log.info("api.stopping")
    # granian, once told to stop, closes no WebSocket properly any more.
    await streams.finish(LAST_EVENTS)
    for task in (stopping, *followers):
        task.cancel()
    server.stop()  # type: ignore[no-untyped-call]  # granian leaves it without types
    await edge.finish(LAST_ANSWERS)
    await asyncio.wait([serving], timeout=LAST_GOODBYES.total_seconds())
    for task in (stopping, *followers):
        with suppress(asyncio.CancelledError, SchemaOutdatedError, SchemaTooNewError):
            await task
    for task in done - {stopping}:
        task.result()
