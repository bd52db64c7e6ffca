"""`sessions`: compares another session rule with the one in force, over the whole history; changes nothing."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from convolake.console import print_table, report_errors
from ingest.settings import Settings

app = typer.Typer()

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_DURATION = re.compile(r"(\d+)([smhd])")


def parse_duration(text: str) -> timedelta:
    """Return the duration of a text such as 90s, 15m, 2h or 1d. Raises typer.BadParameter."""
    found = _DURATION.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise typer.BadParameter("give a number and s, m, h or d: 15m")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


@app.command()
def sessions(
    timeout: Annotated[
        timedelta,
        typer.Option(
            parser=parse_duration,
            metavar="DURATION",
            help="Time without a message that ends a session: 15m.",
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array.")] = False,
) -> None:
    """Compare the recorded sessions with those of another timeout, by channel. The record stays as it is."""
    import duckdb

    from warehouse import model
    from warehouse.lake import WarehouseMissingError, connect

    settings = Settings()
    query: Path = model.DIRECTORY / "analyses" / "sessions_by_timeout.sql"
    with (
        report_errors(WarehouseMissingError, duckdb.Error),
        connect(settings.warehouse_path) as con,
    ):
        given = {"seconds": int(timeout.total_seconds()), "roles": sorted(settings.session_roles)}
        result = con.execute(query.read_text(), given)
        names = [column[0] for column in result.description or []]
        rows = result.fetchall()
    if as_json:
        typer.echo(json.dumps([dict(zip(names, row, strict=True)) for row in rows], indent=2))
        return
    print_table(
        f"sessions as recorded, and with a timeout of {timeout}",
        [name.replace("_", " ") for name in names],
        [[str(row[0]), *(f"{value:,.0f}" for value in row[1:])] for row in rows],
    )
