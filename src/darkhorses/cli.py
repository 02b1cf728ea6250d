"""The ``darkhorses`` command. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok, 1 failed, 2 usage or a wrong setting, 3 unhealthy.
"""

from typing import Any

import click

from darkhorses import __version__
from darkhorses.commands.collecting import backfill, run
from darkhorses.commands.exports import export
from darkhorses.commands.keys import keys
from darkhorses.commands.serving import api, demo, replay, simulator, worker
from darkhorses.commands.starting import FAILED, USAGE
from darkhorses.commands.upkeep import doctor, migrate, postgres, retention, status
from darkhorses.commands.webhooks import webhooks
from darkhorses.domain.errors import DarkHorsesError, SettingError


class _Commands(click.Group):
    """Commands whose errors that have a name are one line, not a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SettingError as error:
            _say(error)
            ctx.exit(USAGE)
        except DarkHorsesError as error:
            _say(error)
            ctx.exit(FAILED)


def _say(error: DarkHorsesError) -> None:
    """One line for whoever sits there, without the secrets that an error may have been told."""
    from darkhorses.settings import read_environment, redaction_of  # noqa: PLC0415

    click.echo(f"darkhorses: {redaction_of(read_environment())(str(error))}", err=True)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Live odds for UK and Irish horse racing."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)


for command in (
    api, backfill, demo, doctor, export, keys, migrate, postgres,
    replay, retention, run, simulator, status, webhooks, worker,
):  # fmt: skip
    main.add_command(command)
