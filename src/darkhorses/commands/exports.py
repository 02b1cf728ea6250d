"""The command that takes data out."""

import asyncio
from datetime import date, datetime
from pathlib import Path

import click

from darkhorses.commands.starting import DAY, start_settings


@click.command()
@click.argument(
    "table", type=click.Choice(["historical-odds", "results", "race-days", "odds-changes"])
)
@click.option(
    "--format",
    "export_format",
    type=click.Choice(["csv", "ndjson", "parquet"]),
    help="Default: what the file's name ends in, otherwise csv.",
)
@click.option("--from", "from_day", type=DAY, help="First race day; default: the first there is.")
@click.option("--to", "to_day", type=DAY, help="Last race day; default: the last there is.")
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
