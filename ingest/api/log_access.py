"""How an API process gets its log: its lock and tables, and the writer that commits to it."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from ingest.accounts.stored_secrets import seal_stored_secrets
from ingest.api.taken_call import BUILDER, build_appends
from ingest.api.translator import Translator
from ingest.auth.secret_keys import open_secret_box
from ingest.clock import Clock, NewId, wall_clock
from ingest.cluster.peers import Peers
from ingest.cluster.workers import Workers
from ingest.contract import Cursor
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log import queries, rebuild
from ingest.log.process_writer import ProcessWriter, WriterStart
from ingest.log.shared_writer import SharedWriter
from ingest.log.storage.engine import is_multi_writer, migrate, open_engine
from ingest.log.storage.lock import LogLock, acquire_log_lock
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.writer import Writer
from ingest.manifest import ManifestError, read_manifest, sealed_cursor
from ingest.settings import Settings

logger = logging.getLogger(__name__)

Publish = Callable[[Sequence[StoredEvent]], None]
OnMessage = Callable[[dict[str, Any]], None]

WRITER_COMMAND = [sys.executable, "-P", "-m", "ingest.api.writer_process"]
"""`-P`: a file in the current folder must not be imported in place of a module."""


class LogBehindLakeError(RuntimeError):
    """The log ends before the lake does: it is another log, or an older copy."""


@dataclass(frozen=True)
class Seat:
    """A place among the API processes that share a writer.

    `entry`: where this one connects to it. `group`: the socket to the process that keeps them, if there is one.
    """

    number: int
    entry: socket.socket
    group: socket.socket | None = None


@dataclass(frozen=True)
class OwnLog:
    """A log that this process has opened to write, and its lock."""

    lock: LogLock
    store: Store


@asynccontextmanager
async def open_log(settings: Settings, seat: Seat | None) -> AsyncIterator[OwnLog | Seat]:
    """Open the log until the block ends, unless a group of workers has opened it and gave the `seat`.

    Raises LogLockedError, LogBehindLakeError.
    """
    if seat is not None:
        yield seat
        return
    with await asyncio.to_thread(acquire_log_lock, settings) as lock:
        store = prepare_store(settings)
        yield OwnLog(lock, store)
        store.engine.dispose()


def prepare_store(settings: Settings) -> Store:
    """Open the store; migrate it, and rebuild its projections if a migration emptied them.

    Raises LogBehindLakeError. The caller has the lock of the log.
    """
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    store = Store(engine, settings.shard)
    store.begin(0)  # of several processes that start at once, one rebuilds
    if rebuild.needs_rebuild(engine):
        logger.warning("rebuilding the projections from the log: they are missing or outdated")
        rebuild.rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    store.rollback()
    _check_lake(settings.lake_path, queries.head(engine))
    seal_stored_secrets(engine, open_secret_box(settings))
    return store


def _check_lake(lake: Path, head: Cursor) -> None:
    """Raise LogBehindLakeError if the lake has events that the log does not: two histories would mix.

    A manifest that cannot be read does not stop the API; the lake process reports it.
    """
    try:
        segments, _ = read_manifest(lake)
    except ManifestError:
        return
    for shard, sealed in sealed_cursor(segments).items():
        if sealed > head.get(shard, 0):
            raise LogBehindLakeError(
                f"shard {shard} of the lake in {lake} ends at position {sealed}, the log at "
                f"{head.get(shard, 0)}: restore the log, or move lake and warehouse away to start over"
            )


def open_writer(
    log: OwnLog | Seat,
    settings: Settings,
    engine: Engine,
    translator: Translator,
    clock: Clock,
    new_id: NewId,
    publish: Publish,
    on_message: OnMessage,
) -> tuple[Writer, Peers | None]:
    """Return the writer, not started yet, and the other API processes of the log if there can be any.

    `engine` only reads. `publish` receives committed events, `on_message` the messages of other processes.
    """
    if isinstance(log, Seat):
        writer = _share_writer(log, settings, engine, clock, publish, on_message)
        return writer, Workers(writer, publish, settings.leader_lock_path)
    peers: Peers | None = None
    if is_multi_writer(settings.database_url):
        from ingest.cluster.commit_follower import CommitFollower

        follower = CommitFollower(
            settings.database_url,
            engine,
            log.store.writer_id,
            queries.head(engine),
            publish,
            on_message,
        )
        publish, peers = follower.on_commit, follower
    if settings.writer == "thread":
        return _thread_writer(log, settings, translator, clock, new_id, publish), peers
    return _process_writer(log, settings, clock, publish), peers


def _share_writer(
    seat: Seat,
    settings: Settings,
    engine: Engine,
    clock: Clock,
    publish: Publish,
    on_message: OnMessage,
) -> SharedWriter:
    return SharedWriter(
        seat.entry,
        queries.head(engine).get(settings.shard, 0),
        on_message,
        partial(signal.raise_signal, signal.SIGTERM),
        dialect=engine.dialect,
        clock=clock,
        queue_events=settings.queue_events,
        publish=publish,
    )


def _process_writer(
    log: OwnLog, settings: Settings, clock: Clock, publish: Publish
) -> ProcessWriter:
    position = log.store.last_position()
    log.store.close()  # the process has a store of its own
    return ProcessWriter(
        WriterStart(settings, position, clock is wall_clock, log.store.writer_id),
        command=WRITER_COMMAND,
        inherits=[log.lock.fileno()],
        dialect=log.store.dialect,
        clock=clock,
        queue_events=settings.queue_events,
        publish=publish,
    )


def _thread_writer(
    log: OwnLog,
    settings: Settings,
    translator: Translator,
    clock: Clock,
    new_id: NewId,
    publish: Publish,
) -> ThreadWriter:
    return ThreadWriter(
        log.store,
        shard=settings.shard,
        policy=LifecyclePolicy.from_settings(settings),
        clock=clock,
        new_id=new_id,
        commit_events=settings.commit_events,
        queue_events=settings.queue_events,
        publish=publish,
        builders={BUILDER: partial(build_appends, translator)},
    )
