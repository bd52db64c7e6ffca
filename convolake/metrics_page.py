"""Prints `docs/metrics.md`: the metrics of the registry. `make docs` prints it; a test fails when they differ."""

import sys
from collections.abc import Iterator

from warehouse.metric import Metric, metrics

INTRODUCTION = """\
# Metrics

`convolake metrics` prints these definitions with their values; `convolake metrics containment --json` prints one. The table `metric_daily`
has the sums of each day, never a rate: numerator and denominator of a ratio, sum and count of values, and buckets of durations. Percentiles
come from the facts. Each metric is one file in `warehouse/sql/metrics`, and each excludes tests.

Two clocks: *cohort* books a case on the day on which its demand or conversation started, *event* on the day of the event. A metric with
a maturity leaves out days that are too young on the last day on record (`--as-of` names another), and says which day is the last: `until` in
the table, `last_on` of each item of `metrics` in the JSON.

`--json` prints one object: `first_on`, `last_on` and `as_of` of the period, `reporting_zone`, `business_hours` (their zones, or null), and
`metrics`. The period is by default the last 30 days on record, as in the dashboard. A period without a day on record is an error, and so is a
filter that names a channel, bot or version that is not on record.
"""


def page() -> Iterator[str]:
    """Yield the page in parts."""
    yield INTRODUCTION
    for metric in metrics():
        yield from _metric(metric)


def _metric(metric: Metric) -> Iterator[str]:
    yield f"## {metric.title}\n"
    yield f"`{metric.name}`, version {metric.version}. {metric.question}\n"
    rows = (
        ("topic", metric.topic),
        ("formula", metric.formula),
        ("kind, unit", f"{metric.kind}, {metric.unit}"),
        ("clock", metric.clock),
        ("maturity", f"{metric.maturity_days} days"),
        ("excludes", metric.excludes),
        ("stored by day", "yes" if metric.is_stored else "no: it compares conversations"),
        ("owner", metric.owner),
        ("source", metric.source),
    )
    yield "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in rows), ""])


if __name__ == "__main__":
    sys.stdout.write("\n".join(page()).rstrip() + "\n")
