"""An insert that is safe to repeat, on every database."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Insert, Table, bindparam, insert, literal, select

from ingest.log.storage.statements import Bound


def insert_once(table: Table, **values: Any) -> Bound:
    """Return the statement that adds a row, unless one with its primary key is there."""
    return Bound(_statement(table, tuple(values)), values)


@lru_cache(maxsize=64)
def _statement(table: Table, names: tuple[str, ...]) -> Insert:
    given = {name: bindparam(name, type_=table.c[name].type) for name in names}
    is_known = [column == given[column.name] for column in table.primary_key.columns]
    row = select(*given.values()).where(
        ~select(literal(1)).select_from(table).where(*is_known).exists()
    )
    return insert(table).from_select(list(names), row)
