"""The commands that do the worker's jobs once, or fill years of past days."""

import asyncio
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import click

from darkhorses.commands.starting import DAY, FAILED, start_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from darkhorses.settings import Settings
    from darkhorses.worker.backfill import Backfilled


@click.command()
@click.argument(
    "job", type=click.Choice(["live-odds", "historical-odds", "gap-repair", "statistics"])
)
@click.option(
    "--date",
    "dates",
    type=DAY,
    multiple=True,
    help="Race day to look at; may be given several times. Default: today and tomorrow for "
    "live-odds, what the ledger of the last seven days lacks for historical-odds.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def run(job: str, dates: tuple[datetime, ...], *, as_json: bool) -> None:
    """Run one JOB once and print what it found; exit 1 when gaps are left."""
    settings = start_settings()
    if job == "historical-odds":
        _run_historical_odds(settings, dates, as_json=as_json)
        return
    if job in ("gap-repair", "statistics") and dates:
        raise click.UsageError(f"--date is not for {job}: it does what is due")
    runs: dict[str, Callable[[Settings], Mapping[str, object]]] = {
        "live-odds": partial(_look, dates=dates),
        "gap-repair": _repair,
        "statistics": _refresh_statistics,
    }
    _print_found(job, runs[job](settings), as_json=as_json)


def _look(settings: "Settings", dates: tuple[datetime, ...]) -> "Mapping[str, object]":
    """Look at the whole card once; what was found."""
    import msgspec  # noqa: PLC0415

    from darkhorses.worker.once import look_once  # noqa: PLC0415

    look = asyncio.run(look_once(settings, [date.date() for date in dates]))
    return msgspec.structs.asdict(look.found) | {
        "requests": look.requests,
        "milliseconds": look.milliseconds,
    }


def _repair(settings: "Settings") -> "Mapping[str, object]":
    """Repair the gaps of every race that is due; what was done."""
    import msgspec  # noqa: PLC0415

    from darkhorses.worker.once import repair_once  # noqa: PLC0415

    return msgspec.structs.asdict(asyncio.run(repair_once(settings)))


def _refresh_statistics(settings: "Settings") -> "Mapping[str, object]":
    """Bring the statistics up to date; what was added to them."""
    import msgspec  # noqa: PLC0415

    from darkhorses.worker.once import refresh_statistics_once  # noqa: PLC0415

    return msgspec.structs.asdict(asyncio.run(refresh_statistics_once(settings)))


def _print_found(job: str, figures: "Mapping[str, object]", *, as_json: bool) -> None:
    """Print the figures of a run; those that say nothing are for programs alone."""
    import msgspec  # noqa: PLC0415

    if as_json:
        click.echo(msgspec.json.encode(figures).decode())
    else:
        told = {name: value for name, value in figures.items() if value is not None}
        click.echo(f"{job}: " + ", ".join(f"{name} {value}" for name, value in told.items()))


def _run_historical_odds(
    settings: "Settings", dates: tuple[datetime, ...], *, as_json: bool
) -> None:
    """Read the days named, or those that are due, and print what was found."""
    from darkhorses.backfilling import last_days, run_backfill  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    span = last_days(clock(), settings.regions, [date.date() for date in dates])
    _finish(asyncio.run(run_backfill(settings, span)), as_json=as_json)


@click.command()
@click.option("--from", "from_day", type=DAY, required=True, help="First race day.")
@click.option("--to", "to_day", type=DAY, help="Last race day; default: yesterday.")
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
    import msgspec  # noqa: PLC0415

    from darkhorses.backfilling import (  # noqa: PLC0415
        Span,
        last_days,
        plan_backfill,
        plan_lines,
        run_backfill,
    )
    from darkhorses.worker.app import clock  # noqa: PLC0415

    named = None if regions is None else tuple(r.strip().lower() for r in regions.split(","))
    yesterday = last_days(clock(), settings.regions).last
    span = Span(
        first=from_day.date(),
        last=yesterday if to_day is None else to_day.date(),
        regions=settings.regions if named is None else named,
    )
    if dry_run:
        plan = asyncio.run(plan_backfill(settings, span))
        click.echo(msgspec.json.encode(plan).decode() if as_json else "\n".join(plan_lines(plan)))
        return
    _finish(asyncio.run(run_backfill(settings, span)), as_json=as_json)


def _finish(done: "Backfilled", *, as_json: bool) -> None:
    """Print what was filled; exit 1 when gaps are left."""
    import msgspec  # noqa: PLC0415

    from darkhorses.backfilling import summary  # noqa: PLC0415

    click.echo(msgspec.json.encode(done).decode() if as_json else "\n".join(summary(done)))
    if not done.is_whole:
        raise click.exceptions.Exit(FAILED)
