"""A second process for all that reads a store with ADBC.

ADBC carries its own SQLite. Two copies of SQLite in one process on one file cancel each
other's locks, so in tests as in production the writer's process never reads with it.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from functools import cache, partial
from multiprocessing import get_context, parent_process
from typing import ParamSpec, TypeVar

import adbc_driver_manager
import pyarrow as pa

from ingest.lake.log_reader import open_log
from ingest.lake.sealer import Sealer
from ingest.lake.segments import Lake
from ingest.manifest import Segment
from ingest.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")


@cache
def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=_end_with_its_parent)


def _end_with_its_parent() -> None:
    """End this process when the process of the tests has ended, also without notice: its queue stays open."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()


def run_in_adbc_process(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call `function` in the other process; what it raises is raised here."""
    return _pool().submit(_call, partial(function, *args, **kwargs)).result(timeout=120)


def _call(function: Callable[[], T]) -> T:
    """ADBC's errors do not survive being pickled, and would take the pool with them."""
    try:
        return function()
    except adbc_driver_manager.Error as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from None


def seal(settings: Settings, rows: int, now: datetime) -> list[Segment]:
    """Seal everything, in segments of at most `rows`."""
    with open_log(settings) as log:
        sealer = Sealer(log, Lake(settings.lake_path), rows, 0, monotonic=lambda: 0.0)
        return sealer.seal_all(now)


def read(settings: Settings, after: int, limit: int) -> pa.Table:
    """Events of the log, as the sealer reads them."""
    with open_log(settings) as log:
        return log.read({0: after}, limit)
