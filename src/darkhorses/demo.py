"""The whole of DarkHorses on one machine: a simulated feed, a database, a worker and an API.

True here: each part is the ordinary command in a process and session of its own, so that a
terminal's Ctrl-C reaches the demo alone, which stops worker, API and simulator in that order. The
kernel tells the parts when the demo itself is killed. Every demo has a world of its own, built
around its start, so its database begins empty and is removed at the end; it stands beside the
user's real data, under ``demo/PORT``, and a DATABASE_URL is left alone.
"""

import asyncio
import ctypes
import errno
import os
import signal
import socket
import sys
import webbrowser
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import NoReturn, TypeVar

import httpx
import msgspec

from darkhorses.database import passing_database
from darkhorses.domain.errors import DarkHorsesError
from darkhorses.signals import until_signalled
from darkhorses.store.embedded import default_data_dir

_PAUSE = 0.1
_PATIENCE = 60.0
_GRACE = 6.0
_SET_PARENT_DEATH_SIGNAL = 1
_READY = "is simulated at "
_CREDENTIAL = "simulator"
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}  # noqa: S104  # compared, not bound

_Value = TypeVar("_Value")


class DemoError(DarkHorsesError):
    """The demo cannot start, or one of its parts ended; the message says which."""


class Demo(msgspec.Struct, frozen=True, kw_only=True):
    """What to show: ``environment`` as the demo was given it, ``say`` takes lines for a person."""

    host: str
    port: int
    seed: int
    speed: float
    open_browser: bool
    data_dir: Path | None
    environment: Mapping[str, str]
    say: Callable[[str], None]

    @property
    def url(self) -> str:
        """Where the board is."""
        return f"http://{_EVERYWHERE.get(self.host, self.host)}:{self.port}/"

    @property
    def directory(self) -> Path:
        """Where the demo's database is while it runs."""
        return (self.data_dir or default_data_dir()) / "demo" / str(self.port)


async def run_demo(demo: Demo) -> None:
    """Show the demo until SIGINT or SIGTERM. Raises DemoError when a part of it ends before."""
    await until_signalled(_show(demo), stopping=lambda: demo.say("Stopping."))


async def _show(demo: Demo) -> None:
    _require_free_port(demo.host, demo.port)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(passing_database(demo.directory))
        environment = {
            **demo.environment,
            "DATABASE_URL": "",
            "DARKHORSES_DATA_DIR": str(demo.directory),
            "PYTHONUNBUFFERED": "1",
        }
        simulator = await stack.enter_async_context(
            _part(
                "simulator", environment,
                "--port", "0", "--start", "now", "--seed", str(demo.seed),
                "--speed", str(demo.speed), heard=True,
            )
        )  # fmt: skip
        migration = await stack.enter_async_context(_part("migrate", environment))
        base_url = await _unless_ended(simulator.line_with(_READY, demo.say), simulator)
        if await migration.process.wait():
            raise DemoError("the demo's database could not be migrated; the lines above say why")
        environment |= {
            "RACING_API_BASE_URL": base_url,
            "RACING_API_USERNAME": _CREDENTIAL,
            "RACING_API_PASSWORD": _CREDENTIAL,
            "DARKHORSES_POLL_INTERVAL": "15",
            "DARKHORSES_REGIONS": "gb,ire",
            "HOST": demo.host,
            "PORT": str(demo.port),
        }
        api = await stack.enter_async_context(_part("api", environment))
        worker = await stack.enter_async_context(_part("worker", environment))
        parts = (simulator, api, worker)
        await _unless_ended(_healthy(demo.url), *parts)
        demo.say(f"\nDarkHorses shows a simulated race day at {demo.url}  (Ctrl-C stops it)\n")
        if demo.open_browser and _has_display(demo.environment):
            await asyncio.to_thread(webbrowser.open, demo.url)
        await _unless_ended(simulator.pass_on(demo.say), *parts)


class _Part:
    """One command of the demo in its own process."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process

    async def line_with(self, words: str, say: Callable[[str], None]) -> str:
        """What follows some words in its output; every line up to there is passed on."""
        async for line in self._lines():
            say(line)
            if words in line:
                return line.partition(words)[2]
        return await _never()

    async def pass_on(self, say: Callable[[str], None]) -> None:
        """Pass the rest of its lines on; never returns."""
        async for line in self._lines():
            say(line)
        await _never()

    async def _lines(self) -> AsyncIterator[str]:
        assert self.process.stderr is not None  # noqa: S101  # it was started with a pipe
        async for line in self.process.stderr:
            yield line.decode(errors="replace").rstrip()

    async def stop(self) -> None:
        """Ask it to stop, and make it when it does not."""
        with suppress(ProcessLookupError):
            self.process.terminate()
        try:
            await asyncio.wait_for(self.process.wait(), _GRACE)
        except TimeoutError:
            with suppress(ProcessLookupError):
                # Its session is its own: children that it has go with it.
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()


@asynccontextmanager
async def _part(
    name: str, environment: Mapping[str, str], *arguments: str, heard: bool = False
) -> AsyncIterator[_Part]:
    """Run a command of DarkHorses while the block runs.

    It writes to the demo's own stderr, as it would on a terminal, unless it is ``heard``.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "darkhorses", name, *arguments,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=sys.stderr,
        stderr=asyncio.subprocess.PIPE if heard else None,
        start_new_session=True,
        preexec_fn=_end_with_parent(os.getpid()),
    )  # fmt: skip
    part = _Part(name, process)
    try:
        yield part
    finally:
        await part.stop()


async def _unless_ended(awaited: Awaitable[_Value], *parts: _Part) -> _Value:
    """Wait for something; raises DemoError when one of the parts ends before."""
    wanted = asyncio.ensure_future(awaited)
    endings = {asyncio.create_task(part.process.wait()): part for part in parts}
    try:
        await asyncio.wait({wanted, *endings}, return_when=asyncio.FIRST_COMPLETED)
        for ending, part in endings.items():
            if ending.done():
                raise DemoError(
                    f"the {part.name} has ended with exit status {ending.result()}; the lines "
                    "above say why"
                )
        return wanted.result()
    finally:
        for task in (wanted, *endings):
            task.cancel()


async def _never() -> NoReturn:
    """For output that is at its end: that the part has ended is noticed elsewhere."""
    while True:
        await asyncio.Event().wait()


async def _healthy(url: str) -> None:
    """Wait until the API says that it is ready. Raises DemoError when that takes too long."""
    deadline = asyncio.get_running_loop().time() + _PATIENCE
    async with httpx.AsyncClient(base_url=url, timeout=2, trust_env=False) as http:
        while asyncio.get_running_loop().time() < deadline:
            with suppress(httpx.HTTPError):
                if (await http.get("health")).is_success:
                    return
            await asyncio.sleep(_PAUSE)
    raise DemoError(f"the API has not become ready in {_PATIENCE:.0f} s; the lines above say why")


def _require_free_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            what = "is taken" if error.errno == errno.EADDRINUSE else f"fails: {error.strerror}"
            raise DemoError(f"port {port} {what}; choose another with --port") from None


def _has_display(environment: Mapping[str, str]) -> bool:
    return sys.platform == "darwin" or any(
        environment.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
    )


def _end_with_parent(parent: int) -> Callable[[], None] | None:
    """What a new process does first: ask the kernel for SIGTERM when its parent is gone."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))
        if os.getppid() != parent:
            # It was gone before we asked.
            os._exit(1)

    return ask
