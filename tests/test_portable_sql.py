"""The models run unchanged in a plain DuckDB, and stay in the part of SQL that Spark has too.

What differs between the two was measured: functions with other results, and functions that one lacks.
"""

import re

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, rows_of
from warehouse import calendar_tables, restatements
from warehouse.calendar_tables import Calendar
from warehouse.lake import connect
from warehouse.metric import metrics
from warehouse.model import LATER_EVENTS, models

FILES = {model.name: model.query for model in models() if model.layer != "staging"}
FILES |= {f"metric {metric.name}": metric.query for metric in metrics()}

DIFFERENT = {
    "epoch", "epoch_ms", "dayofweek", "isodow", "percentile_cont", "percentile_disc", "approx_quantile",
    "quantile_cont", "quantile", "hash", "to_seconds", "generate_series", "len", "date_sub", "isfinite",
    "json_array_length", "list_extract", "unnest", "struct_pack", "date_part", "mode", "mad",
}  # fmt: skip
"""Functions with another result in Spark, or that it does not have."""

SPARK_NAMES = {"arg_min_null": "min_by", "arg_max_null": "max_by"}
"""Functions of DuckDB that sqlglot does not know, and the same ones of Spark."""

NEVER_NULL = {
    "is_test", "happened_at", "happened_on", "sequence", "event_type", "channel", "visibility", "participant_role",
    "requested_at", "resolved_at", "reason", "cause", "last_rank", "status_rank",
    "step",
}  # fmt: skip
"""Columns without null: DuckDB's arg_min skips a null, Spark's min_by returns it."""


def to_spark(query: exp.Query) -> str:
    """Return the query for Spark. Raises UnsupportedError."""

    def rename(node: exp.Expression) -> exp.Expression:
        if isinstance(node, exp.Anonymous) and node.name in SPARK_NAMES:
            return exp.Anonymous(this=SPARK_NAMES[node.name], expressions=node.expressions)
        return node

    renamed = query.copy().transform(rename)
    return renamed.sql("spark", unsupported_level=sqlglot.ErrorLevel.RAISE)


def problems(query: exp.Query) -> list[str]:
    """Return what would fail in Spark, or give another result."""
    found = [
        f"{node.name} is unknown"
        for node in query.find_all(exp.Anonymous)
        if node.name not in SPARK_NAMES
    ]
    text = query.sql("duckdb", comments=False).lower()
    called = set(re.findall(r"\b([a-z_]+)\(", text))
    found += [f"{name} differs" for name in sorted(called & DIFFERENT)]
    found += [
        f"{node.sql('duckdb')} counts boundaries"
        for node in query.find_all(exp.DateDiff)
        if not all(_is_whole_second(side) for side in (node.this, node.expression))
    ]
    found += [f"{node.sql('duckdb')} divides" for node in query.find_all(exp.Div, exp.IntDiv)]
    found += [
        f"{node.sql('duckdb')} may skip a null"
        for node in query.find_all(exp.ArgMin, exp.ArgMax)
        if not _cannot_be_null(node)
    ]
    return found


def _is_whole_second(node: exp.Expression) -> bool:
    return isinstance(node, exp.TimestampTrunc) and node.args["unit"].name.lower() == "second"


def _cannot_be_null(node: exp.AggFunc) -> bool:
    """Return whether the value is never null, or the filter of the aggregate says so."""
    value = node.this
    if isinstance(value, exp.Column) and value.name in NEVER_NULL:
        return True
    if isinstance(value, exp.Case):
        return True  # its branches cover what the filter lets through: see the cases
    condition = node.parent.expression.sql("duckdb") if isinstance(node.parent, exp.Filter) else ""
    return f"NOT {value.sql('duckdb')} IS NULL" in condition or (
        f"NOT ({value.sql('duckdb')}) IS NULL" in condition
    )


@pytest.mark.parametrize("name", FILES)
def test_a_file_can_be_written_for_spark(name: str) -> None:
    assert problems(FILES[name]) == []
    spark = to_spark(FILES[name])
    assert isinstance(sqlglot.parse_one(spark, dialect="spark"), exp.Query)
    assert "arg_min" not in spark.lower()


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select quantile_cont(a, 0.5) as x from t", "quantile_cont differs"),
        ("select date_diff('second', a, b) as x from t", "counts boundaries"),
        ("select a / b as x from t", "divides"),
        ("select arg_min(text, sequence) as x from t", "may skip a null"),
        ("select epoch(a) as x from t", "epoch differs"),
        ("select histogram_values(a) as x from t", "unknown"),
    ],
)
def test_control_a_construct_that_spark_reads_in_another_way_is_found(
    sql: str, problem: str
) -> None:
    query = sqlglot.parse_one(sql, dialect="duckdb")
    assert isinstance(query, exp.Query)
    assert any(problem in each for each in problems(query)), problems(query)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    """A plain DuckDB with empty tables of the types of a real warehouse."""
    record = Record(Settings(data=tmp_path_factory.mktemp("plain")), Clock())
    record.publish(make_conversation())
    con = duckdb.connect()
    with connect(record.settings.warehouse_path) as warehouse:
        for model in models():
            columns = ", ".join(
                f"{row['column_name']} {row['column_type']}"
                for row in rows_of(warehouse, f"describe {model.name}")
            )
            con.execute(f"create table {model.name} ({columns})")
    con.execute(f"create table {LATER_EVENTS} as from events")
    restatements.create(con)
    calendar_tables.create_sources(con, Calendar("UTC", (), 2026))
    return con


@pytest.mark.parametrize(
    "text",
    [model.text for model in models() if model.layer != "staging" and model.name != "metric_daily"]
    + [metric.text for metric in metrics()],
    ids=[*(name for name in FILES if name != "metric_daily")],
)
def test_a_file_runs_unchanged_in_a_plain_duckdb(
    plain: duckdb.DuckDBPyConnection, text: str
) -> None:
    rows = plain.execute(text).fetchall()
    assert rows in ([], [(0,)]) or text.startswith("-- One row per day of the reporting zone")
