"""Opens the log's database by its URL, and migrates it."""

import sqlite3
import threading
from pathlib import Path

from sqlalchemy import Engine, create_engine, event, make_url

from ingest.log.storage.base import Database, UnusableDatabaseError
from ingest.log.storage.sqlite import SqliteDatabase


def database_for(engine: Engine) -> Database:
    """Return the adapter of the engine's database."""
    if engine.dialect.name == "postgresql":
        from ingest.log.storage.postgres import PostgresDatabase

        return PostgresDatabase()
    return SqliteDatabase()


def is_multi_writer(url: str) -> bool:
    """Return whether several processes may write the log at this URL."""
    return make_url(url).get_backend_name() == "postgresql"


CHECKPOINT_PAGES = 4_000
"""Pages of 4 KiB in SQLite's write-ahead log before they move into the file: 16 MB. A page that changes often moves once."""


def open_engine(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine whose every connection is set up for the log.

    Writers flush to disk at each commit (synchronous=FULL: a power cut lost acknowledged rows
    in 17 of 40 cycles under NORMAL, in none under FULL). Raises UnusableDatabaseError without the
    driver of PostgreSQL, and on connecting to one that does not flush.
    """
    if is_multi_writer(url):
        try:
            from ingest.log.storage.postgres import open_postgres
        except ModuleNotFoundError as error:
            raise UnusableDatabaseError(
                "a log in PostgreSQL needs its driver: install the extra `postgres`"
            ) from error
        return open_postgres(url, read_only=read_only)
    engine = create_engine(url, connect_args={"timeout": 30, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA cache_size=-65536")
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
        if read_only:
            connection.execute("PRAGMA query_only=ON")

    return engine


def migrate(url: str, version: str = "head") -> None:
    """Create the tables, or bring an older data folder up to `version`. Safe to repeat.

    State tables may be empty after it: `ingest.log.rebuild` says so, and fills them.
    """
    from alembic import command  # commands that only talk to the API start sooner without it
    from alembic.config import Config

    if url.startswith("sqlite:///"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["url"] = url
    with _MIGRATING:
        command.upgrade(config, version)


_MIGRATING = threading.Lock()
"""Alembic keeps its state in globals: one migration at a time in a process."""
