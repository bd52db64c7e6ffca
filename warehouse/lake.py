"""The warehouse: a DuckLake catalog with one writer at a time and readers that never wait.

Readers see one snapshot. The writer holds a kernel lock, which a dead process releases. Nothing is
downloaded: the extensions come from wheels and are unpacked once, in the Python environment.
"""

import fcntl
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import cast

import duckdb
from duckdb_extensions import import_extension
from sqlglot import exp

EXTENSIONS = ("ducklake", "sqlite")
LOCK_SECONDS = 30.0


class WarehouseMissingError(Exception):
    """There is no warehouse in this data folder yet."""

    def __init__(self, path: Path) -> None:
        """`path`: the warehouse's folder."""
        super().__init__(
            f"no warehouse in {path} yet; `convolake load` makes it from the sealed events"
        )


class SnapshotMissingError(Exception):
    """The warehouse has no state of this time any more."""

    def __init__(self, at: datetime) -> None:
        """`at`: the time."""
        super().__init__(
            f"the warehouse has no state of {at:%Y-%m-%d %H:%M %Z}; "
            "`convolake rebuild FOLDER --until TIME` makes one from the log"
        )


class WarehouseBusyError(Exception):
    """Another process writes to the warehouse; nothing was changed."""

    def __init__(self, path: Path) -> None:
        """`path`: the warehouse's folder."""
        super().__init__(f"another load or maintenance works on {path}; try again when it is done")


def extension_directory() -> Path:
    """Return the folder of DuckDB's extensions; unpack them from their wheels on first use."""
    directory = Path(sys.prefix) / "duckdb_extensions"
    marker = directory / f"{duckdb.__version__}.ready"
    if marker.exists():
        return directory
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not marker.exists():
            with _connection(directory) as con:
                for name in EXTENSIONS:
                    import_extension(name, con=con)
            marker.touch()
    return directory


@cache
def _verify_extensions(directory: Path) -> None:
    """Check the signatures of the extensions, once in a process.

    The process has their code in memory from then on. Checking the files again took 0.16 s of each connection.
    """
    with _connection(directory) as con:
        for name in EXTENSIONS:
            con.load_extension(name)


def _connection(directory: Path, *, is_verified: bool = False) -> duckdb.DuckDBPyConnection:
    return duckdb.connect(
        config={
            "extension_directory": str(directory),
            "allow_unsigned_extensions": str(is_verified).lower(),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            # Else DuckDB looks for a misspelt table among the caller's Python variables.
            "python_enable_replacements": "false",
        }
    )


def catalog_path(warehouse: Path) -> Path:
    """Return the DuckLake catalog, a SQLite file. Never open it with Python's sqlite3 while DuckDB has it open."""
    return warehouse / "catalog.sqlite"


def spill_path(warehouse: Path) -> Path:
    """Return where DuckDB puts what does not fit into memory: by default that is the current folder."""
    return warehouse / "spill"


def attach_statement(warehouse: Path, *, read_only: bool, at: datetime | None = None) -> str:
    """Return the ATTACH that gives DuckDB the warehouse as `lake`; also the recipe for analysts."""
    catalog = exp.Literal.string(f"ducklake:sqlite:{catalog_path(warehouse).resolve()}").sql(
        "duckdb"
    )
    files = exp.Literal.string(f"{(warehouse / 'files').resolve()}/").sql("duckdb")
    # A moved folder has another path than the catalog remembers.
    options = f"DATA_PATH {files}, OVERRIDE_DATA_PATH true, META_JOURNAL_MODE 'WAL', META_BUSY_TIMEOUT 10000"
    if at is not None:
        options += f", SNAPSHOT_TIME '{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}+00'"
    return f"ATTACH {catalog} AS lake ({'READ_ONLY, ' if read_only else ''}{options})"


