"""PostgreSQL as the log's database (extra `postgres`): several processes write one log.

A commit holds an advisory lock from its first read to its end, so positions and sequences have no gap and
become visible in order, whichever process writes.
"""

from contextlib import ExitStack, suppress
from typing import Any

import psycopg
from psycopg.types.string import StrDumper
from sqlalchemy import Engine, create_engine, event, make_url

from ingest.log.storage.base import UnusableDatabaseError

WRITE_LOCK = 0x636F6E766F
"""The advisory lock that a commit holds."""

COMMIT_CHANNEL = "convolake_log"
"""Channel on which each commit notifies all processes: `<writer_id> <position>`."""

_CONNECT: dict[str, Any] = {
    "application_name": "convolake",
    "client_encoding": "utf8",
    "connect_timeout": 10,
    # A server that disappears is detected within half a minute, not after hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

SESSION_SETTINGS = """
    select set_config(name, value, false) from (values
        ('tcp_keepalives_idle', '10'), ('tcp_keepalives_interval', '5'), ('tcp_keepalives_count', '3'),
        ('tcp_user_timeout', '20s'), ('idle_in_transaction_session_timeout', '30s')
    ) as settings (name, value)
"""
"""Settings of the server's side: a process that died or hangs in a commit releases the lock."""

_WRITING = "set enable_seqscan = off"
"""Plans without sequential scans: every query of the writer has an index. Cached plans from the time when the tables
were small would read them completely: 421 messages a second after some seconds, instead of 1,967.
"""

_READING = "set plan_cache_mode = force_custom_plan"
"""Plan each query again, for the same reason; a plan is cheap enough here."""

MAX_READERS = 40
"""Size of the connection pool: the number of requests that may read at once (Starlette's threads)."""

_SET_UP = """
    select current_setting('fsync'), current_setting('server_encoding'),
        case current_setting('synchronous_commit')
            when 'off' then set_config('synchronous_commit', 'on', false)
        end
"""


def connect_args(url: str) -> dict[str, Any]:
    """Return the connection settings; those of the URL win."""
    return {name: value for name, value in _CONNECT.items() if name not in make_url(url).query}


class PostgresDatabase:
    """PostgreSQL: every process writes, one at a time.

    A commit waits for three answers of the server, whatever it writes: one to its lock, one to what it reads,
    one to its writes together. With an answer for each statement there were ten.
    """

    multi_writer = True

    def __init__(self) -> None:
        """Start without a transaction."""
        self._transaction = ExitStack()
        self._pipeline: psycopg.Pipeline | None = None

    def acquire_write_lock(self, cursor: Any) -> None:
        """Take the advisory lock: later reads in this transaction see the newest commit."""
        cursor.execute("select pg_advisory_xact_lock(%s)", (WRITE_LOCK,))

    def begin(self, connection: Any, cursor: Any) -> None:
        """Begin a transaction in a pipeline: an error of a statement is raised by the next read, or by the commit."""
        self._pipeline = self._transaction.enter_context(connection.driver_connection.pipeline())
        # Read committed, whatever the database's default: a read after the lock must see the newest commit.
        cursor.execute("begin isolation level read committed read write")
        self.acquire_write_lock(cursor)

    def receive(self) -> None:
        """Wait with a sync, not only a flush: the server's timeout of an idle transaction starts with it."""
        if self._pipeline is not None:
            self._pipeline.sync()

    def notify(self, cursor: Any, writer_id: str, position: int) -> None:
        """Notify on commit only."""
        cursor.execute("select pg_notify(%s, %s)", (COMMIT_CHANNEL, f"{writer_id} {position}"))

    def commit(self, connection: Any, cursor: Any) -> None:
        """Send the commit with the writes, and wait for all of them. The server skips it if one of them failed."""
        cursor.execute("commit")
        self._end_pipeline()
        if cursor.statusmessage != "COMMIT":
            raise UncommittedError(f"PostgreSQL answered {cursor.statusmessage} to a commit")

    def rollback(self, connection: Any) -> None:
        """Read the answers that are left, and undo the transaction."""
        with suppress(psycopg.Error):
            self._end_pipeline()
        connection.rollback()

    def _end_pipeline(self) -> None:
        self._pipeline = None
        self._transaction.close()

    def is_fatal(self, error: Exception, *, is_committing: bool) -> bool:
        """Return False: the next commit starts with a read of the true state."""
        return False


class UncommittedError(RuntimeError):
    """The server rolled a transaction back that it was told to commit."""


class _Text(StrDumper):
    """PostgreSQL's text cannot hold U+0000. No stored text has it; a path in a request may."""

    def dump(self, obj: str) -> Any:
        """Return the text, or a text that no id has if it cannot be stored."""
        return super().dump(obj.replace("\0", "\ufffd"))


def open_postgres(url: str, *, read_only: bool = False) -> Engine:
    """Return an engine for the log that checks each new connection. Raises UnusableDatabaseError on connect."""
    engine = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        paramstyle="format",
        pool_pre_ping=True,
        max_overflow=MAX_READERS - 5,
        pool_timeout=10,
        connect_args=connect_args(url),
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: "psycopg.Connection[Any]", _record: object) -> None:
        connection.autocommit = True  # else the first rollback would undo these settings
        try:
            _require_durability(*connection.execute(_SET_UP).fetchone() or ())
            connection.execute(SESSION_SETTINGS)
            connection.execute(_READING if read_only else _WRITING)
        except Exception:
            connection.close()
            raise
        connection.adapters.register_dumper(str, _Text)
        connection.autocommit = False
        connection.read_only = read_only or None

    return engine


def _require_durability(fsync: str, encoding: str, _: object) -> None:
    if fsync == "off":
        raise UnusableDatabaseError(
            "this PostgreSQL runs with fsync=off: a power cut would lose acknowledged events; set it on"
        )
    if encoding != "UTF8":
        raise UnusableDatabaseError(
            f"this database has the encoding {encoding}, which cannot hold every text: "
            "create one with encoding UTF8"
        )
