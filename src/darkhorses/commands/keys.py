"""The commands that look after keys to the API."""

import asyncio

import click

from darkhorses.commands.starting import print_found, start_settings

_JSON = click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
_ID = click.argument("key_id", metavar="ID")
_LONGEST_NAME = 100


@click.group()
def keys() -> None:
    """Make, list, replace and revoke keys to the API."""


@keys.command()
@click.option("--name", required=True, help="Whose key it is, for the list.")
@click.option(
    "--scopes",
    default="read,stream",
    show_default=True,
    help="What it opens, with commas: read (answers and pages), stream, export, metrics.",
)
@click.option(
    "--expires",
    default="never",
    show_default=True,
    help="never, a period such as 90d, or a day such as 2027-01-31 (from its beginning in London).",
)
@click.option(
    "--rate",
    type=click.IntRange(1, 1_000_000),
    help="Requests a minute; by default as many as DARKHORSES_KEY_RATE says.",
)
@_JSON
def create(name: str, scopes: str, expires: str, rate: int | None, *, as_json: bool) -> None:
    """Make a key and print it, this once: only a digest of it is kept."""
    settings = start_settings()
    from darkhorses import keys as service  # noqa: PLC0415
    from darkhorses.domain.api_keys import read_scopes  # noqa: PLC0415

    if not 0 < len(name.strip()) <= _LONGEST_NAME:
        raise click.UsageError(f"--name must have 1 to {_LONGEST_NAME} characters")
    try:
        created = asyncio.run(
            service.create(
                settings,
                name=name.strip(),
                scopes=read_scopes(scopes),
                expires=expires,
                requests_per_minute=rate,
            )
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    print_found(created, [f"id   {created.key_id}", f"key  {created.key}"], as_json=as_json)


@keys.command("list")
@_JSON
def list_all(*, as_json: bool) -> None:
    """List all keys with their scopes and last use."""
    settings = start_settings()
    from darkhorses import keys as service  # noqa: PLC0415

    found = asyncio.run(service.every(settings))
    print_found(found, service.key_lines(found), as_json=as_json)


@keys.command()
@_ID
@click.option(
    "--grace",
    default="24h",
    show_default=True,
    help="How long the key before stays good, such as 24h or 0m.",
)
@_JSON
def rotate(key_id: str, grace: str, *, as_json: bool) -> None:
    """Make and print another key for ID; the one before stays good for a while."""
    settings = start_settings()
    from darkhorses import keys as service  # noqa: PLC0415

    try:
        rotated = asyncio.run(service.rotate(settings, key_id, grace=service.read_period(grace)))
    except ValueError as error:
        raise click.UsageError(f"--grace: {error}") from None
    lines = [
        f"key  {rotated.key}",
        f"the one before is good until {rotated.previous_valid_until:%Y-%m-%d %H:%M} UTC",
    ]
    print_found(rotated, lines, as_json=as_json)


@keys.command()
@_ID
def revoke(key_id: str) -> None:
    """Make a key worthless, within seconds and for good."""
    settings = start_settings()
    from darkhorses import keys as service  # noqa: PLC0415

    asyncio.run(service.revoke(settings, key_id))