def connect(
    warehouse: Path, *, read_only: bool = True, at: datetime | None = None
) -> duckdb.DuckDBPyConnection:
    """Return a connection with the warehouse as its default database, in UTC; with `at`, as it was then.

    Keep it and take a cursor for each query: attaching costs up to 0.9 s.
    Raises WarehouseMissingError when reading a warehouse that was never written, and SnapshotMissingError.
    """
    if read_only and not catalog_path(warehouse).exists():
        raise WarehouseMissingError(warehouse)
    (warehouse / "files").mkdir(parents=True, exist_ok=True)
    directory = extension_directory()
    _verify_extensions(directory)
    con = _connection(directory, is_verified=True)
    for name in EXTENSIONS:
        con.load_extension(name)
    con.execute("SET allow_unsigned_extensions = false")  # nothing can set it to true again
    con.execute("SET TimeZone = 'UTC'")
    con.execute("SET enable_progress_bar = false")  # it draws bars into the log of a load
    spill = exp.Literal.string(str(spill_path(warehouse).resolve())).sql("duckdb")
    con.execute(f"SET temp_directory = {spill}")
    # Twice the load speed and half the size of the files (DuckDB keeps input order otherwise).
    con.execute("SET preserve_insertion_order = false")
    # Else each scan of the catalog is a SQLite connection of its own, which sees what was
    # committed meanwhile: a query during a load took rows of one snapshot and deletes of another.
    con.execute("SET GLOBAL sqlite_disable_multithreaded_scans = true")
    if read_only:
        # A reader keeps the footers of files; parsing them again was a tenth of a short query.
        con.execute("SET GLOBAL parquet_metadata_cache = true")
    try:
        con.execute(attach_statement(warehouse, read_only=read_only, at=at))
    except duckdb.Error as error:
        if at is None or "snapshot" not in str(error).lower():
            raise
        raise SnapshotMissingError(at) from error
    con.execute("USE lake.main")
    if not read_only:
        con.execute("CALL lake.set_option('parquet_compression', 'zstd')")
        con.execute("CALL lake.set_option('parquet_row_group_size', '20480')")
        # A query parses the whole footer of a file, 80 ms at 1,400 row groups; it skips files of other days.
        con.execute("CALL lake.set_option('target_file_size', '32MB')")
        # Few rows go into files too: moving them there later fails who reads (ducklake#1413).
        con.execute("CALL lake.set_option('data_inlining_row_limit', '0')")
    return con


def committed_at(con: duckdb.DuckDBPyConnection) -> datetime:
    """Return the time of the commit whose state a connection reads."""
    query = (
        "select snapshot_time from ducklake_snapshots('lake') "
        "where snapshot_id = (select id from ducklake_current_snapshot('lake'))"
    )
    ((found,),) = con.execute(query).fetchall()
    return cast(datetime, found)


@contextmanager
def transaction(con: duckdb.DuckDBPyConnection, warehouse: Path) -> Iterator[None]:
    """Commit all changes of the block, or none; they are on disk when it ends.

    DuckLake flushes its catalog but not the files that the catalog names: after a power cut
    they were empty and the segments in them counted as loaded. So they are flushed first.
    """
    before = _data_files(warehouse)
    con.execute("begin")
    try:
        yield
        _flush(warehouse / "files", _data_files(warehouse) - before)
        con.execute("commit")
    except BaseException:
        con.execute("rollback")
        raise


def insert_rows(
    con: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]
) -> None:
    """Add rows to a table in one statement. `executemany` would make a file for each row."""
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        values = ", ".join("unnest(?)" for _ in columns)
        name = exp.to_identifier(table).sql("duckdb")
        con.execute(f"insert into {name} select {values}", columns)


def _data_files(warehouse: Path) -> set[Path]:
    return set((warehouse / "files").rglob("*.parquet"))


def _flush(root: Path, files: set[Path]) -> None:
    folders = {folder for file in files for folder in file.parents if folder.is_relative_to(root)}
    for path in [*files, *folders]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def write_lock(warehouse: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the write lock for the duration. Raises WarehouseBusyError after `seconds`.

    The kernel releases it if the process dies.
    """
    warehouse.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + seconds
    with (warehouse / "write.lock").open("a") as file:
        while not _try_lock(file.fileno()):
            if time.monotonic() >= deadline:
                raise WarehouseBusyError(warehouse)
            time.sleep(0.05)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
