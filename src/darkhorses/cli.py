"""The ``darkhorses`` command. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok, 1 failed, 2 usage or a wrong setting, 3 unhealthy. Each command imports what it
needs when it is called, so that ``darkhorses version`` does not load a web framework.
"""

import asyncio
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from darkhorses import __version__
from darkhorses.domain.errors import DarkHorsesError, SettingError

if TYPE_CHECKING:
    from darkhorses.settings import Settings
    from darkhorses.worker.backfill import Backfilled

FAILED, USAGE, UNHEALTHY = 1, 2, 3

_DAY = click.DateTime(["%Y-%m-%d"])


class _Commands(click.Group):
    """Commands whose errors that have a name are one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SettingError as error:
            click.echo(f"darkhorses: {error}", err=True)
            ctx.exit(USAGE)
        except DarkHorsesError as error:
            click.echo(f"darkhorses: {error}", err=True)
            ctx.exit(FAILED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Live odds for UK and Irish horse racing."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


@main.command()
def api() -> None:
    """Serve the REST API and the board until told to stop."""
    settings = start_settings()
    import uvloop  # noqa: PLC0415

    from darkhorses.api.app import run_api  # noqa: PLC0415

    uvloop.run(run_api(settings))


@main.command()
def worker() -> None:
    """Collect live odds until told to stop; one worker leads, others stand by."""
    settings = start_settings()
    from darkhorses.worker.app import run_worker  # noqa: PLC0415

    asyncio.run(run_worker(settings))


@main.command()
@click.argument("job", type=click.Choice(["live-odds", "historical-odds"]))
@click.option(
    "--date",
    "dates",
    type=click.DateTime(["%Y-%m-%d"]),
    multiple=True,
    help="Race day to look at; may be given several times. Default: today and tomorrow for "
    "live-odds, what the ledger of the last seven days lacks for historical-odds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def run(job: str, dates: tuple[datetime, ...], *, as_json: bool) -> None:
    """Run one JOB once and print what it found."""
    settings = start_settings()
    if job == "historical-odds":
        _run_historical_odds(settings, dates, as_json=as_json)
        return
    import msgspec  # noqa: PLC0415

    from darkhorses.worker.once import look_once  # noqa: PLC0415

    look = asyncio.run(look_once(settings, [date.date() for date in dates]))
    figures = msgspec.to_builtins(look.found) | {
        "requests": look.requests,
        "milliseconds": look.milliseconds,
    }
    if as_json:
        click.echo(msgspec.json.encode(figures).decode())
    else:
        click.echo(f"{job}: " + ", ".join(f"{name} {count}" for name, count in figures.items()))


def _run_historical_odds(
    settings: "Settings", dates: tuple[datetime, ...], *, as_json: bool
) -> None:
    """Read the days named, or those that are due, and print what was found."""
    from darkhorses.backfilling import last_days, run_backfill  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    span = last_days(clock(), settings.regions, [date.date() for date in dates])
    _finish(asyncio.run(run_backfill(settings, span)), as_json=as_json)


@main.command()
@click.option("--from", "from_day", type=_DAY, required=True, help="First race day.")
@click.option("--to", "to_day", type=_DAY, help="Last race day; default: yesterday.")
@click.option("--regions", help="Region codes with commas; default: DARKHORSES_REGIONS.")
@click.option("--dry-run", is_flag=True, help="Only say which days would be read.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def backfill(
    from_day: datetime,
    to_day: datetime | None,
    regions: str | None,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Fill past race days: results and historical odds, from 2023-01-23 on.

    May be stopped at any time and run again: days that are complete are not asked for again. Runs
    beside a worker, with half of its pace. Exits with 1 when gaps are left.
    """
    settings = start_settings()
    from darkhorses.backfilling import Span, last_days, run_backfill  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    named = tuple(r.strip().lower() for r in (regions or "").split(",") if r.strip())
    yesterday = last_days(clock(), settings.regions).last
    span = Span(
        first=from_day.date(),
        last=yesterday if to_day is None else to_day.date(),
        regions=named or settings.regions,
    )
    done = asyncio.run(run_backfill(settings, span, dry_run=dry_run))
    if not dry_run:
        _finish(done, as_json=as_json)


def _finish(done: "Backfilled", *, as_json: bool) -> None:
    """Print what was filled; exit 1 when gaps are left."""
    import msgspec  # noqa: PLC0415

    from darkhorses.backfilling import summary  # noqa: PLC0415

    click.echo(msgspec.json.encode(done).decode() if as_json else "\n".join(summary(done)))
    if not done.is_whole:
        raise click.exceptions.Exit(FAILED)


@main.command()
@click.option("--status", "look_only", is_flag=True, help="Only look: exit 3 when it does not fit.")
@click.option("--json", "as_json", is_flag=True, help="Print the names as JSON.")
@click.pass_context
def migrate(ctx: click.Context, *, look_only: bool, as_json: bool) -> None:
    """Bring the database's schema up to date. Two at once are safe."""
    settings = start_settings()
    import msgspec  # noqa: PLC0415

    from darkhorses.database import look_at_schema, migrate_database  # noqa: PLC0415

    if not look_only:
        applied = asyncio.run(migrate_database(settings))
        if as_json:
            click.echo(msgspec.json.encode({"applied": applied}).decode())
        else:
            click.echo("\n".join(f"applied {name}" for name in applied) or "nothing to apply")
        return
    state = asyncio.run(look_at_schema(settings))
    names = msgspec.structs.asdict(state)
    if as_json:
        click.echo(msgspec.json.encode({"current": state.is_current, **names}).decode())
    else:
        for kind, listed in names.items():
            click.echo(f"{kind}: {', '.join(listed) or '-'}")
    if not state.is_current:
        ctx.exit(UNHEALTHY)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the status as JSON.")
