"""dlt as a reference: started in its own environment, which `make bench` installs.

It reads fewer events than we do, because it needs half a minute for a million; its rate hardly
depends on how many there are. The start of its process is not counted.
"""

import itertools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from benchmarks.paired import Figure, Goal, Side, Size, alternate
from benchmarks.servers import REPOSITORY
from benchmarks.synthetic import as_json, history

PYTHON = REPOSITORY / ".venv-bench" / "bin" / "python"
GOAL = Goal(10, 20)
SECONDS = 300.0


class DltMissingError(RuntimeError):
    """dlt is not installed; `make bench` does that."""

    def __init__(self) -> None:
        """Say what is missing."""
        super().__init__(f"{PYTHON.relative_to(REPOSITORY)} is missing: run `make bench` once")


class Dlt:
    """The reference: one pipeline from NDJSON, each time into a folder of its own."""

    def __init__(self, kind: Literal["parquet", "duckdb"], work: Path, events: int) -> None:
        """Write `count` events to read. Raises DltMissingError."""
        if not PYTHON.exists():
            raise DltMissingError
        self.version = ""
        self._kind = kind
        self._source = work / f"dlt-{kind}.ndjson"
        rows = history(events)
        self._source.write_bytes(as_json(rows))
        self.events = len(rows)
        self._folders = (work / f"dlt-{kind}-{number}" for number in itertools.count())

    def __call__(self, _round: int) -> float:
        """Events a second."""
        folder = next(self._folders)
        script = REPOSITORY / "benchmarks" / "peer_dlt.py"
        # -P: modules next to the script have names that others may import.
        done = subprocess.run(
            [PYTHON, "-P", script, self._kind, self._source, folder],
            stdout=subprocess.PIPE,
            cwd=folder.parent,
            env={**os.environ, "DLT_DATA_DIR": str(folder / "data")},
            timeout=SECONDS,
            check=True,
        )
        shutil.rmtree(folder)
        self.version, seconds = done.stdout.decode().split()[-2:]
        return self.events / float(seconds)


def compare(
    name: str, kind: Literal["parquet", "duckdb"], ours: Side, size: Size, work: Path
) -> Figure:
    """Return the figure of `ours` against dlt."""
    reference = Dlt(kind, work, size.count(50_000, 5_000))
    does = "NDJSON → Parquet files" if kind == "parquet" else "NDJSON → DuckDB, merge on event_id"
    pairs = alternate(size, ours, reference)
    notes = [f"dlt {reference.version} reads {reference.events:,} events"]
    return Figure(
        f"{name}, × dlt",
        "events",
        f"dlt, {does}",
        pairs,
        GOAL,
        notes,
    )
