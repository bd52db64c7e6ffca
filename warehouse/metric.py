"""The metric registry: one SQL file for each metric, with its definition in the header.

`metric_daily`, `convolake metrics` and `docs/metrics.md` are made from the same files.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

import sqlglot
from sqlglot import exp

SQL = Path(__file__).parent / "sql"
DIRECTORY = SQL / "metrics"

ROWS = "metric_rows"
"""The relation that `metric_daily` reads: the rows of every stored metric."""

CASES = "timed_cases"
"""The relation that `business_seconds.sql` reads: the rows of one duration."""

Kind = Literal["ratio", "quotient", "duration", "count", "sum"]
"""A ratio counts both halves. A quotient divides a sum of values, such as money, by a count."""

OPTIONAL = {
    "bot_id": "varchar",
    "bot_version": "varchar",
    "breakdown": "varchar",
    "numerator": "bigint",
    "denominator": "bigint",
    "value": "decimal(28, 9)",
}
"""Columns that a metric's query may leave out, and their types."""

PLACE = {"conversation_id": "varchar", "sequence": "bigint"}
"""Columns that say where a case is on the record, and their types."""

REQUIRED = ("topic", "question", "formula", "kind", "unit", "clock", "maturity", "excludes", "owner", "version", "source")  # fmt: skip


class MetricError(Exception):
    """A metric's file does not have the header that CONTRIBUTING.md describes."""


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric, named like its file. Equal to itself only, so it is a quick key of a cache.

    `query` gives a row for each case: `active_on`, `channel`, and `numerator` and `denominator` of a ratio,
    or else a `value`; null is missing, not 0. A quotient gives `value` and `denominator`. A duration may give
    `started_at` and `ended_at` instead. `conversation_id` and `sequence` say where the case is; without them the
    metric is not about conversations. `maturity_days`: a day's figure is final, and shown, when it is so many days old. A metric that is not `is_stored` compares conversations, so no day's sums are kept.
    """

    name: str
    title: str
    topic: str
    question: str
    formula: str
    kind: Kind
    unit: str
    clock: str
    maturity_days: int
    excludes: str
    owner: str
    version: int
    source: str
    is_stored: bool
    has_business_hours_twin: bool
    query: exp.Query
    text: str

    @property
    def columns(self) -> list[str]:
        """Return the columns that the query gives."""
        return list(self.query.named_selects)

    @property
    def has_conversations(self) -> bool:
        """Whether each case is in a conversation."""
        return "conversation_id" in self.columns

    def rows(self) -> exp.Select:
        """Return the query with every column that a metric may have."""
        columns = self._given(OPTIONAL)
        return exp.select(
            exp.Literal.string(self.name).as_("metric"),
            exp.Literal.number(self.version).as_("metric_version"),
            exp.Literal.string(self.unit).as_("unit"),
            "active_on",
            "channel",
            *columns,
        ).from_(self.query.copy().subquery("counted"))

    def cases(self) -> exp.Select:
        """Return the same rows, each with its place on the record."""
        return self.rows().select(*self._given(PLACE))

    def _given(self, wanted: dict[str, str]) -> list[exp.Expr]:
        """Return the columns `wanted`; null where the query leaves one out."""
        given: dict[str, exp.Expr] = {name: exp.column(name) for name in self.columns}
        if "ended_at" in given:
            given["value"] = _elapsed_seconds()
        return [
            given.get(name, exp.cast(exp.null(), kind, dialect="duckdb")).as_(name)
            for name, kind in wanted.items()
        ]


def parse(path: Path) -> Metric:
    """Return the metric in the file `path`. Raises MetricError if the header is incomplete."""
    text = path.read_text()
    header = text.split("\n\n", 1)[0].removeprefix("-- ").replace("\n--   ", " ").split("\n-- ")
    named = dict(line.split(": ", 1) for line in header[1:] if ": " in line)
    if missing := [name for name in REQUIRED if name not in named]:
        raise MetricError(f"{path}: the header lacks {', '.join(missing)}")
    return Metric(
        name=path.stem,
        title=header[0],
        topic=named["topic"],
        question=named["question"],
        formula=named["formula"],
        kind=named["kind"],  # type: ignore[arg-type]
        unit=named["unit"],
        clock=named["clock"],
        maturity_days=int(named["maturity"].removesuffix(" days")),
        excludes=named["excludes"],
        owner=named["owner"],
        version=int(named["version"]),
        source=named["source"],
        is_stored="stored" not in named,
        has_business_hours_twin=named.get("twin") == "business hours",
        query=_select(path),
        text=text,
    )


def _select(path: Path) -> exp.Query:
    query = sqlglot.parse_one(path.read_text(), dialect="duckdb")
    if not isinstance(query, exp.Query):
        raise MetricError(f"{path}: a file holds one select")
    return query


def _elapsed_seconds() -> exp.Expr:
    """Return the whole seconds from `started_at` to `ended_at`; null if the clocks contradict."""
    return sqlglot.parse_one(
        "case when ended_at >= started_at then "
        "date_diff('second', date_trunc('second', started_at), date_trunc('second', ended_at)) end",
        dialect="duckdb",
    )


def _business_hours_twin(metric: Metric) -> Metric:
    """Return the same duration, counted only while the business is open."""
    query = _select(SQL / "business_seconds.sql").with_(CASES, as_=metric.query.copy(), copy=False)
    query.args["with_"].expressions.insert(0, query.args["with_"].expressions.pop())
    return replace(
        metric,
        name=f"{metric.name}_in_business_hours",
        title=f"{metric.title}, in business hours",
        formula=f"{metric.formula}; only seconds in which the business is open (`business_hours`)",
        excludes=f"{metric.excludes}; without business hours at that time it is missing",
        is_stored=False,
        has_business_hours_twin=False,
        query=query,
        text=query.sql("duckdb", comments=False),
    )


@cache
def metrics() -> tuple[Metric, ...]:
    """Return every metric, by name, and the twins of durations. Raises MetricError."""
    found = [parse(path) for path in sorted(DIRECTORY.glob("*.sql"))]
    twins = [_business_hours_twin(metric) for metric in found if metric.has_business_hours_twin]
    return tuple(sorted([*found, *twins], key=lambda metric: metric.name))


def metric_rows() -> exp.Query:
    """Return the rows of every stored metric, one query."""
    return exp.union(*(each.rows() for each in metrics() if each.is_stored), distinct=False)
