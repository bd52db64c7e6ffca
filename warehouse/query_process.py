"""Runs one query of an analyst in a process of its own: whatever it does, it ends, and it ends alone.

Limited are its rows, the size of its result, its time, its CPU time, its memory and its files. The child has no
secret in its environment, and its connection is locked to the warehouse's files (`read_only_sql`).
"""

import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

import polars as pl

from warehouse.query_child import START_SECONDS

GRACE_SECONDS = 2.0
"""Time in which the child ends itself before it is killed."""
_PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "TZ")
_TIME_SIGNALS = (-signal.SIGALRM, -signal.SIGXCPU)
_MEMORY_SIGNALS = (-signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS)


@dataclass(frozen=True)
class Limits:
    """What one query may use. `memory_mb` is on top of about 130 MB for the process itself."""

    rows: int = 10_000
    result_mb: int = 16
    seconds: float = 30.0
    memory_mb: int = 768


@dataclass(frozen=True)
class Answer:
    """The rows of a query. `is_cut`: it has more rows than the limit, which are left out."""

    frame: pl.DataFrame
    is_cut: bool
    seconds: float


class QueryError(Exception):
    """The query has no answer; the message says why in plain words. `detail` is DuckDB's own, if any."""

    def __init__(self, message: str, detail: str = "") -> None:
        """`message`: one sentence."""
        super().__init__(message)
        self.detail = detail


class RunningQuery:
    """A query in its own process. Use it as a context manager: it leaves no process behind."""

    def __init__(
        self,
        warehouse: Path,
        query: str,
        limits: Limits | None = None,
        *,
        reads_audit: bool = False,
    ) -> None:
        """Start the query; it does not wait. `reads_audit`: it may read who sees what."""
        self._limits = limits or Limits()
        request = {
            "warehouse": str(warehouse),
            "query": query,
            "reads_audit": reads_audit,
            **asdict(self._limits),
        }
        self._unsent: bytes | None = json.dumps(request).encode()
        self._started = time.monotonic()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "warehouse.query_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def stop(self) -> None:
        """End the child at once. Safe to repeat."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def wait(self, seconds: float) -> Answer | None:
        """Wait for the answer; return None if there is none after `seconds`. Raises QueryError."""
        unsent, self._unsent = self._unsent, None
        try:
            output, _ = self._process.communicate(unsent, timeout=seconds)
        except subprocess.TimeoutExpired:
            if self.elapsed > START_SECONDS + self._limits.seconds + GRACE_SECONDS:
                self.stop()
                raise QueryError(self._too_long()) from None
            return None
        if self._process.returncode != 0:
            raise QueryError(self._ended_by(self._process.returncode))
        return self._read(output)

    def _read(self, output: bytes) -> Answer:
        line, _, rows = output.partition(b"\n")
        head = json.loads(line)
        match head["kind"]:
            case "answer":
                frame = pl.read_ipc_stream(io.BytesIO(rows))
                return Answer(_with_integers(frame), head["is_cut"], head["seconds"])
            case "memory":
                raise QueryError(self._too_big())
            case "result":
                raise QueryError(
                    f"The result is larger than {self._limits.result_mb} MB. Select fewer columns or rows."
                )
            case "not_allowed":
                raise QueryError(_sentence(head["error"]))
            case _:
                raise QueryError("DuckDB cannot run this query.", head["error"])

    def _ended_by(self, code: int) -> str:
        if code in _TIME_SIGNALS:
            return self._too_long()
        if code in _MEMORY_SIGNALS:
            return self._too_big()
        return "The query was stopped: its process ended without an answer."

    def _too_long(self) -> str:
        return (
            f"The query was stopped after {self._limits.seconds:g} seconds. Narrow it to fewer days, "
            "for example by a column that ends in _on."
        )

    def _too_big(self) -> str:
        return (
            f"The query needs more than {self._limits.memory_mb} MB of memory and was stopped. "
            "Aggregate earlier, select fewer columns, or narrow it to fewer days."
        )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _with_integers(frame: pl.DataFrame) -> pl.DataFrame:
    """Return whole numbers as such where they fit: DuckDB sums integers into wider ones."""
    wide = [name for name, kind in frame.schema.items() if kind == pl.Decimal(38, 0)]
    fitting = [
        name for name in wide if frame[name].cast(pl.Int64, strict=False).null_count() == frame[name].null_count()
    ]  # fmt: skip
    return frame.with_columns(pl.col(name).cast(pl.Int64) for name in fitting)
