"""Starting and stopping the simulator, in a test's event loop or as a command."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from darkhorses.simulator.app import Account, FeedApp
from darkhorses.simulator.faults import Faults, read_fault
from darkhorses.simulator.generated import GeneratedSource
from darkhorses.simulator.limits import Limits
from darkhorses.simulator.peaks import Peaks
from darkhorses.simulator.replay import ReplaySource, read_recordings
from darkhorses.simulator.schedule import AnchoredSchedule, OrdinarySchedule, Schedule
from darkhorses.simulator.served import ServedLedger
from darkhorses.simulator.server import HttpServer
from darkhorses.simulator.source import Source

USERNAME = "simulator"
PASSWORD = "simulator"  # noqa: S105  # a stand-in has nothing to protect


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to simulate.

    ``start``: build the card around that instant instead of an ordinary race day; ``speed``
    divides the gaps of such a card and the minutes of every market; ``refresh`` seconds;
    ``faults`` as ``KIND`` or ``KIND:RATE``; ``replay`` a folder of recorded answers; ``served``
    a file for the ledger of what was served.
    """

    seed: int = 1
    start: datetime | None = None
    speed: float = 1.0
    refresh: int = 20
    username: str = USERNAME
    password: str = PASSWORD
    plan: str = "pro"
    limits: bool = True
    faults: tuple[str, ...] = ()
    replay: Path | None = None
    served: Path | None = None


class Simulator:
    """A running simulator: where it answers, what it was asked, and how to break it."""

    def __init__(self, app: FeedApp, server: HttpServer, host: str, unknown: list[str]) -> None:
        self._app = app
        self._server = server
        self._host = host
        self.unknown_recordings = unknown

    @property
    def base_url(self) -> str:
        """The address that stands for ``https://api.theracingapi.com/v1``."""
        return f"http://{self._host}:{self._server.port}/v1"

    @property
    def requests(self) -> dict[str, dict[str, int]]:
        """Counts of requests by endpoint, then by outcome (a status, or ``fault KIND``)."""
        return self._app.requests

    @property
    def peaks(self) -> Peaks:
        """The most requests that ever came in any second and ten seconds."""
        return self._app.peaks

    def set_faults(self, *faults: str) -> None:
        """Switch faults on, each ``KIND`` or ``KIND:RATE``; all others off. Raises ValueError."""
        self._app.faults.rates = dict(map(read_fault, faults))


def read_start(text: str | None) -> datetime | None:
    """Read ``now`` or an ISO time with its offset. Raises ValueError."""
    if text is None:
        return None
    if text == "now":
        return wall_clock()
    start = datetime.fromisoformat(text)
    if start.tzinfo is None:
        raise ValueError(f"the start {text!r} lacks an offset, such as +00:00")
    return start


def wall_clock() -> datetime:
    """The machine's time."""
    return datetime.now(UTC)  # noqa: TID251  # the simulator's composition root


@asynccontextmanager
async def running_simulator(
    options: Options | None = None, *, clock: Callable[[], datetime] = wall_clock,
    host: str = "127.0.0.1", port: int = 0,
) -> AsyncIterator[Simulator]:  # fmt: skip
    """A simulator in this event loop; no options, no limits. Raises OSError and ValueError."""
    options = options or Options(limits=False)
    source, unknown = _make_source(options)
    with ExitStack() as stack:
        served = None
        if options.served is not None:
            served = stack.enter_context(ServedLedger.open(options.served))
        app = FeedApp(
            source=source,
            account=Account(
                username=options.username, password=options.password, plan=options.plan
            ),
            clock=clock,
            faults=Faults(options.seed, dict(map(read_fault, options.faults))),
            limits=Limits() if options.limits else None,
            served=served,
        )
        server = HttpServer(app.handle)
        await server.start(host, port)
        try:
            yield Simulator(app, server, host, unknown)
        finally:
            await server.stop()


async def serve(options: Options, *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Run until SIGINT or SIGTERM; says its address in one line when it is ready."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    async with running_simulator(options, host=host, port=port) as simulator:
        for name in simulator.unknown_recordings:
            say(f"left out, not an answer that is known: {name}")
        say(f"The Racing API is simulated at {simulator.base_url}")
        await stopped.wait()


def _make_source(options: Options) -> tuple[Source, list[str]]:
    if options.replay is not None:
        recordings = read_recordings(options.replay)
        return ReplaySource(recordings), recordings.unknown
    schedule: Schedule = (
        OrdinarySchedule(options.seed)
        if options.start is None
        else AnchoredSchedule(options.seed, options.start, options.speed)
    )
    source = GeneratedSource(
        seed=options.seed, schedule=schedule, speed=options.speed, refresh=options.refresh
    )
    return source, []
