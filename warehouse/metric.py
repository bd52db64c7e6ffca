"""The metric registry: one SQL file for each metric, with its definition in the header.

`metric_daily`, `convolake metrics` and `docs/metrics.md` are made from the same files.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import sqlglot
from sqlglot import exp

DIRECTORY = Path(__file__).parent / "sql" / "metrics"

ROWS = "metric_rows"
"""The relation that `metric_daily` reads: the rows of every stored metric."""

Kind = Literal["ratio", "duration", "count", "sum"]

OPTIONAL = {
    "bot_version": "varchar",
    "breakdown": "varchar",
    "numerator": "bigint",
    "denominator": "bigint",
    "value": "decimal(28, 9)",
}
"""Columns that a metric's query may leave out, and their types."""

REQUIRED = ("question", "formula", "kind", "unit", "clock", "maturity", "excludes", "owner", "version", "source")  # fmt: skip


class MetricError(Exception):
    """A metric's file does not have the header that CONTRIBUTING.md describes."""


@dataclass(frozen=True)
class Metric:
    """One metric, named like its file.

    `query` gives a row for each case: `active_on`, `channel`, and `numerator` and `denominator` of a ratio,
    or else a `value`; null is missing, not 0. `maturity_days`: a day's figure is final, and shown, when it
    is so many days old. A metric that is not `is_stored` compares conversations, so no day's sums are kept.
    """

    name: str
    title: str
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
    query: exp.Query
    text: str

    @property
    def columns(self) -> list[str]:
        """Return the columns that the query gives."""
        return list(self.query.named_selects)

    def rows(self) -> exp.Select:
        """Return the query with every column that a metric may have."""
        columns = [
            exp.column(name)
            if name in self.columns
            else exp.cast(exp.null(), kind, dialect="duckdb").as_(name)
            for name, kind in OPTIONAL.items()
        ]
        return exp.select(
            exp.Literal.string(self.name).as_("metric"),
            exp.Literal.number(self.version).as_("metric_version"),
            exp.Literal.string(self.unit).as_("unit"),
            "active_on",
            "channel",
            *columns,
        ).from_(self.query.copy().subquery("counted"))


def parse(path: Path) -> Metric:
    """Return the metric in the file `path`. Raises MetricError if the header is incomplete."""
    text = path.read_text()
    header = text.split("\n\n", 1)[0].removeprefix("-- ").replace("\n--   ", " ").split("\n-- ")
    named = dict(line.split(": ", 1) for line in header[1:] if ": " in line)
    if missing := [name for name in REQUIRED if name not in named]:
        raise MetricError(f"{path}: the header lacks {', '.join(missing)}")
    query = sqlglot.parse_one(text, dialect="duckdb")
    if not isinstance(query, exp.Query):
        raise MetricError(f"{path}: a file holds one select")
    return Metric(
        name=path.stem,
        title=header[0],
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
        query=query,
        text=text,
    )


@cache
def metrics() -> tuple[Metric, ...]:
    """Return every metric, by name. Raises MetricError."""
    return tuple(parse(path) for path in sorted(DIRECTORY.glob("*.sql")))


def metric_rows() -> exp.Query:
    """Return the rows of every stored metric, one query."""
    return exp.union(*(each.rows() for each in metrics() if each.is_stored), distinct=False)
