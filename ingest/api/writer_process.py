"""The writer's process: `python -m ingest.api.writer_process SOCKET [ENTRY]`.

The API starts it; with an entry, a group of API processes does.
"""

import logging
import pickle
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from ingest.api.api_process import LOG_FORMAT
from ingest.api.taken_call import BUILDER, build_appends
from ingest.api.translator import open_translator
from ingest.clock import new_uuid7, wall_clock
from ingest.contract import Cursor
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.garbage import rare_collections
from ingest.log import queries
from ingest.log.committer import Committer
from ingest.log.cursor import advance
from ingest.log.framing import frame, receive_frame
from ingest.log.process_writer import WriterStart
from ingest.log.shared_writer_server import SharedWriterServer
from ingest.log.storage.engine import is_multi_writer, open_engine
from ingest.log.storage.store import Store
from ingest.log.writer_server import ApiClock, WriterServer
from ingest.settings import Settings

PAGE_EVENTS = 5_000


def main(descriptor: int, entry: int | None = None) -> None:
    """Serve the API at the other end of a socket until it is closed. The API tells when to stop: signals do not.

    With an `entry`, serve all APIs whose sockets arrive there, and report to the other end of the first socket.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    with socket.socket(fileno=descriptor) as connection:
        try:
            start: WriterStart = pickle.loads(receive_frame(connection))  # noqa: S301 (from the API)
            if not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                return  # the API ended meanwhile: it does not get the log
        except BlockingIOError:
            pass  # no request yet
        except ConnectionError:
            return
        if entry is None:
            serve(connection, start)
        else:
            with socket.socket(fileno=entry) as accepting:
                serve_all(accepting, connection, start)


def serve(connection: socket.socket, start: WriterStart) -> None:
    """Open the log, and commit what arrives."""
    with _open_log(start) as opened:
        missed = opened.events_after(start.after)
        server = WriterServer(
            connection, opened.committer, opened.api_clock, start.settings.commit_events
        )
        with rare_collections():
            server.run(missed)


def serve_all(entry: socket.socket, connection: socket.socket, start: WriterStart) -> None:
    """Open the log, report that, and commit what all API processes send; report why that is not possible any more."""

    def report(what: str) -> None:
        connection.sendall(frame(what.encode()))

    with _open_log(start) as opened:
        server = SharedWriterServer(
            entry,
            opened.committer,
            opened.api_clock,
            start.settings.commit_events,
            opened.events_after,
            report,
        )
        report("open")
        with rare_collections():
            server.run()


@dataclass(frozen=True, slots=True)
class _OpenLog:
    """The log, opened to write."""

    engine: Engine
    settings: Settings
    committer: Committer
    api_clock: ApiClock

    def events_after(self, position: int) -> Sequence[StoredEvent]:
        """Return the events that were committed, and whose commit an API was not told of.

        Where there are other writers, none: each API reads the log for those of others anyway.
        """
        if is_multi_writer(self.settings.database_url):
            return []
        return _events_after(self.engine, self.settings.shard, position)


@contextmanager
def _open_log(start: WriterStart) -> Iterator[_OpenLog]:
    settings = start.settings
    engine = open_engine(settings.database_url)
    api_clock = ApiClock()
    clock = wall_clock if start.has_wall_clock else api_clock
    translator = open_translator(settings, clock)
    committer = Committer(
        Store(engine, settings.shard, start.writer_id),
        shard=settings.shard,
        policy=LifecyclePolicy.from_settings(settings),
        clock=clock,
        new_id=new_uuid7,
        builders={BUILDER: partial(build_appends, translator)},
    )
    yield _OpenLog(engine, settings, committer, api_clock)
    translator.close()
    engine.dispose()


def _events_after(engine: Engine, shard: int, position: int) -> Sequence[StoredEvent]:
    found: list[StoredEvent] = []
    cursor: Cursor = {**queries.head(engine), shard: position}
    while page := queries.read_log(engine, cursor, PAGE_EVENTS):
        found += [StoredEvent(**row) for row in page]
        cursor = advance(cursor, found)
    return found


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