@click.pass_context
def status(ctx: click.Context, *, as_json: bool) -> None:
    """Show who leads and how the jobs are doing; exit 3 when nobody leads."""
    settings = start_settings()
    import msgspec  # noqa: PLC0415

    from darkhorses.database import open_database  # noqa: PLC0415
    from darkhorses.status import Status, lines, look  # noqa: PLC0415
    from darkhorses.store.migrations import require_current_schema  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    async def read() -> Status:
        async with open_database(
            settings, max_connections=1, application_name="darkhorses status"
        ) as database:
            await require_current_schema(database)
            return await look(database, clock())

    found = asyncio.run(read())
    click.echo(msgspec.json.encode(found).decode() if as_json else "\n".join(lines(found)))
    if not found.healthy:
        ctx.exit(UNHEALTHY)


@main.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check settings, database, workers and feed, and say how to mend what is wrong."""
    import msgspec  # noqa: PLC0415

    from darkhorses.doctor import Level, examine  # noqa: PLC0415
    from darkhorses.logs import configure_logs  # noqa: PLC0415
    from darkhorses.settings import read_environment  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    configure_logs("ERROR")
    findings = asyncio.run(examine(read_environment(), clock=clock))
    healthy = all(finding.level is not Level.FAIL for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode({"healthy": healthy, "findings": findings}).decode())
    else:
        click.echo("\n".join(map(str, findings)))
    if not healthy:
        ctx.exit(UNHEALTHY)


@main.command()
@click.argument(
    "table", type=click.Choice(["historical-odds", "results", "race-days", "odds-changes"])
)
@click.option(
    "--format",
    "export_format",
    type=click.Choice(["csv", "ndjson", "parquet"]),
    help="Default: what the file's name ends in, otherwise csv.",
)
@click.option("--from", "from_day", type=_DAY, help="First race day; default: the first there is.")
@click.option("--to", "to_day", type=_DAY, help="Last race day; default: the last there is.")
@click.option(
    "--out",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="File to write, or - for stdout.",
)
def export(
    table: str,
    export_format: str | None,
    from_day: datetime | None,
    to_day: datetime | None,
    out: Path,
) -> None:
    """Export a TABLE: historical-odds, results, race-days or odds-changes.

    The file has its name only once it is whole. Parquet needs darkhorses[parquet].
    """
    if from_day is not None and to_day is not None and from_day > to_day:
        raise click.UsageError("--from is after --to")
    settings = start_settings()
    from darkhorses.export.formats import ExportFormat  # noqa: PLC0415
    from darkhorses.exporting import export_table  # noqa: PLC0415
    from darkhorses.store.exporting import ExportQuery, ExportTable  # noqa: PLC0415

    known = {str(member) for member in ExportFormat}
    suffix = out.suffix.removeprefix(".")
    query = ExportQuery(
        table=ExportTable(table),
        from_day=date.min if from_day is None else from_day.date(),
        to_day=date.max if to_day is None else to_day.date(),
    )
    done = asyncio.run(
        export_table(
            settings,
            query,
            ExportFormat(export_format or (suffix if suffix in known else "csv")),
            out=None if str(out) == "-" else out,
        )
    )
    click.echo(f"{table}: {done.rows:,} rows, {done.bytes:,} bytes to {out}", err=True)


@main.command(short_help="Simulate The Racing API on this machine.")
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
    help="Make requests fail: 429, 500, timeout, truncated, garbage, badgzip or badrunner; a rate "
    "from 0 to 1, by default 1. May be given several times.",
)
@click.option(
    "--replay",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Serve recorded answers (*.json) from a folder instead.",
)
def simulator(host: str, port: int, starts_at: str | None, **options: Any) -> None:
    """Simulate The Racing API on this machine, for trying things out.

    Without --start every date has an ordinary race day: four to six meetings in Britain and
    Ireland and one in France, finished in the past, open a week ahead.

    With --start now the card is built around the start: one off about every 5 minutes, from 20
    minutes before to 6½ hours after, so that every stage has races for six hours.

    GET /control/ledger counts requests; PUT /control/faults with {"429": 0.1} makes a tenth of
    them fail, with {} none.
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
        message = f"cannot listen on {host}:{port} ({error.strerror}); choose another with --port"
        raise click.ClickException(message) from None


@main.command()
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


def start_settings() -> "Settings":
    """Read the settings, set the logs up, and say which variables are ignored."""
    import structlog  # noqa: PLC0415

    from darkhorses.logs import configure_logs  # noqa: PLC0415
    from darkhorses.settings import (  # noqa: PLC0415
        ignored_variables,
        load_settings,
        read_environment,
    )

    environment = read_environment()
    settings = load_settings(environment)
    configure_logs(settings.log_level)
    for name, instead in ignored_variables(environment).items():
        structlog.get_logger("darkhorses").info(
            "setting.ignored", variable=name, replaced_by=instead
        )
    return settings
