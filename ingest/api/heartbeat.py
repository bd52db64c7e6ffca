"""A worker tells its group every second that its event loop runs; the group ends one that hangs."""

import asyncio
import socket
from contextlib import suppress

BEAT_SECONDS = 1.0
MAX_SILENT_BEATS = 30
"""Beats without a sign of life after which a worker hangs: 30 s. A start has no limit."""


async def send_beats(group: socket.socket) -> None:
    """Send a byte each second, without end."""
    while True:
        with suppress(OSError):  # the group is gone, or does not read
            group.send(b".", socket.MSG_DONTWAIT)
        await asyncio.sleep(BEAT_SECONDS)


async def wait_until_it_hangs(worker: socket.socket) -> None:
    """Return when a worker has sent beats, and then none for too long.

    It counts its own pauses, not seconds: after a sleep of the machine nothing hangs.
    """
    has_started, silent = False, 0
    while silent < MAX_SILENT_BEATS:
        await asyncio.sleep(BEAT_SECONDS)
        silent += has_started
        with suppress(BlockingIOError):
            if worker.recv(4096, socket.MSG_DONTWAIT):
                has_started, silent = True, 0
