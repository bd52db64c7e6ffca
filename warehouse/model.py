"""One SQL file as a model: the promises of its header and the tables it reads.

The header is documentation and test at once: the grain, the key, how it is loaded, then every
column in order. `checks` checks the key, tests check the columns, `build` publishes both.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import sqlglot
from sqlglot import exp

from warehouse import calendar_tables, metric

DIRECTORY = Path(__file__).parent / "sql"
SOURCE = "sealed_events"
"""The relation that the loader creates before the first model: the events of the waiting segments."""

LATER_EVENTS = "later_events"
"""The part of `events` beyond the cap of their conversation: a relation that the loader creates, too."""

SOURCES = calendar_tables.SOURCES | {SOURCE}
"""The relations that are no models."""

LAYERS = ("calendar", "staging", "marts", "views")

LoadBy = Literal["append", "conversation_id", "active_on", "calendar", "view"]


class ModelError(Exception):
    """A model's file does not have the header that CONTRIBUTING.md describes."""


@dataclass(frozen=True)
class Model:
    """One relation of the warehouse, named like its file.

    `sql` is `query` as it is executed: to generate it again for each statement took most of a small load.
    `columns_named`: the columns that it reads, of any relation.
    """

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
    sql: exp.Var
    columns_named: frozenset[str]


def parse(path: Path) -> Model:
    """Return the model in the file `path`. Raises ModelError if the header is incomplete."""
    text = path.read_text()
    header = [
        line.removeprefix("--").strip() for line in text.splitlines() if line.startswith("--")
    ]
    named = dict(line.split(":", 1) for line in header[1:3] if ":" in line)
    load, _, day = named.get("load", "").strip().removeprefix("by ").partition(" on ")
    if "key" not in named or not day or load not in get_args(LoadBy):
        raise ModelError(
            f"{path}: the header needs `-- key: …` and "
            "`-- load: append | view | by conversation_id | by active_on | by calendar … on <date column>`"
        )
    query = _parse_select(path)
    if metric.ROWS in _reads(query):
        query = query.with_(metric.ROWS, as_=metric.metric_rows())
        text = "\n".join([text, *(each.text for each in metric.metrics() if each.is_stored)])
    return Model(
        name=path.stem,
        layer=path.parent.name,
        grain=header[0],
        key=tuple(part.strip() for part in named["key"].split(",")),
        load_by=load,  # type: ignore[arg-type]
        day=day,
        columns=dict(_columns(path.read_text(), path)),
        reads=_reads(query),
        query=query,
        text=text,
        sql=exp.var(query.sql("duckdb", comments=False)),
        columns_named=columns_named(query),
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
    names = {table.name for table in query.find_all(exp.Table)} - steps
    return tuple(sorted({"events" if name == LATER_EVENTS else name for name in names}))


@cache
def models() -> tuple[Model, ...]:
    """Return every model, each after those it reads. Raises ModelError on a circle or an unknown name."""
    found = {
        path.stem: parse(path)
        for layer in LAYERS
        for path in sorted((DIRECTORY / layer).glob("*.sql"))
    }
    ordered: dict[str, Model] = {}
    while len(ordered) < len(found):
        ready = [
            model
            for name, model in found.items()
            if name not in ordered and set(model.reads) <= {*ordered, *SOURCES}
        ]
        if not ready:
            raise ModelError(
                f"these read each other or something unknown: {sorted(set(found) - set(ordered))}"
            )
        ordered |= {model.name: model for model in ready}
    return tuple(ordered.values())


def columns_read(of: Model, readers: Iterable[Model]) -> tuple[str, ...]:
    """Return the columns of the model `of` that `readers` and checks name, in its order.

    By name alone: a column of another relation with the same name counts too.
    """
    named: set[str] = {*of.key, of.day}
    for reader in (each for each in readers if of.name in each.reads):
        named |= reader.columns_named
    for query in checks().values():
        if of.name in _reads(query):
            named |= columns_named(query)
    return tuple(of.columns if ALL in named else (name for name in of.columns if name in named))


ALL = "*"
"""Instead of the names of columns: all of them."""


def columns_named(query: exp.Query) -> frozenset[str]:
    """Return the names of the columns that a query reads; ALL for `*` or `x.*`. `count(*)` reads no column."""
    named = {column.name for column in query.find_all(exp.Column)}
    has_star = any(not isinstance(star.parent, exp.Count) for star in query.find_all(exp.Star))
    return frozenset({*named, ALL} if has_star else named)


def by_conversation() -> list[Model]:
    """Return the models that are built for each conversation, in order."""
    return [model for model in models() if model.load_by == "conversation_id"]


def by_day() -> list[Model]:
    """Return the models that are built for each day, in order."""
    return [model for model in models() if model.load_by == "active_on"]


def inputs_of_days() -> list[Model]:
    """Return what the models by day read of conversations, directly or through a view, in order."""
    names = {name for model in by_day() for name in model.reads}
    for model in reversed(models()):
        if model.load_by == "view" and model.name in names:
            names |= set(model.reads)
    return [
        model
        for model in models()
        if model.name in names and (model.load_by == "view" or "conversation_id" in model.columns)
    ]


@cache
def checks() -> dict[str, exp.Query]:
    """Return the queries that must find no row, by the name of the promise."""
    return {path.stem: _parse_select(path) for path in sorted((DIRECTORY / "checks").glob("*.sql"))}


def source_query() -> str:
    """Return the query of SOURCE: the waiting events, each with the reason why it is rejected."""
    return (DIRECTORY / f"{SOURCE}.sql").read_text()


@cache
def definition_hashes() -> dict[str, str]:
    """Return a hash for each model that changes when the model, or one that it reads, does."""
    hashes = dict.fromkeys(SOURCES, "") | {SOURCE: source_query()}
    for model in models():
        text = "\n".join([model.text, *(hashes[name] for name in model.reads)])
        hashes[model.name] = hashlib.sha256(text.encode()).hexdigest()
    return {name: found for name, found in hashes.items() if name not in SOURCES}
