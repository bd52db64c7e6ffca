"""Publishes the commits of every process, in the order of the log."""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, func, select
from starlette.concurrency import run_in_threadpool

from ingest.cluster.leader import _connect, run_as_leader
from ingest.cluster.peers import Work
from ingest.contract import Cursor
from ingest.events.stored_event import StoredEvent
from ingest.log import queries
from ingest.log.cursor import advance
from ingest.log.storage.postgres import COMMIT_CHANNEL

logger = logging.getLogger(__name__)


BROADCAST_CHANNEL = "convolake_typing"
"""Channel on which processes send each other who is typing. It is not stored, so no process could read it elsewhere."""


PAGE_EVENTS = 500


POLL_SECONDS = 1.0
"""Interval at which the log is polled without a notification, and at which a lost connection is opened again."""


class CommitFollower:
    """Publishes the commits of all processes, in the order of the log. Lives on the event loop."""

    def __init__(
        self,
        url: str,
        engine: Engine,
        writer_id: str,
        cursor: Cursor,
        publish: Callable[[Sequence[StoredEvent]], None],
        on_message: Callable[[dict[str, Any]], None],
    ) -> None:
        """`publish` receives events after `cursor`, `on_message` the messages of other processes.

        `writer_id` is that of this process's writer, whose commits reach `on_commit`.
        """
        self._url = url
        self._engine = engine
        self._writer_id = writer_id
        self._cursor = cursor
        self._publish = publish
        self._on_message = on_message
        self._woken = asyncio.Event()
        self._name = secrets.token_hex(8)

    def on_commit(self, rows: Sequence[StoredEvent]) -> None:
        """Publish events that this process committed. Earlier commits of others go first."""
        if rows and rows[0].position == self._cursor.get(rows[0].shard, 0) + 1:
            self._publish_in_order(rows)
        elif rows:
            self._woken.set()

    async def broadcast(self, message: dict[str, Any]) -> None:
        """Send a message to every other process; it is not stored. At most 8,000 bytes."""
        await run_in_threadpool(self._notify, json.dumps([self._name, message]))

    def _notify(self, text: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(select(func.pg_notify(BROADCAST_CHANNEL, text)))

    async def lead(self, work: Work) -> None:
        """Run a task while no other process does; return with it, or when cancelled."""
        await run_as_leader(self._url, work)

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self._woken.clear()
            try:
                while await self._read_page() == PAGE_EVENTS:
                    pass
            except Exception:
                logger.exception("the log could not be read; it is tried again")
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._woken.wait()

    async def _read_page(self) -> int:
        found = await run_in_threadpool(queries.read_log, self._engine, self._cursor, PAGE_EVENTS)
        # Meanwhile this process may have handed on its own.
        rows = [
            StoredEvent(**row)
            for row in found
            if row["position"] > self._cursor.get(row["shard"], 0)
        ]
        if rows:
            self._publish_in_order(rows)
        return len(found)

    def _publish_in_order(self, rows: Sequence[StoredEvent]) -> None:
        self._cursor = advance(self._cursor, rows)
        self._publish(rows)

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                async with await _connect(self._url) as connection:
                    for name in (COMMIT_CHANNEL, BROADCAST_CHANNEL):
                        await connection.execute(f"listen {name}")
                    self._woken.set()  # for notifications sent while the connection was down
                    async for each in connection.notifies():
                        self._take(each)
            await asyncio.sleep(POLL_SECONDS)

    def _take(self, told: psycopg.Notify) -> None:
        try:
            if told.channel == COMMIT_CHANNEL:
                # The events of an own commit come without a read. Should they not, the log is polled anyway.
                if told.payload.partition(" ")[0] != self._writer_id:
                    self._woken.set()
                return
            name, text = json.loads(told.payload)
            if name != self._name:
                self._on_message(text)
        except (ValueError, TypeError):
            logger.warning(
                "a message of another process cannot be decoded; does it run another version?"
            )
