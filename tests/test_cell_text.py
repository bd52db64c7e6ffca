"""Values become text in the thread of their session: two sessions never wait for each other."""

import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from dashboards import formatting
from dashboards.cell_text import texts

DASHBOARDS = Path(__file__).parents[1] / "dashboards"
SESSIONS = """
import threading
import polars as pl
from dashboards import formatting, masking
from dashboards.cell_text import texts

rows = pl.DataFrame({"id": ["ada@shop.example"] * 200, "channel": ["web"] * 200, "seconds": range(200)})

def show():
    for _ in range(3000):
        rows.clone().to_pandas()

def write():
    for _ in range(600):
        masking.mask_ids(rows, ["id"]).with_columns(
            texts(rows["channel"], formatting.channel), lasted=texts(rows["seconds"], formatting.duration)
        )

sessions = [threading.Thread(target=each) for each in (show, show, write, write)]
for each in sessions:
    each.start()
for each in sessions:
    each.join()
"""
"""Two sessions that show tables, and two that write what the tables show. With `map_elements` they stopped in 5 of 5 runs."""


def test_sessions_that_write_texts_and_show_tables_do_not_stop_each_other() -> None:
    done = subprocess.run([sys.executable, "-c", SESSIONS], timeout=120, check=False)
    assert done.returncode == 0


def test_no_page_calls_python_in_the_threads_of_polars() -> None:
    """By name: what stops the dashboard needs many users and minutes to be seen."""
    calling = ("map_elements(", "map_batches(", "map_rows(", "map_groups(")
    found = [
        (path.name, each)
        for path in DASHBOARDS.rglob("*.py")
        for each in calling
        if each in path.read_text()
    ]
    assert found == []


@pytest.mark.parametrize("values", [[], [None], [0, None, 63]])
def test_null_stays_null_and_the_name_is_kept(values: list[int | None]) -> None:
    written = texts(pl.Series("seconds", values, pl.Int64), formatting.duration)
    assert written.name == "seconds"
    assert written.dtype.is_(pl.String)
    assert written.to_list() == [
        None if each is None else formatting.duration(each) for each in values
    ]
