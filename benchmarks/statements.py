"""Where the time of a load goes: what each of its statements costs in processor, by what it does."""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import Any

import duckdb

from warehouse import build
from warehouse.lake import connect

LONGEST_NAME = 60
_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)


class Watched:
    """A connection that notes the processor seconds of every statement."""

    def __init__(self, con: duckdb.DuckDBPyConnection, spent: dict[str, float]) -> None:
        """Note in `spent`."""
        self._con = con
        self._spent = spent

    def execute(self, query: str, *parameters: Any) -> duckdb.DuckDBPyConnection:
        """Run a statement; seconds of equal ones add up."""
        started = time.process_time()
        found = self._con.execute(query, *parameters)
        name = shorten(_COMMENT.sub(" ", query), LONGEST_NAME, placeholder=" …").replace("|", "¦")
        self._spent[name] = self._spent.get(name, 0.0) + time.process_time() - started
        return found

    def __getattr__(self, name: str) -> Any:
        """Return everything else is the connection's."""
        return getattr(self._con, name)


def watch_load(lake: Path, warehouse: Path, zone: str) -> dict[str, float]:
    """Load, and give the processor seconds of each statement and of the rest."""
    spent: dict[str, float] = {}

    @contextmanager
    def watched(*arguments: Any, **named: Any) -> Iterator[Watched]:
        with connect(*arguments, **named) as con:
            yield Watched(con, spent)

    setattr(build, "connect", watched)  # noqa: B010 (mypy knows that it does not fit)
    started = time.process_time()
    try:
        build.load(lake, warehouse, zone)
    finally:
        setattr(build, "connect", connect)  # noqa: B010
    whole = time.process_time() - started
    return {**spent, "everything else": whole - sum(spent.values())}
