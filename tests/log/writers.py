"""Every kind of writer over one data folder, with the test's clock."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec

from ingest.api.log_access import WRITER_COMMAND
from ingest.events.draft import Draft
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.log.process_writer import ProcessWriter, WriterStart
from ingest.log.shared_writer import SharedWriter
from ingest.log.storage.engine import open_engine
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.writer import Writer
from ingest.log.writer_host import WriterHost
from ingest.log.writer_requests import Acknowledgement, Append
from ingest.settings import Settings
from tests.factories import Clock, Ids, create_store, make_event, make_submission

T = TypeVar("T")
Answer = list[Acknowledgement] | BaseException
COMMAND = WRITER_COMMAND


class Opened:
    """A writer that was not started yet, and the events that it published."""

    def __init__(self, kind: str, settings: Settings, clock: Clock, command: Sequence[str]) -> None:
        create_store(settings)
        self.settings = settings
        self.clock = clock
        self.published: list[StoredEvent] = []
        self.messages: list[dict[str, Any]] = []
        self.host: WriterHost | None = None
        self._engine = open_engine(settings.database_url)
        self.writer = self._open(kind, command)

    def _open(self, kind: str, command: Sequence[str]) -> Writer:
        store = Store(self._engine)
        position, dialect = store.last_position(), store.dialect
        if kind == "thread":
            policy = LifecyclePolicy.from_settings(self.settings)
            return ThreadWriter(store, shard=0, policy=policy, new_id=Ids(), **self._common())
        store.close()
        start = WriterStart(self.settings, position, has_wall_clock=False)
        if kind == "shared":
            self.host = WriterHost(start, command, [])
            return self.share(position)
        return ProcessWriter(start, command=command, inherits=[], dialect=dialect, **self._common())

    def _common(self) -> dict[str, Any]:
        return {"clock": self.clock, "queue_events": 100, "publish": self.published.extend}

    def share(self, position: int = 0, **other: Any) -> SharedWriter:
        """Return one more API's place at the writer's process, not started; `other` overrides what it gets."""
        assert self.host is not None
        common: dict[str, Any] = {"on_message": self.messages.append, "on_behind": lambda: None}
        common |= self._common() | {"dialect": self._engine.dialect} | other
        return SharedWriter(self.host.entry, position, **common)

    async def send(self, *requests: Any) -> list[Answer]:
        """Submit requests in one turn of the event loop, and return their answers."""
        return await asyncio.gather(
            *(self.writer.submit(each) for each in requests), return_exceptions=True
        )

    def close(self) -> None:
        self._engine.dispose()


def run(
    kind: str,
    settings: Settings,
    work: Callable[[Opened], Awaitable[T]],
    clock: Clock | None = None,
    command: Sequence[str] = COMMAND,
    loop: Callable[[], asyncio.AbstractEventLoop] | None = None,
) -> T:
    """Return what `work` returns with a started writer, which stops at its end. `loop`: the kind of event loop."""

    async def main() -> T:
        opened = Opened(kind, settings, clock or Clock(), command)
        if opened.host is not None:
            opened.host.start()
        opened.writer.start()
        try:
            return await work(opened)
        finally:
            await asyncio.to_thread(opened.writer.stop)
            if opened.host is not None:
                await opened.host.stop()
            opened.close()

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


def append(*events: dict[str, Any]) -> Append:
    return make_submission(
        [msgspec.json.decode(msgspec.json.encode(each), type=Draft) for each in events]
    )


def create(conversation_id: str = "c1", **over: Any) -> Append:
    event_id = f"{conversation_id}-created"
    return append(
        make_event(
            "conversation.created", conversation_id=conversation_id, event_id=event_id, **over
        )
    )


def say(event_id: str, conversation_id: str = "c1", **over: Any) -> Append:
    return append(make_event(conversation_id=conversation_id, event_id=event_id, **over))
