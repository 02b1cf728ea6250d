"""The commands that look after an installation: schema, status, examination."""

import asyncio

import click

from darkhorses.commands.starting import UNHEALTHY, start_settings


@click.command()
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
