"""A peer of the lake and of the load: dlt, from NDJSON to Parquet or merged into DuckDB.

Runs in its own environment (`benchmarks/requirements.lock`) and imports nothing of this project.
`peer_dlt.py parquet|duckdb NDJSON FOLDER` prints its version and the seconds that the pipeline took.
"""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dlt  # type: ignore[import-not-found, unused-ignore] # not in the environment of mypy
import orjson  # type: ignore[import-not-found, unused-ignore]
from dlt.destinations import duckdb, filesystem  # type: ignore[import-not-found, unused-ignore]

PAGE = 10_000
"""Rows handed over at once; pages of one row take dlt twice as long."""

WARM_UP = 1_000


def rows(source: Path, limit: int | None) -> Iterator[list[dict[str, Any]]]:
    """Yield the first `limit` events of `source`, in pages."""
    page: list[dict[str, Any]] = []
    with source.open("rb") as file:
        for number, line in enumerate(file):
            if number == limit:
                break
            page.append(orjson.loads(line))
            if len(page) == PAGE:
                yield page
                page = []
    yield page


def run(kind: str, source: Path, folder: Path, limit: int | None = None) -> float:
    """Run a pipeline of its own in `folder`; seconds from its beginning to the last load."""
    folder.mkdir()
    if kind == "parquet":
        target, hints = filesystem(str(folder / "files")), {"write_disposition": "append"}
    else:
        target = duckdb(str(folder / "store.duckdb"))
        hints = {"write_disposition": "merge", "primary_key": "event_id"}
    pipeline = dlt.pipeline(
        "peer", destination=target, dataset_name="peer", pipelines_dir=str(folder / "pipelines")
    )
    started = time.perf_counter()
    done = pipeline.run(
        rows(source, limit), table_name="events", loader_file_format="parquet", **hints
    )
    done.raise_on_failed_jobs()
    return time.perf_counter() - started


def main() -> None:
    """Run a small pipeline for everything that happens once, then the measured one."""
    kind, source, folder = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    folder.mkdir()
    os.environ["DLT_DATA_DIR"] = str(folder / "data")
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    run(kind, source, folder / "warm-up", WARM_UP)
    print(dlt.__version__, run(kind, source, folder / "measured"))


if __name__ == "__main__":
    main()
