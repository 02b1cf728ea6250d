"""The command that takes data out."""

import asyncio
from datetime import datetime
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
@click.option("--course", help="Of historical-odds and results.")
@click.option("--horse", help="Of historical-odds.")
@click.option("--trainer", help="Of historical-odds.")
@click.option("--jockey", help="Of historical-odds.")
@click.option("--region", help="Of results and race-days: gb, ire.")
@click.option("--bookmaker", help="Of odds-changes: its name or id.")
@click.option("--race-id", help="Of odds-changes.")
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
    **filters: str | None,
) -> None:
    """Export a TABLE: historical-odds, results, race-days or odds-changes.

    The file has its name only once it is whole. Parquet needs darkhorses[parquet].
    """
    if from_day is not None and to_day is not None and from_day > to_day:
        raise click.UsageError("--from is after --to")
    from darkhorses.export.asking import WrongFilterError, export_query  # noqa: PLC0415
    from darkhorses.export.formats import ExportFormat  # noqa: PLC0415
    from darkhorses.exporting import export_table  # noqa: PLC0415
    from darkhorses.store.exporting import ExportTable  # noqa: PLC0415

    known = {str(member) for member in ExportFormat}
    suffix = out.suffix.removeprefix(".")
    try:
        query = export_query(
            ExportTable(table),
            from_day=None if from_day is None else from_day.date(),
            to_day=None if to_day is None else to_day.date(),
            filters=filters,
        )
    except WrongFilterError as error:
        option = error.field.replace("_", "-")
        raise click.UsageError(f"--{option} {error.message}") from None
    settings = start_settings()
    done = asyncio.run(
        export_table(
            settings,
            query,
            ExportFormat(export_format or (suffix if suffix in known else "csv")),
            out=None if str(out) == "-" else out,
        )
    )
    click.echo(f"{table}: {done.rows:,} rows, {done.bytes:,} bytes to {out}", err=True)
