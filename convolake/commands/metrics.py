"""`metrics`: the definitions of all metrics and their values, from the registry."""

import json
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from convolake import metric_period
from convolake.console import print_line, print_table, report_errors
from convolake.metric_period import MetricPeriodError, Wish
from convolake.warehouse_options import At, WarehouseFolder, open_warehouse
from ingest.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from warehouse.metric import Metric
    from warehouse.metric_values import MetricValue
    from warehouse.record_bounds import RecordBounds

app = typer.Typer()


class UnknownMetricError(Exception):
    """There is no metric with this name."""


FirstDay = Annotated[
    datetime | None,
    typer.Option(
        "--from",
        formats=["%Y-%m-%d"],
        help=f"First day; by default the period has {metric_period.DAYS} days, or all of a shorter record.",
    ),
]
LastDay = Annotated[
    datetime | None,
    typer.Option(
        "--until", formats=["%Y-%m-%d"], help="Last day; by default the last one on record."
    ),
]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"],
        help="Day on which a metric's days have to be old enough; by default the last one on record, as in the "
        "dashboard.",
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
        bool,
        typer.Option("--json", help="One JSON object: the period, and definitions and values."),
    ] = False,
    folder: WarehouseFolder = None,
    at: At = None,
) -> None:
    """Print every metric of a period, with its definition: `convolake metrics containment`."""
    import duckdb

    from warehouse.lake import SnapshotMissingError, WarehouseMissingError
    from warehouse.metric_values import read_value
    from warehouse.record_bounds import read_bounds

    wish = Wish(_day(first_on), _day(last_on), _day(as_of), channel, bot, bot_version)
    errors = (WarehouseMissingError, SnapshotMissingError, UnknownMetricError, MetricPeriodError)
    with report_errors(*errors, duckdb.Error):
        known = _find(name)
        with open_warehouse(Settings(), folder, at) as con:
            bounds = read_bounds(con)
            period = metric_period.choose_period(wish, bounds)
            values = [value for each in known for value in read_value(con, each, period)]
            basis = _basis(con, bounds)
    if note := metric_period.note_on(period, bounds):
        print_line(note)
    if as_json:
        found = metric_period.as_dict(period, bounds)
        found |= {"metrics": [as_dict(value) for value in values]}
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
        return
    if name is not None:
        _print_definition(values[0])
    print_table(
        f"{period.first_on} to {period.last_on}, {basis}",
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


def _basis(con: "duckdb.DuckDBPyConnection", bounds: "RecordBounds") -> str:
    """Return what the figures rest on: the zone of the days, the business hours, the newest event."""
    (newest,) = con.execute("select max(received_at) from events").fetchall()[0]
    hours = ", ".join(bounds.hours_zones)
    parts = (
        f"days of {bounds.reporting_zone}",
        f"business hours of {hours}" if hours else "no business hours",
        "no events" if newest is None else f"newest event {newest:%Y-%m-%d %H:%M} UTC",
    )
    return "; ".join(parts)


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
