"""The commands that look after an installation: schema, status, examination."""

import asyncio
from typing import TYPE_CHECKING

import click

from darkhorses.commands.starting import UNHEALTHY, start_settings

if TYPE_CHECKING:
    from darkhorses.settings import Settings
    from darkhorses.store.writing.adoption import Stretch


@click.command()
@click.option("--status", "look_only", is_flag=True, help="Only look: exit 3 when it does not fit.")
@click.option(
    "--back",
    "way_back",
    is_flag=True,
    help="Set our tables aside and put the earlier system's back where they were.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
@click.pass_context
def migrate(ctx: click.Context, *, look_only: bool, way_back: bool, as_json: bool) -> None:
    """Bring the database's schema up to date. Two at once are safe.

    Tables of the earlier system are kept, every row, in the schema darkhorses_legacy; what fits of
    them is brought over. Run it again when it was interrupted.
    """
    if look_only and way_back:
        raise click.UsageError("--status only looks, --back changes: take one of them")
    settings = start_settings()
    from darkhorses import migrating  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    if look_only:
        _tell_schema(ctx, settings, as_json=as_json)
        return
    if way_back:
        tables = asyncio.run(migrating.back_to_earlier_system(settings))
        _tell({"given_back": tables}, migrating.way_back_lines(tables), as_json=as_json)
        return

    def progress(done: "Stretch") -> None:
        click.echo(f"{done.table}: {done.blocks:,} of {done.of_blocks:,} blocks", err=True)

    migrated = asyncio.run(migrating.migrate_database(settings, clock=clock, progress=progress))
    _tell(migrated, migrating.migrated_lines(migrated), as_json=as_json)


def _tell_schema(ctx: click.Context, settings: "Settings", *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415

    from darkhorses.migrating import adoption_lines, look_at_schema  # noqa: PLC0415

    state, adoption = asyncio.run(look_at_schema(settings))
    names = msgspec.structs.asdict(state)
    adopted = {} if adoption is None else {"adoption": adoption}
    lines = [f"{kind}: {', '.join(listed) or '-'}" for kind, listed in names.items()]
    lines += [] if adoption is None else adoption_lines(adoption)
    _tell({"current": state.is_current, **names, **adopted}, lines, as_json=as_json)
    if not state.is_current or (adoption is not None and not adoption.is_finished):
        ctx.exit(UNHEALTHY)


def _tell(found: object, lines: list[str], *, as_json: bool) -> None:
    import msgspec  # noqa: PLC0415

    click.echo(msgspec.json.encode(found).decode() if as_json else "\n".join(lines))


@click.command()
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


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
@click.pass_context
def doctor(ctx: click.Context, *, as_json: bool) -> None:
    """Check settings, database, workers and feed, and say how to mend what is wrong."""
    import msgspec  # noqa: PLC0415

    from darkhorses.doctor import Level, examine  # noqa: PLC0415
    from darkhorses.logs import configure_logs  # noqa: PLC0415
    from darkhorses.settings import read_environment, redaction_of  # noqa: PLC0415
    from darkhorses.worker.app import clock  # noqa: PLC0415

    environment = read_environment()
    configure_logs("ERROR", redaction_of(environment))
    findings = asyncio.run(examine(environment, clock=clock))
    healthy = all(finding.level is not Level.FAIL for finding in findings)
    if as_json:
        click.echo(msgspec.json.encode({"healthy": healthy, "findings": findings}).decode())
    else:
        click.echo("\n".join(map(str, findings)))
    if not healthy:
        ctx.exit(UNHEALTHY)


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def retention(*, dry_run: bool, as_json: bool) -> None:
    """Make the coming months of the change log, and retire old ones as the settings say.

    The leading worker does the same every day. Nothing is detached or dropped unless
    DARKHORSES_RETENTION_MONTHS is set.
    """
    settings = start_settings()
    import msgspec  # noqa: PLC0415

    from darkhorses.database import open_database  # noqa: PLC0415
    from darkhorses.store.migrations import require_current_schema  # noqa: PLC0415
    from darkhorses.worker.app import clock, retention_of  # noqa: PLC0415
    from darkhorses.worker.retention import Months, MonthsKept  # noqa: PLC0415

    policy = retention_of(settings)

    async def keep() -> MonthsKept:
        async with open_database(
            settings, max_connections=1, application_name="darkhorses retention"
        ) as database:
            await require_current_schema(database)
            return await Months(database, policy, asyncio.Lock(), clock).keep(dry_run=dry_run)

    done = msgspec.to_builtins(asyncio.run(keep()))
    if as_json:
        click.echo(msgspec.json.encode({"dry_run": dry_run, **done}).decode())
        return
    if dry_run:
        del done["moved"]  # nobody has counted them
    for what, found in done.items():
        told = ", ".join(found) if isinstance(found, list) else f"{found:,} rows"
        click.echo(f"{'would be ' if dry_run else ''}{what}: {told or '-'}")


@click.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("program", type=click.Choice(["pg_dump", "pg_restore", "psql", "pg_basebackup"]))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def postgres(ctx: click.Context, *, program: str, arguments: tuple[str, ...]) -> None:
    """Run a PROGRAM of PostgreSQL on the database: pg_dump, pg_restore, psql, pg_basebackup.

    It is told where the database is; everything after its name is its own.
    """
    settings = start_settings()
    from darkhorses.postgres import run_program  # noqa: PLC0415
    from darkhorses.settings import read_environment  # noqa: PLC0415

    ctx.exit(run_program(settings, program, arguments, environment=read_environment()))
