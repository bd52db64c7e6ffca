"""One SQL file as a model: the promises of its header and the tables it reads.

The header is documentation and test at once: the grain, the key, how it is loaded, then every
column in order. `checks` checks the key, tests check the columns, `build` publishes both.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import sqlglot
from sqlglot import exp

DIRECTORY = Path(__file__).parent / "sql"
SOURCE = "sealed_events"
"""The relation that the loader creates before the first model: the events of the waiting segments."""

LoadBy = Literal["append", "conversation_id", "active_on"]


class ModelError(Exception):
    """A model's file does not have the header that CONTRIBUTING.md describes."""


@dataclass(frozen=True)
class Model:
    """One relation of the warehouse, named like its file."""

    name: str
    layer: str
    grain: str
    key: tuple[str, ...]
    load_by: LoadBy
    day: str
    columns: dict[str, str]
    reads: tuple[str, ...]
    query: exp.Query
    text: str


def parse(path: Path) -> Model:
    """Return the model in the file `path`. Raises ModelError if the header is incomplete."""
    text = path.read_text()
    header = [
        line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")
    ]
    named = dict(line.split(":", 1) for line in header[1:3] if ":" in line)
    load, _, day = named.get("load", "").strip().removeprefix("by ").partition(" on ")
    if "key" not in named or not day or load not in ("append", "conversation_id", "active_on"):
        raise ModelError(
            f"{path}: the header needs `-- key: …` and `-- load: append | by conversation_id | by active_on … on <date column>`"
        )
    query = _parse_select(path)
    return Model(
        name=path.stem,
        layer=path.parent.name,
        grain=header[0],
        key=tuple(part.strip() for part in named["key"].split(",")),
        load_by=load,  # type: ignore[arg-type]
        day=day,
        columns=dict(_columns(text, path)),
        reads=_reads(query),
        query=query,
        text=text,
    )


def _parse_select(path: Path) -> exp.Query:
    query = sqlglot.parse_one(path.read_text(), dialect="duckdb")
    if not isinstance(query, exp.Query):
        raise ModelError(f"{path}: a file holds one select")
    return query


def _columns(text: str, path: Path) -> Iterator[tuple[str, str]]:
    block = text.split("\n--\n", 1)[-1].split("\n\n", 1)[0]
    for line in block.splitlines():
        name, _, meaning = line.removeprefix("-- ").partition(" ")
        if not line.startswith("-- ") or not name or not meaning.strip():
            raise ModelError(f"{path}: `{line}` is not `-- column   meaning`")
        yield name, meaning.strip()


def _reads(query: exp.Query) -> tuple[str, ...]:
    steps = {step.alias for step in query.find_all(exp.CTE)}
    return tuple(sorted({table.name for table in query.find_all(exp.Table)} - steps))


@cache
def models() -> tuple[Model, ...]:
    """Return every model, each after those it reads. Raises ModelError on a circle or an unknown name."""
    found = {
        path.stem: parse(path)
        for layer in ("staging", "marts")
        for path in sorted((DIRECTORY / layer).glob("*.sql"))
    }
    ordered: dict[str, Model] = {}
    while len(ordered) < len(found):
        ready = [
            model
            for name, model in found.items()
            if name not in ordered and set(model.reads) <= {*ordered, SOURCE}
        ]
        if not ready:
            raise ModelError(
                f"these read each other or something unknown: {sorted(set(found) - set(ordered))}"
            )
        ordered |= {model.name: model for model in ready}
    return tuple(ordered.values())


def columns_read(of: Model) -> tuple[str, ...]:
    """Return the columns of the model `of` that models by conversation and checks name, in its order.

    By name alone: a column of another relation with the same name counts too.
    """
    queries = [model.query for model in models() if model.load_by == "conversation_id"]
    readers = [query for query in (*queries, *checks().values()) if of.name in _reads(query)]
    if any(_has_star(query) for query in readers):
        return tuple(of.columns)
    named = {column.name for query in readers for column in query.find_all(exp.Column)}
    return tuple(name for name in of.columns if name in {*named, *of.key, of.day})


def _has_star(query: exp.Query) -> bool:
    """Return whether it selects `*` or `x.*`; `count(*)` reads no column."""
    return any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star))


@cache
def checks() -> dict[str, exp.Query]:
    """Return the queries that must find no row, by the name of the promise."""
    return {path.stem: _parse_select(path) for path in sorted((DIRECTORY / "checks").glob("*.sql"))}


def definition_hash(reporting_zone: str) -> str:
    """Return a hash that changes whenever the same events would give other tables."""
    text = "\n".join([reporting_zone, *(model.text for model in models())])
    return hashlib.sha256(text.encode()).hexdigest()
