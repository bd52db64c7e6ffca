"""An API that shares a writer and does not read delays no other, and misses nothing when it reads again."""

import asyncio
import socket
import sys
from contextlib import suppress
from typing import Any

import pytest

from ingest.errors import LogUnavailableError
from ingest.log import frames, framing
from ingest.log.shared_writer import BEHIND
from ingest.settings import Settings
from tests.log.test_shared_writer import another, places
from tests.log.writers import Opened, create, run, say

pytestmark = pytest.mark.sqlite


def _ignore(done: "asyncio.Future[Any]") -> None:
    done.exception()


class Raw:
    """An API's end of a socket at the writer, which the test reads when it wants."""

    def __init__(self, opened: Opened, position: int) -> None:
        assert opened.host is not None
        self.connection, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(opened.host.entry, [b"c"], [theirs.fileno()])
        self.connection.sendall(frames.encode_greeting(position))

    def receive(self) -> frames.Commit:
        return frames.decode_commit(framing.receive_frame(self.connection))

    def receive_until_closed(self) -> list[int | None]:
        """Return the places of all events that the writer sent before it closed the socket."""
        self.connection.settimeout(20)
        found: list[int | None] = []
        with suppress(ConnectionError):
            while True:
                found += places(self.receive().events)
        return found


async def send_more_than_a_socket_takes(opened: Opened) -> Raw:
    """Commit 802 events while an API does not read; return its end of the socket."""
    await opened.send(create())
    stuck = Raw(opened, 0)
    for number in range(40):
        large = [say(f"{number}-{each}", text="x" * 4_000) for each in range(20)]
        await asyncio.wait_for(opened.send(*large), 10)
    return stuck


def test_an_api_that_does_not_read_delays_no_other(settings: Settings) -> None:
    """More is committed than its socket takes; when it reads again, it has missed nothing."""

    async def work(opened: Opened) -> list[int | None]:
        stuck = await send_more_than_a_socket_takes(opened)
        with stuck.connection:
            found: list[int | None] = []
            while len(found) < 802:
                found += places(stuck.receive().events)
        return found

    assert run("shared", settings, work) == list(range(1, 803))


def test_an_api_that_never_reads_is_disconnected_and_asks_again_for_what_it_missed(
    settings: Settings,
) -> None:
    async def work(opened: Opened) -> list[int | None]:
        stuck = await send_more_than_a_socket_takes(opened)
        with stuck.connection:
            found = stuck.receive_until_closed()
        assert 2 < len(found) < 802
        again = Raw(opened, len(found))
        with again.connection:
            return found + places((await asyncio.to_thread(again.receive)).events)

    command = [sys.executable, "-P", "-m", "tests.log.small_buffers"]
    assert run("shared", settings, work, command=command) == list(range(1, 803))


def test_a_commit_larger_than_that_disconnects_no_api(settings: Settings) -> None:
    async def work(opened: Opened) -> list[int | None]:
        await opened.send(create())
        async with another(opened) as second:
            await second.send(say("m"))
            large = [say(f"{each}", text="x" * 200_000) for each in range(90)]
            assert all(isinstance(each, list) for each in await opened.send(*large))
            async with asyncio.timeout(20):
                while len(second.published) < 93:
                    await asyncio.sleep(0.01)
            return places(second.published)

    command = [sys.executable, "-P", "-m", "tests.log.small_buffers"]
    assert run("shared", settings, work, command=command) == list(range(1, 94))


def test_an_api_that_is_too_far_behind_starts_again(settings: Settings) -> None:
    """The position that it names is further away than what the writer reads again for it."""

    async def work(opened: Opened) -> tuple[int, str | None]:
        await opened.send(create())
        async with another(opened, position=-20_001) as late:
            with suppress(LogUnavailableError):
                for number in range(50):  # it still sends when the writer has told it
                    late.writer.submit(say(f"early-{number}")).add_done_callback(_ignore)
                    await asyncio.sleep(0)
            with pytest.raises(LogUnavailableError):
                await late.writer.submit(say("m1"))
            with pytest.raises(LogUnavailableError, match="too far behind"):
                late.writer.submit(say("m2"))
            return late.times_behind, late.writer.failure

    assert run("shared", settings, work) == (1, BEHIND)
