"""The commands that look after webhooks."""

import asyncio

import click

from darkhorses.commands.starting import FAILED, print_found, start_settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
_ID = click.argument("webhook_id", metavar="ID")


@click.group()
def webhooks() -> None:
    """Tell others of what happens, by signed requests to their addresses."""


@webhooks.command()
@click.argument("url")
@click.option(
    "--events",
    required=True,
    help="What to tell, with commas: price, race, non_runner, result, status; or all.",
)
@click.option(
    "--filter",
    "filters",
    metavar="KEY=VALUE",
    multiple=True,
    help="Only what is about a region, course, race, bookmaker or horse, such as course=Ascot. "
    "One key several times takes any of them, different keys must all fit.",
)
@_JSON
def add(url: str, events: str, filters: tuple[str, ...], *, as_json: bool) -> None:
    """Register URL and print the secret that its messages are signed with, this once."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415
    from darkhorses.domain.webhooks import read_events, read_filter  # noqa: PLC0415
    from darkhorses.webhooks.errors import TargetRefusedError  # noqa: PLC0415

    try:
        kinds, chosen = read_events(events), read_filter(filters)
        added = asyncio.run(registering.add(settings, url, kinds, chosen))
    except (ValueError, TargetRefusedError) as error:
        raise click.UsageError(str(error)) from None
    print_found(
        added, [f"webhook  {added.webhook_id}", f"secret   {added.secret}"], as_json=as_json
    )


@webhooks.command("list")
@_JSON
def list_all(*, as_json: bool) -> None:
    """List all webhooks with their states."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    found = asyncio.run(registering.every(settings))
    print_found(found, registering.webhook_lines(found), as_json=as_json)


@webhooks.command()
@_ID
@_JSON
def show(webhook_id: str, *, as_json: bool) -> None:
    """Show a webhook and which of its messages fail."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    shown = asyncio.run(registering.show(settings, webhook_id))
    print_found(shown, registering.shown_lines(shown), as_json=as_json)


@webhooks.command()
@_ID
@_JSON
def rotate(webhook_id: str, *, as_json: bool) -> None:
    """Make and print a new secret; for 24 hours the old one is signed with, too."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    rotated = asyncio.run(registering.rotate(settings, webhook_id))
    lines = [
        f"secret   {rotated.secret}",
        f"the one before is valid until {rotated.previous_valid_until:%Y-%m-%d %H:%M} UTC",
    ]
    print_found(rotated, lines, as_json=as_json)


@webhooks.command()
@_ID
@_JSON
def test(webhook_id: str, *, as_json: bool) -> None:
    """Send a ping now and say how it was answered; exit 1 unless it was accepted."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    pinged = asyncio.run(registering.ping(settings, webhook_id))
    line = f"accepted: answered {pinged.status}" if pinged.delivered else f"failed: {pinged.error}"
    print_found(pinged, [line], as_json=as_json)
    if not pinged.delivered:
        raise click.exceptions.Exit(FAILED)


@webhooks.command()
@_ID
def enable(webhook_id: str) -> None:
    """Tell a webhook again; what waits for it goes out."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    asyncio.run(registering.enable(settings, webhook_id))


@webhooks.command()
@_ID
def disable(webhook_id: str) -> None:
    """Tell a webhook nothing more; what waits for it goes on waiting."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    asyncio.run(registering.disable(settings, webhook_id))


@webhooks.command()
@_ID
def remove(webhook_id: str) -> None:
    """Forget a webhook with all its messages."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    asyncio.run(registering.remove(settings, webhook_id))


@webhooks.command()
@click.argument("webhook_id", metavar="[ID]", required=False)
@click.option(
    "--limit", default=100, show_default=True, type=click.IntRange(1, 10_000), help="At most."
)
@_JSON
def dead(webhook_id: str | None, limit: int, *, as_json: bool) -> None:
    """List messages that could not be delivered and are not tried again, the newest first."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    found = asyncio.run(registering.dead(settings, webhook_id, most=limit))
    print_found(found, registering.message_lines(found), as_json=as_json)


@webhooks.command()
@_ID
@_JSON
def replay(webhook_id: str, *, as_json: bool) -> None:
    """Have a webhook's dead messages tried again, from the first attempt on."""
    settings = start_settings()
    from darkhorses import registering  # noqa: PLC0415

    count = asyncio.run(registering.replay(settings, webhook_id))
    print_found({"replayed": count}, [f"{count} messages are tried again"], as_json=as_json)
