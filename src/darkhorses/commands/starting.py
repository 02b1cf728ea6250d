"""How every command starts and ends: settings, logs, exit codes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from darkhorses.settings import Settings

FAILED, USAGE, UNHEALTHY = 1, 2, 3

DAY = click.DateTime(["%Y-%m-%d"])
"""A day on the command line."""


def start_settings() -> "Settings":
    """Read the settings, set the logs up, and say which variables are ignored."""
    import structlog  # noqa: PLC0415

    from darkhorses.logs import configure_logs  # noqa: PLC0415
    from darkhorses.settings import (  # noqa: PLC0415
        ignored_variables,
        load_settings,
        read_environment,
        redaction_of,
    )

    environment = read_environment()
    settings = load_settings(environment)
    configure_logs(settings.log_level, redaction_of(environment))
    for name, instead in ignored_variables(environment).items():
        structlog.get_logger("darkhorses").info(
            "setting.ignored", variable=name, replaced_by=instead
        )
    return settings


def print_found(found: Any, lines: Sequence[str], *, as_json: bool) -> None:
    """Print what was found: as JSON, or the lines that say it to a person."""
    import msgspec  # noqa: PLC0415

    if as_json:
        click.echo(msgspec.json.encode(found).decode())
    elif lines:
        click.echo("\n".join(lines))


@contextmanager
def watched(settings: "Settings", process: str) -> Iterator[None]:
    """Have traces and reports of errors sent while a process runs, where the settings say so."""
    from darkhorses.error_reports import reported  # noqa: PLC0415
    from darkhorses.settings import read_environment, redaction_of  # noqa: PLC0415
    from darkhorses.tracing import traced  # noqa: PLC0415

    with (
        reported(settings.sentry_dsn, process, hide=redaction_of(read_environment())),
        traced(settings.otlp_endpoint, process),
    ):
        yield
