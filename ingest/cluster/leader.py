"""Runs a task in one process of the cluster only."""

import asyncio
from contextlib import suppress
from typing import Any

import psycopg

from ingest.cluster.peers import Work
from ingest.log.storage.postgres import SESSION_SETTINGS, connect_args

LEADER_LOCK = 0x636F6E766F6C
"""The advisory lock of the process that delivers webhooks. Its connection holds it."""


LOCK_CHECK_SECONDS = 3.0
"""Time-out of the check that this process still holds the lock. After it the task stops."""


POLL_SECONDS = 1.0
"""Interval of attempts to take the lock, and of checks that it is still held."""


async def run_as_leader(url: str, work: Work) -> None:
    """Run a task while no other process does; return with it, or when cancelled.

    The lock belongs to the connection, so the server releases it when this process dies. If the
    connection is lost, the task is cancelled before it starts again.
    """
    while True:
        with suppress(psycopg.Error, TimeoutError):
            async with await _connect(url) as connection:
                await _wait_for_turn(connection)
                await _while_connected(connection, work)
                return
        await asyncio.sleep(POLL_SECONDS)


async def _wait_for_turn(connection: "psycopg.AsyncConnection[Any]") -> None:
    while True:
        found = await connection.execute("select pg_try_advisory_lock(%s)", (LEADER_LOCK,))
        if (row := await found.fetchone()) is not None and row[0]:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _while_connected(connection: "psycopg.AsyncConnection[Any]", work: Work) -> None:
    task = asyncio.create_task(work())
    try:
        while not (await asyncio.wait({task}, timeout=POLL_SECONDS))[0]:
            async with asyncio.timeout(LOCK_CHECK_SECONDS):
                await connection.execute("select 1")
        task.result()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _connect(url: str) -> "psycopg.AsyncConnection[Any]":
    connection = await psycopg.AsyncConnection.connect(url, autocommit=True, **connect_args(url))
    await connection.execute(SESSION_SETTINGS)
    return connection
