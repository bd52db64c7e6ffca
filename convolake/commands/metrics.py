"""`metrics`: the definitions of all metrics and their values, from the registry."""

import json
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from convolake.console import print_table, report_errors
from convolake.warehouse_options import At, WarehouseFolder, open_warehouse
from ingest.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from warehouse.metric import Metric
    from warehouse.metric_values import MetricValue

app = typer.Typer()

DAYS = 30
"""Length of the period unless it is given: 30 days."""


class UnknownMetricError(Exception):
    """There is no metric with this name."""


FirstDay = Annotated[
    datetime | None,
    typer.Option(
        "--from", formats=["%Y-%m-%d"], help="First day; 30 days before the last by default."
    ),
]
LastDay = Annotated[
    datetime | None,
    typer.Option("--until", formats=["%Y-%m-%d"], help="Last day; today by default."),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="Day on which a metric's days have to be old enough; by default the day of --at, of the newest event "
        "of another warehouse, or today.",
    ),
]


@app.command()
def metrics(
    name: Annotated[
        str | None,
        typer.Argument(help="One metric, with its definition; without a name, all of them."),
    ] = None,
    first_on: FirstDay = None,
    last_on: LastDay = None,
    as_of: AsOf = None,
    channel: Annotated[str | None, typer.Option(help="Only this channel.")] = None,
    bot: Annotated[str | None, typer.Option(help="Only this bot: its participant id.")] = None,
    bot_version: Annotated[str | None, typer.Option(help="Only this version of the bot.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON array with definitions and values.")
    ] = False,
    folder: WarehouseFolder = None,
    at: At = None,
) -> None:
    """Print every metric of a period, with its definition: `convolake metrics containment`."""
    import duckdb

    from warehouse.lake import SnapshotMissingError, WarehouseMissingError
    from warehouse.metric_values import Period, read_value

    settings = Settings()
    today = datetime.now(ZoneInfo(settings.reporting_zone)).date()
    last = _day(last_on) or today
    first = _day(first_on) or last - timedelta(days=DAYS - 1)
    channels = () if channel is None else (channel,)
    errors = (WarehouseMissingError, SnapshotMissingError, UnknownMetricError, duckdb.Error)
    with report_errors(*errors):
        known = _find(name)
        with open_warehouse(settings, folder, at) as con:
            known_on = (
                _day(as_of) or _day(at) or (today if folder is None else _newest_day(con, today))
            )
            period = Period(first, last, known_on, channels, bot_version, bot)
            values = [value for each in known for value in read_value(con, each, period)]
            basis = _basis(con)
    if as_json:
        typer.echo(json.dumps([as_dict(value) for value in values], indent=2, ensure_ascii=False))
        return
    if name is not None:
        _print_definition(values[0])
    print_table(
        f"{first:%Y-%m-%d} to {last:%Y-%m-%d}, {basis}",
        ("metric", "value", "of", "missing", "median", "p90", "p95", "until"),
        [_row(value) for value in values],
    )


def _find(name: str | None) -> "list[Metric]":
    """Return the metric `name`, or all. Raises UnknownMetricError."""
    from warehouse.metric import metrics as registry

    found = [each for each in registry() if name in (None, each.name)]
    if not found:
        names = ", ".join(each.name for each in registry())
        raise UnknownMetricError(f"there is no metric {name!r}; there are: {names}")
    return found


def _newest_day(con: "duckdb.DuckDBPyConnection", today: date) -> date:
    """Return the day of the newest commit in a warehouse: it knows of no later one. Without events, `today`."""
    zone = "(select reporting_zone from reporting)"
    newest = f"max(committed_at) at time zone 'UTC' at time zone {zone}"
    found = con.execute(f"select cast({newest} as date) from events").fetchone()  # noqa: S608
    return found[0] if found and found[0] else today


def _basis(con: "duckdb.DuckDBPyConnection") -> str:
    """Return what the figures rest on: the zone of the days, the business hours, the newest event."""
    (zone,) = con.execute("select reporting_zone from reporting").fetchall()[0]
    (newest,) = con.execute("select max(received_at) from events").fetchall()[0]
    hours = _business_hours(con)
    parts = (
        f"days of {zone}",
        f"business hours of {', '.join(row[0] for row in hours)}" if hours else "no business hours",
        "no events" if newest is None else f"newest event {newest:%Y-%m-%d %H:%M} UTC",
    )
    return "; ".join(parts)


def _business_hours(con: "duckdb.DuckDBPyConnection") -> list[tuple[str]]:
    """Return the zones of the business hours; none in a state that an older version loaded."""
    tables = con.execute("select table_name from duckdb_tables() where database_name = 'lake'")
    if ("business_hours",) not in tables.fetchall():
        return []
    return con.execute("select distinct zone from business_hours").fetchall()


def _day(given: datetime | None) -> date | None:
    return None if given is None else given.date()


def as_dict(value: "MetricValue") -> dict[str, Any]:
    """Return a value with its definition, for JSON."""
    metric = value.metric
    return {
        "metric": metric.name,
        "breakdown": value.breakdown or None,
        "value": value.value,
        "unit": metric.unit,
        "numerator": value.numerator,
        "count": value.count,
        "missing": value.missing,
        "p50": value.p50,
        "p90": value.p90,
        "p95": value.p95,
        "last_on": value.last_on.isoformat(),
        "title": metric.title,
        "topic": metric.topic,
        "question": metric.question,
        "formula": metric.formula,
        "kind": metric.kind,
        "clock": metric.clock,
        "maturity_days": metric.maturity_days,
        "excludes": metric.excludes,
        "owner": metric.owner,
        "version": metric.version,
        "source": metric.source,
    }


def _print_definition(value: "MetricValue") -> None:
    metric = value.metric
    typer.echo(f"{metric.title} ({metric.name}, version {metric.version})")
    for label, text in (
        ("question", metric.question),
        ("formula", metric.formula),
        ("clock", metric.clock),
        ("maturity", f"{metric.maturity_days} days"),
        ("excludes", metric.excludes),
        ("source", metric.source),
    ):
        typer.echo(f"  {label}: {text}")


def _row(value: "MetricValue") -> tuple[str, ...]:
    name = value.metric.name + (f" ({value.breakdown})" if value.breakdown else "")
    numbers = (value.value, value.p50, value.p90, value.p95)
    main, *percentiles = (_format(number, value.metric.unit) for number in numbers)
    return (
        name, main, f"{value.count:,}", f"{value.missing:,}", *percentiles, f"{value.last_on:%Y-%m-%d}",
    )  # fmt: skip


def _format(number: float | None, unit: str) -> str:
    match unit:
        case _ if number is None:
            return "-"
        case "share":
            return f"{number:.1%}"
        case "seconds":
            return f"{number:,.1f} s"
        case "USD":
            return f"{number:,.4f} USD"
        case _:
            return f"{number:,.4g} {unit}" if number < 1000 else f"{number:,.0f} {unit}"
