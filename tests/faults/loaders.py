"""Loaders and readers as processes of their own, many at once on one warehouse."""

import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Concatenate, ParamSpec
from unittest.mock import patch

import duckdb

from ingest.settings import Settings
from warehouse import build
from warehouse.lake import WarehouseBusyError, connect

P = ParamSpec("P")


@contextmanager
def processes(
    count: int, work: Callable[Concatenate[Connection, P], None], *args: P.args, **kwargs: P.kwargs
) -> Iterator[list[Connection]]:
    """So many processes that do `work`, and a line to each; they are gone when the block ends."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    pipes = [context.Pipe() for _ in range(count)]
    crowd = [
        context.Process(target=work, args=(theirs, *args), kwargs=kwargs) for _, theirs in pipes
    ]
    for process in crowd:
        process.start()
    try:
        yield [ours for ours, _ in pipes]
    finally:
        for process, (ours, theirs) in zip(crowd, pipes, strict=True):
            process.kill()
            process.join()
            process.close()
            ours.close()
            theirs.close()


@dataclass(frozen=True)
class Loaded:
    """The result of one load: its events, or that another holds the lock, or an error."""

    events: int = 0
    is_busy: bool = False
    failure: str = ""


def load_on_signal(line: Connection, settings: Settings, *, locked: bool = True) -> None:
    """A load for each message; answers with a Loaded. Without its lock if not `locked`."""
    without = patch.object(build, "write_lock", lambda _: nullcontext())
    with nullcontext() if locked else without:
        while line.recv():
            line.send(_load(settings))


def _load(settings: Settings) -> Loaded:
    try:
        report = build.load(settings.lake_path, settings.warehouse_path, settings.reporting_zone)
    except WarehouseBusyError:
        return Loaded(is_busy=True)
    except Exception:
        return Loaded(failure=traceback.format_exc())
    return Loaded(events=report.events)


@dataclass
class Seen:
    """What a reader saw: snapshots, those that were mixed of two loads, errors."""

    reads: int = 0
    mixed: int = 0
    errors: int = 0
    first_error: str = ""
    longest: float = 0.0


READ = """
    select
        (select count(*) from events where event_type = 'message.created'),
        (select count(*) from messages),
        (select coalesce(sum(messages), 0)::bigint from daily_activity)
"""


def read_until_stopped(line: Connection, warehouse: Path, *, keep: bool) -> None:
    """Read on one connection, or on a new one each time; says when it begins, answers with a Seen."""
    kept = connect(warehouse) if keep else None
    line.send("reading")
    seen = Seen()
    while not line.poll():
        _note(seen, lambda: nullcontext(kept) if kept else connect(warehouse), READ)
    line.send(seen)


def read_file_until_stopped(line: Connection, file: Path) -> None:
    """The same on a plain DuckDB file."""
    line.send("reading")
    seen = Seen()
    while not line.poll():
        _note(seen, lambda: duckdb.connect(file, read_only=True), "select count(*) from events")
    line.send(seen)


Connecting = AbstractContextManager[duckdb.DuckDBPyConnection]


def _note(seen: Seen, open_: Callable[[], Connecting], query: str) -> None:
    start = time.monotonic()
    try:
        with open_() as con:
            row: tuple[Any, ...] | None = con.execute(query).fetchone()
    except duckdb.Error as error:
        seen.errors += 1
        seen.first_error = seen.first_error or str(error)
        return
    seen.reads += 1
    seen.mixed += len(set(row or ())) != 1
    seen.longest = max(seen.longest, time.monotonic() - start)


def dismiss(lines: list[Connection]) -> list[Seen]:
    """Tell readers to end; what each of them saw."""
    for line in lines:
        line.send("enough")
    return [answer(line) for line in lines]


def answer(line: Connection) -> Any:
    """What the other end says, waited for one minute."""
    assert line.poll(60), "no answer"
    return line.recv()
