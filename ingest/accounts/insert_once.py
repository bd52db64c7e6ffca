"""An insert that is safe to repeat, on every database."""

from typing import Any

from sqlalchemy import ClauseElement, Table, insert, literal, select


def insert_once(table: Table, **values: Any) -> ClauseElement:
    """Return the statement that adds a row, unless one with its primary key is there."""
    is_known = [column == values[column.name] for column in table.primary_key.columns]
    row = select(*(literal(value, table.c[name].type) for name, value in values.items())).where(
        ~select(literal(1)).select_from(table).where(*is_known).exists()
    )
    return insert(table).from_select(list(values), row)
