"""The ``darkhorses`` command. Data goes to stdout, everything else to stderr.

Exit codes: 0 ok, 1 failed, 2 usage, 3 unhealthy. Each command imports what it needs when it is
called, so that ``darkhorses version`` does not load a web framework.
"""

import click

from darkhorses import __version__


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Live odds for UK and Irish horse racing."""


@main.command()
def version() -> None:
    """Print the version."""
    click.echo(__version__)
