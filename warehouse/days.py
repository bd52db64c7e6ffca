"""The models by day: sums over conversations.

A load subtracts what changed conversations added before, and adds what they add now. So it reads no conversation
without new events. Every column outside the key of such a model is a sum. Where all sums are 0, there is no row.
"""

from datetime import date

import duckdb
from sqlglot import exp

from warehouse import incremental
from warehouse.model import Model, by_day, columns_read, inputs_of_days, models

BEFORE, AFTER = "before_", "after_"
"""Prefixes of the temporary tables with what the changed conversations add to the models by day."""

_MERGED = "merged_days"
_ROWS = "stored_rows_of_"
"""Prefix of the temporary tables with the row ids of what a load replaces."""

_ROW_ID = "stored_row_id"


def measure_before(con: duckdb.DuckDBPyConnection, days: list[date]) -> None:
    """Compute what the changed conversations add before this load; they were active on `days`."""
    inputs = inputs_of_days()
    readers = [*by_day(), *(model for model in inputs if model.load_by == "view")]
    for model in inputs:
        if model.load_by != "view":
            columns = columns_read(model, readers)
            row_id = exp.column("rowid").as_(_ROW_ID)
            stored = exp.select(*columns, row_id).from_(incremental.stored_table(model.name))
            changed = incremental.of_changed(model, days)
            incremental.replace_model(con, model, stored.where(changed))
            row_ids = exp.select(_ROW_ID).from_(model.name)
            incremental.create_temporary(con, _ROWS + model.name, row_ids)
    _measure(con, BEFORE)
    incremental.restore_models(con, models())


def stored_rows(model: Model) -> exp.Condition | None:
    """Select the rows that `measure_before` read, by their ids; None if it did not read the model.

    To find them again by their conversations cost four times as much: the ids of a long history are read.
    """
    if model not in inputs_of_days():
        return None
    row_ids = exp.select(_ROW_ID).from_(_ROWS + model.name)
    return exp.column("rowid").isin(query=row_ids)


def measure_after(con: duckdb.DuckDBPyConnection) -> None:
    """Compute what they add now; the temporary tables of the models have their new rows."""
    _measure(con, AFTER)
    incremental.restore_models(con, models())
    for model in inputs_of_days():
        incremental.drop_temporary(con, _ROWS + model.name)


def _measure(con: duckdb.DuckDBPyConnection, prefix: str) -> None:
    for model in inputs_of_days():
        if model.load_by == "view":
            incremental.replace_model(con, model, model.sql)
    for model in by_day():
        incremental.create_temporary(con, prefix + model.name, model.sql)


def merge(con: duckdb.DuckDBPyConnection, model: Model) -> tuple[int, list[date]]:
    """Bring a model by day up to date. Return the rows that were written, and their days."""
    days = _touched_days(con, model)
    if not days:
        return 0, days
    stored = incremental.stored_table(model.name)
    on_days = incremental.on_days(model.day, days)
    sums = [name for name in model.columns if name not in model.key]
    parts = exp.union(
        exp.select(*model.columns).from_(stored.copy()).where(on_days),
        exp.select(*model.columns).from_(AFTER + model.name),
        exp.select(*model.key, *(exp.Neg(this=exp.column(name)).as_(name) for name in sums)).from_(
            BEFORE + model.name
        ),
        distinct=False,
    )
    totals = {name: exp.Sum(this=exp.column(name)) for name in sums}
    merged = (
        exp.select(*(totals.get(name, exp.column(name)).as_(name) for name in model.columns))
        .from_(parts.subquery("parts"))
        .group_by(*model.key)
        .having(
            exp.or_(
                *(
                    exp.NEQ(this=each.copy(), expression=exp.Literal.number(0))
                    for each in totals.values()
                )
            )
        )
    )
    incremental.create_temporary(con, _MERGED, merged)
    con.execute(exp.delete(stored.copy(), where=on_days.copy()).sql("duckdb"))
    insert = exp.Insert(this=stored.copy(), expression=exp.select("*").from_(_MERGED))
    found = con.execute(insert.sql("duckdb")).fetchone()
    incremental.drop_temporary(con, _MERGED)
    return int(found[0]) if found else 0, days


def _touched_days(con: duckdb.DuckDBPyConnection, model: Model) -> list[date]:
    sides = (exp.select(model.day).from_(prefix + model.name) for prefix in (BEFORE, AFTER))
    return [row[0] for row in con.execute(exp.union(*sides).sql("duckdb")).fetchall()]
