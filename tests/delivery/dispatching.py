"""A dispatcher on a real writer, and a webhook for it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from sqlalchemy import Engine, Executable

from ingest.accounts.secret_box import SecretBox, new_key
from ingest.delivery.control_cache import ControlCache
from ingest.delivery.destinations.base import DestinationRegistry
from ingest.delivery.destinations.webhook import Webhook
from ingest.delivery.dispatcher import Dispatcher
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.sender import Sleep
from ingest.delivery.webhook_registry import WebhookRegistry, insert_webhook
from ingest.egress import signing
from ingest.egress.client import EgressClient
from ingest.events.timers import LifecyclePolicy
from ingest.log.cursor import START
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


def webhook_registry(url: str, engine: Engine, clock: Clock) -> DestinationRegistry:
    """A webhook of messages that starts at the beginning of the log."""
    webhook = Webhook(
        webhook_id="w1", source="test", url=url, event_types=frozenset({"message.created"}),
        channels=frozenset(), bot_id=None, secret=signing.new_secret(), old_secret=None,
        old_secret_until=None, created_at=0, disabled_at=None, disabled_reason=None,
        cursor=START, watchdog_cursor=START,
    )  # fmt: skip
    with engine.begin() as connection:
        connection.execute(cast("Executable", insert_webhook(webhook)))
    return WebhookRegistry(engine, clock, SecretBox([new_key()]))
