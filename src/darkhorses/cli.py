"""The ``darkhorses`` command. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok, 1 failed, 2 usage or a wrong setting, 3 unhealthy. Each command imports what it
needs when it is called, so that ``darkhorses version`` does not load a web framework.
"""

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from darkhorses import __version__
from darkhorses.domain.errors import DarkHorsesError, SettingError

if TYPE_CHECKING:
    from darkhorses.settings import Settings

FAILED, USAGE, UNHEALTHY = 1, 2, 3


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
def worker() -> None:
    """Collect live odds until told to stop; one worker leads, others stand by."""
    settings = start_settings()
    from darkhorses.worker.app import run_worker  # noqa: PLC0415

    asyncio.run(run_worker(settings))


@main.command()
@click.argument("job", type=click.Choice(["live-odds"]))
@click.option(
    "--date",
    "dates",
    type=click.DateTime(["%Y-%m-%d"]),
    multiple=True,
    help="Race day to look at; may be given several times. Default: today and tomorrow.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
def run(job: str, dates: tuple[datetime, ...], *, as_json: bool) -> None:
    """Run one JOB once and print what it found."""
    settings = start_settings()
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
