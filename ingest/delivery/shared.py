"""A log that several API processes write: each hears of all that is committed; one does what only one may.

On PostgreSQL alone; on SQLite there is one process, and nothing to hear.
"""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from sqlalchemy import Engine, func, select
from starlette.concurrency import run_in_threadpool

from ingest.log import reader
from ingest.log.postgres import SESSION, TOLD, connect_args
from ingest.log.rows import Row

logger = logging.getLogger(__name__)

TYPING = "convolake_typing"
"""Where processes tell each other who types: it is not stored, so it can be read nowhere."""

ALONE = 0x636F6E766F6C
"""The advisory lock of the process that delivers webhooks, for as long as it is connected."""

PAGE = 500
SURE_SECONDS = 3.0
"""Whoever cannot be told within so long that they still have the lock, stops."""

LOOK_SECONDS = 1.0
"""After so long without a word the log is looked at; so often a lost connection is tried again."""


class Follower:
    """Hands on what is committed, whoever wrote it, in the order of the log. Lives on the event loop."""

    def __init__(
        self,
        url: str,
        engine: Engine,
        position: int,
        publish: Callable[[Sequence[Row]], None],
        hear: Callable[[dict[str, Any]], None],
    ) -> None:
        """`publish` is told of events after `position`, `hear` of what another process says."""
        self._url = url
        self._engine = engine
        self._position = position
        self._publish = publish
        self._hear = hear
        self._woken = asyncio.Event()
        self._name = secrets.token_hex(8)

    def committed(self, rows: Sequence[Row]) -> None:
        """This process committed them. What others committed before goes first."""
        if rows and rows[0].position == self._position + 1:
            self._hand_on(rows)
        elif rows:
            self._woken.set()

    def say(self, words: dict[str, Any]) -> None:
        """Tell every other process; nothing is kept. At most 8,000 bytes. Blocks."""
        told = json.dumps([self._name, words])
        with self._engine.begin() as connection:
            connection.execute(select(func.pg_notify(TYPING, told)))

    async def run(self) -> None:
        """Follow the log until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._read())

    async def _read(self) -> None:
        while True:
            self._woken.clear()
            try:
                while await self._read_page() == PAGE:
                    pass
            except Exception:
                logger.exception("the log could not be read; it is tried again")
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._woken.wait()

    async def _read_page(self) -> int:
        found = await run_in_threadpool(reader.list_committed, self._engine, self._position, PAGE)
        # Meanwhile this process may have handed on its own.
        rows = [Row(**row) for row in found if row["position"] > self._position]
        if rows:
            self._hand_on(rows)
        return len(found)

    def _hand_on(self, rows: Sequence[Row]) -> None:
        self._position = rows[-1].position
        self._publish(rows)

    async def _listen(self) -> None:
        while True:
            with suppress(psycopg.Error):
                async with await _connect(self._url) as connection:
                    for name in (TOLD, TYPING):
                        await connection.execute(f"listen {name}")
                    self._woken.set()  # for what was told while nobody listened
                    async for each in connection.notifies():
                        self._take(each)
            await asyncio.sleep(LOOK_SECONDS)

    def _take(self, told: psycopg.Notify) -> None:
        try:
            if told.channel == TOLD:
                if int(told.payload) > self._position:
                    self._woken.set()
                return
            name, words = json.loads(told.payload)
            if name != self._name:
                self._hear(words)
        except (ValueError, TypeError):
            logger.warning("another process said what is not understood here: of another version?")


async def alone(url: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Do `work` while no other process does; ends with it, or when cancelled.

    The lock is the connection's: it is let go of when this process dies. If the connection is
    lost, the work is cancelled before it is begun anew.
    """
    while True:
        with suppress(psycopg.Error, TimeoutError):
            async with await _connect(url) as connection:
                await _wait_for_turn(connection)
                await _while_connected(connection, work)
                return
        await asyncio.sleep(LOOK_SECONDS)


async def _wait_for_turn(connection: "psycopg.AsyncConnection[Any]") -> None:
    while True:
        found = await connection.execute("select pg_try_advisory_lock(%s)", (ALONE,))
        if (row := await found.fetchone()) is not None and row[0]:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def _while_connected(
    connection: "psycopg.AsyncConnection[Any]", work: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    task = asyncio.create_task(work())
    try:
        while not (await asyncio.wait({task}, timeout=LOOK_SECONDS))[0]:
            async with asyncio.timeout(SURE_SECONDS):
                await connection.execute("select 1")
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _connect(url: str) -> "psycopg.AsyncConnection[Any]":
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, **connect_args(url))
    await connection.execute(SESSION)
    return connection
