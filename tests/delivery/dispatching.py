"""A dispatcher on a real writer."""

import asyncio
from collections.abc import Awaitable, Callable

from ingest.delivery.control_cache import ControlCache
from ingest.delivery.destinations.base import DestinationRegistry
from ingest.delivery.dispatcher import Dispatcher
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.sender import Sleep
from ingest.egress.client import EgressClient
from ingest.events.timers import LifecyclePolicy
from ingest.log.storage.engine import open_engine
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.settings import Settings
from tests.factories import Clock, Ids

Work = Callable[[Dispatcher], Awaitable[None]]


def dispatch(
    settings: Settings,
    clock: Clock,
    registry: DestinationRegistry,
    work: Work,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Run `work` with a dispatcher on a real writer."""

    async def main() -> None:
        engine = open_engine(settings.database_url)
        writer = ThreadWriter(
            Store(engine), shard=0, policy=LifecyclePolicy.from_settings(settings),
            clock=clock, new_id=Ids("d"),
        )  # fmt: skip
        writer.start()
        egress = EgressClient(tuple(settings.webhook_networks))
        files = EgressClient(tuple(settings.attachment_networks))
        dispatcher = Dispatcher(
            registry,
            writer,
            engine,
            Broadcaster(ControlCache(engine)),
            egress,
            files,
            clock,
            jitter=lambda: 0.5,
            sleep=sleep,
        )
        try:
            await work(dispatcher)
        finally:
            await dispatcher.close()
            await asyncio.to_thread(writer.stop)
            engine.dispose()

    asyncio.run(main())
