"""The tables and views as the models define them: created, dropped when a definition changes, documented.

Each model has a hash of its file, of the files it reads, and of the reporting zone. A model whose hash
changed is built again alone, from the stored tables that it reads. The hash of a model of the calendar
has the business hours in it.
"""

import duckdb
from sqlglot import exp

from warehouse import incremental, ledger
from warehouse.calendar_tables import Calendar
from warehouse.lake import insert_rows
from warehouse.model import Model, by_conversation, definition_hashes, models


def update(con: duckdb.DuckDBPyConnection, calendar: Calendar) -> list[Model] | None:
    """Bring the tables up to the definitions. Return the models to build from the stored events.

    Return None if the events themselves were defined in another way: then nothing is loaded any more.
    """
    hashes = _hashes(calendar)
    reporting_zone = calendar.reporting_zone
    stored = dict(con.execute("select model, hash from definitions").fetchall())
    if con.execute("select reporting_zone from reporting").fetchall() != [(reporting_zone,)]:
        stored = dict.fromkeys(stored, "built in another zone")
    outdated = [model for model in models() if stored.get(model.name) != hashes[model.name]]
    if not outdated and stored.keys() == hashes.keys():
        return []
    existing = _relations(con)
    is_reset = any(model.load_by == "append" for model in outdated)
    if is_reset:
        outdated = list(models())
    for name in {*(model.name for model in outdated), *(stored.keys() - hashes.keys())}:
        if name in existing:
            drop = exp.Drop(tables=[incremental.stored_table(name)], kind=existing[name])
            con.execute(drop.sql("duckdb"))
    for model in outdated:
        if model in by_conversation():
            with incremental.capped_events(con):
                _create(con, model)
        else:
            _create(con, model)
    _store_definitions(con, hashes, reporting_zone)
    _store_columns(con)
    if is_reset:
        ledger.reset(con)
        return None
    return [model for model in outdated if model.load_by != "view"]


def _hashes(calendar: Calendar) -> dict[str, str]:
    made_from = {model.name: calendar.hash() for model in models() if model.load_by == "calendar"}
    return {name: found + made_from.get(name, "") for name, found in definition_hashes().items()}


def _relations(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """Return the kind of each table and view of the warehouse."""
    rows = con.execute(
        "select table_name, 'TABLE' from duckdb_tables() where database_name = 'lake' "
        "union all select view_name, 'VIEW' from duckdb_views() where database_name = 'lake'"
    ).fetchall()
    return dict(rows)


def _create(con: duckdb.DuckDBPyConnection, model: Model) -> None:
    """Create an empty table, or the view, with the comments of the header."""
    relation, kind = incremental.stored_table(model.name), "TABLE"
    built = exp.Subquery(this=model.sql, alias=exp.to_identifier("built"))
    query: exp.Expression = exp.select("*").from_(built).limit(0)
    if model.load_by == "view":
        query, kind = model.sql, "VIEW"
    con.execute(exp.Create(this=relation, kind=kind, expression=query).sql("duckdb"))
    name = relation.sql("duckdb")
    con.execute(f"comment on {kind} {name} is {_literal(model.grain)}")
    if model.load_by in ("append", "conversation_id"):
        # A load, a merge and a rewrite keep this order, so few row groups hold a day or a conversation.
        place = "conversation_id" if "conversation_id" in model.columns else "position"
        order = ", ".join(f"{exp.to_identifier(each)} asc" for each in (model.day, place))
        con.execute(f"alter table {name} set sorted by ({order})")
    if kind == "TABLE":  # DuckLake keeps no comment on a view's column: see the table `columns`
        for column, meaning in model.columns.items():
            target = f"{name}.{exp.to_identifier(column)}"
            con.execute(f"comment on column {target} is {_literal(meaning)}")


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql("duckdb")


def _store_definitions(
    con: duckdb.DuckDBPyConnection, hashes: dict[str, str], reporting_zone: str
) -> None:
    con.execute("delete from definitions")
    insert_rows(con, "definitions", list(hashes.items()))
    con.execute("delete from reporting")
    con.execute("insert into reporting values (?)", [reporting_zone])


def _store_columns(con: duckdb.DuckDBPyConnection) -> None:
    """Describe every column of every table and view in the table `columns`."""
    con.execute("delete from columns")
    rows = [
        (model.name, number, name, meaning)
        for model in models()
        for number, (name, meaning) in enumerate(model.columns.items(), 1)
    ]
    insert_rows(con, "columns", rows)
