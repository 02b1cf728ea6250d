"""The commands that run for long: the two processes, the simulated feed, and the demo."""

import asyncio
import gc
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from darkhorses.commands.starting import DAY, start_settings, watched

_FASTEST = 100_000


@click.command()
def api() -> None:
    """Serve the REST API and the board until told to stop."""
    settings = start_settings()
    import uvloop  # noqa: PLC0415

    from darkhorses.api.app import run_api  # noqa: PLC0415

    with watched(settings, "api"):
        uvloop.run(run_api(settings))


@click.command()
def worker() -> None:
    """Collect live odds until told to stop; one worker leads, others stand by."""
    settings = start_settings()
    from darkhorses.worker.app import run_worker  # noqa: PLC0415

    gc.freeze()  # what is imported stays: the collector is to look at what comes and goes alone
    with watched(settings, "worker"):
        asyncio.run(run_worker(settings))


@click.command(short_help="Simulate The Racing API on this machine.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", default=8010, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
@click.option("--seed", default=1, show_default=True, help="Another seed, another world.")
@click.option(
    "--start",
    "starts_at",
    metavar="now|TIME",
    help="Build the card around now, or around an ISO time with its offset.",
)
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 100),
    help="How many times faster markets move; with --start also how much closer races follow.",
)
@click.option(
    "--refresh",
    default=20,
    show_default=True,
    type=click.IntRange(1, 600),
    help="Seconds between two refreshes of a race's prices.",
)
@click.option("--username", default="simulator", show_default=True, help="Who may ask.")
@click.option("--password", default="simulator", show_default=True, help="With which password.")
@click.option(
    "--plan",
    default="pro",
    show_default=True,
    type=click.Choice(["free", "basic", "standard", "pro"]),
    help="The account's plan; endpoints above it answer 401.",
)
@click.option(
    "--limits/--no-limits", default=True, show_default=True, help="Refuse who asks too often."
)
@click.option(
    "--fault",
    "faults",
    metavar="KIND[:RATE]",
    multiple=True,
    help="Make requests fail: 429 (429after and 429bare always and never say for how long), 500, "
    "timeout, truncated, garbage, badgzip, cutgzip, huge, bomb, badrunner, twice (a race comes "
    "twice) or shrunk (later pages have moved up); a rate from 0 to 1, by default 1. May be given "
    "several times.",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve recorded answers (*.json) from a folder instead.",
)
@click.option(
    "--served",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every price that was served into a new file, as lines of JSON.",
)
def simulator(host: str, port: int, starts_at: str | None, **options: Any) -> None:
    """Simulate The Racing API on this machine, for trying things out.

    Without --start every date has an ordinary race day: four to six meetings in Britain and
    Ireland and one in France, finished in the past, open a week ahead.

    With --start now the card is built around the start: one off about every 5 minutes, from 20
    minutes before to 6½ hours after, so that every stage has races for six hours.

    GET /control/ledger counts requests, and the most that came in any second and any ten seconds
    by the clock on the wall, however fast the markets move. PUT /control/faults with {"429": 0.1}
    makes a tenth of them fail, with {} none; GET /control/served gives the file of --served.
    """
    from darkhorses.simulator.running import Options, read_start, serve  # noqa: PLC0415

    try:
        chosen = Options(start=read_start(starts_at), **options)
        asyncio.run(
            serve(chosen, host=host, port=port, say=lambda line: click.echo(line, err=True))
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        if error.filename is not None:
            raise click.UsageError(f"cannot write {error.filename} ({error.strerror})") from None
        message = f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port"
        raise click.ClickException(message) from None


@click.command()
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(1, 65535),
    help="Where the board is to be.",
)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address that the board listens on."
)
@click.option("--seed", default=1, show_default=True, help="Another seed, another world.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(0.1, 100),
    help="How many times faster races follow each other and markets move.",
)
@click.option(
    "--browser/--no-browser", default=True, help="Open the board when there is a display."
)
def demo(host: str, port: int, seed: int, speed: float, *, browser: bool) -> None:
    """Show live odds of a simulated race day: feed, database, worker and board in one.

    Nothing is needed and nothing is kept: the demo has a database of its own, beside your real
    data, that begins empty and is removed when it stops.
    """
    from darkhorses.demo import Demo, run_demo  # noqa: PLC0415
    from darkhorses.settings import load_settings, read_environment  # noqa: PLC0415

    environment = read_environment() | {"DATABASE_URL": ""}
    data_dir = load_settings(environment).data_dir
    asyncio.run(
        run_demo(
            Demo(
                host=host,
                port=port,
                seed=seed,
                speed=speed,
                open_browser=browser,
                data_dir=Path(data_dir) if data_dir is not None else None,
                environment=environment,
                say=lambda line: click.echo(line, err=True),
            )
        )
    )


class _Speed(click.ParamType[float]):
    """How many times faster; 0, or ``max``, for no waiting at all."""

    name = "speed"

    def convert(self, value: Any, param: Any, ctx: Any) -> float:
        """Read it; 0 is ``max``."""
        try:
            speed = 0.0 if value == "max" else float(value)
        except ValueError:
            speed = -1.0
        if not 0 <= speed <= _FASTEST:
            self.fail(f"{value!r} is neither max nor a number up to {_FASTEST}", param, ctx)
        return speed


@click.command()
@click.option("--date", "day", required=True, type=DAY, help="Race day in London, YYYY-MM-DD.")
@click.option(
    "--speed",
    default="1",
    show_default=True,
    metavar="N|max",
    type=_Speed(),
    help="How many times faster than it was; max: as fast as it can be written.",
)
@click.option(
    "--start",
    "starts_at",
    metavar="HH:MM",
    type=click.DateTime(["%H:%M"]),
    help="London time to begin at; what was before is there at once. Default: the first price.",
)
@click.option("--api", is_flag=True, help="Serve API and board on it, instead of printing events.")
@click.option(
    "--port", type=click.IntRange(1, 65535), help="Where the API is to be; default: PORT."
)
def replay(
    day: datetime, speed: float, starts_at: datetime | None, port: int | None, *, api: bool
) -> None:
    """Play a stored race day again: races, prices, withdrawals and results, each at its time.

    Without --api every event of the stream is printed as a line of JSON. With --api the whole API
    and its board run on a database of the replay's own, and all clocks are those of that day. The
    stored day is only read.
    """
    if port is not None and not api:
        raise click.UsageError("--port is for --api")
    settings = start_settings()
    import uvloop  # noqa: PLC0415

    from darkhorses.domain.london import instant_of  # noqa: PLC0415
    from darkhorses.replay.running import Replay, run_replay  # noqa: PLC0415

    asked = Replay(
        day=day.date(),
        speed=speed or None,
        start=None if starts_at is None else instant_of(day.date(), starts_at.time()),
        api=(settings.host, port or settings.port) if api else None,
    )
    uvloop.run(run_replay(settings, asked, out=lambda lines: click.echo(lines, nl=False)))
