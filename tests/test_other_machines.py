"""A dashboard without sign-in shows nothing to a browser of another machine, even if a proxy lets it through."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings
from tests.api_server import Installation, wait_until
from tests.factories import Record, make_conversation
from tests.served_dashboard import SHOWN, serve

pytestmark = pytest.mark.long

OTHER = "127.0.0.2"
"""An address that is not that of this machine's own browser, to the dashboard."""


class Relay:
    """Passes connections on to the dashboard at `port`, from the address OTHER."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.listens: Future[int] = Future()
        self.loop = asyncio.new_event_loop()
        self.ends = asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def run(self) -> None:
        server = await asyncio.start_server(self.pass_on, "127.0.0.1", 0)
        self.listens.set_result(server.sockets[0].getsockname()[1])
        await self.ends.wait()
        server.close()
        for each in self.writers:
            each.transport.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = (OTHER, 0)
        back, there = await asyncio.open_connection("127.0.0.1", self.port, local_addr=address)
        self.writers += [writer, there]
        await asyncio.gather(self.copy(reader, there), self.copy(back, writer))

    async def copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await source.read(1 << 16):
                target.write(data)
                await target.drain()
        target.close()


@contextmanager
def relay(port: int) -> Iterator[str]:
    """A URL that reaches the dashboard at `port` from the address OTHER, until the block ends."""
    found = Relay(port)
    thread = threading.Thread(target=found.loop.run_until_complete, args=(found.run(),))
    thread.start()
    try:
        yield f"http://127.0.0.1:{found.listens.result(10)}"
    finally:
        found.loop.call_soon_threadsafe(found.ends.set)
        thread.join(10)
        found.loop.close()


@pytest.fixture
def settings(audit_api: Installation, tmp_path: Path) -> Settings:
    record = Record(Settings(data=tmp_path / "data"), audit_api.clock)
    record.publish(make_conversation("c1"))
    return record.settings


def test_a_browser_of_another_machine_sees_why_it_sees_nothing(
    settings: Settings, audit_api: Installation, browser: Any
) -> None:
    with serve(settings, audit_api.environment) as served:
        browser.get(f"{served.url}/conversations?conversation=c1")
        wait_until(lambda: browser.execute_script(SHOWN, "message 1"), 60, "here it is shown")
        with relay(int(served.url.rpartition(":")[2])) as far:
            browser.get(f"{far}/conversations?conversation=c1")
            reason = "This dashboard is for users of its own machine."
            wait_until(lambda: browser.execute_script(SHOWN, reason), 60, reason)
            text = browser.execute_script("return document.body.innerText")
            assert "message 1" not in text
            assert "Overview" not in text
            browser.get("about:blank")
