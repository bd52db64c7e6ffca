"""The lifespan of the conversation API, from the lock on the log to the last event on disk."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from sqlalchemy import Engine

from ingest.accounts.account_cache import AccountCache
from ingest.accounts.registry import DESTINATION_PREFIX
from ingest.accounts.secret_box import SecretBox
from ingest.accounts.stored_secrets import seal_stored_secrets
from ingest.api.background_tasks import background_tasks, restart_on_failure
from ingest.api.channel_intake import ChannelIntake
from ingest.api.dependencies import AppContext
from ingest.api.metrics import Metrics
from ingest.api.name_lookups import NameLookups
from ingest.api.otlp_intake import OtlpIntake
from ingest.api.routes import typing
from ingest.api.taken_call import BUILDER, build_appends
from ingest.api.translator import Translator, open_translator
from ingest.auth.api_keys import ApiKeyAuthenticator
from ingest.auth.rate_limiter import RateLimiter
from ingest.auth.secret_keys import open_secret_box
from ingest.auth.tokens import UserTokens, get_or_create_token_secret
from ingest.clock import Clock, NewId, wall_clock
from ingest.contract import MICROSECOND, Cursor
from ingest.delivery.all_destinations import AllDestinations
from ingest.delivery.bot_watchdog import BotWatchdog
from ingest.delivery.channel_registry import ChannelRegistry
from ingest.delivery.control_cache import ControlCache
from ingest.delivery.dispatcher import Dispatcher
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.live.presence import PresenceTracker
from ingest.delivery.live.typing import TypingRegistry
from ingest.delivery.webhook_registry import WebhookRegistry
from ingest.egress.client import EgressClient
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.hooks.runner import HookRunner
from ingest.identity.people import person_of
from ingest.identity.resolver import Resolver
from ingest.log import queries, rebuild
from ingest.log.process_writer import ProcessWriter, WriterStart
from ingest.log.queries import ConversationChannels
from ingest.log.state_cache import StateCache
from ingest.log.storage.engine import is_multi_writer, migrate, open_engine
from ingest.log.storage.lock import LogLock, acquire_log_lock
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.unread_messages import UnreadCounter
from ingest.log.writer import Writer
from ingest.manifest import ManifestError, read_manifest, sealed_cursor
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.cluster.commit_follower import CommitFollower

logger = logging.getLogger(__name__)

WRITER_COMMAND = [sys.executable, "-P", "-m", "ingest.api.writer_process"]
"""`-P`: a file in the current folder must not be imported in place of a module."""


class LogBehindLakeError(RuntimeError):
    """The log ends before the lake does: it is another log, or an older copy."""


@asynccontextmanager
async def lifespan(
    app: FastAPI, settings: Settings, clock: Clock, new_id: NewId
) -> AsyncIterator[None]:
    """Open everything that the routes share (`app.state.context`), and close it at the end."""
    with await asyncio.to_thread(acquire_log_lock, settings) as lock:
        migrate(settings.database_url)
        write_engine = open_engine(settings.database_url)
        engine = open_engine(settings.database_url, read_only=True)
        store = _open_store(settings, write_engine)
        secrets = open_secret_box(settings)
        seal_stored_secrets(write_engine, secrets)
        control = ControlCache(engine)
        broadcaster = Broadcaster(control)
        presence: PresenceTracker | None = None

        def publish(events: Sequence[StoredEvent]) -> None:
            broadcaster.publish(events)
            if presence is not None:
                presence.update(events)

        follower = _commit_follower(app, settings, engine, publish)
        translator = open_translator(settings, clock)
        writer = _open_writer(
            settings,
            store,
            lock,
            translator,
            clock,
            new_id,
            publish if follower is None else follower.on_commit,
        )
        if settings.agent_disconnected_after is not None:
            presence = PresenceTracker(writer)
        context = _build_context(
            settings,
            writer,
            engine,
            secrets,
            control,
            broadcaster,
            presence,
            translator,
            clock,
            new_id,
            follower,
        )
        app.state.context, app.state.new_id = context, new_id
        writer.start()
        tasks = [
            asyncio.create_task(restart_on_failure(task))
            for task in background_tasks(settings, context, follower)
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await context.dispatcher.close()
        await asyncio.to_thread(writer.stop)
        context.channels.close()
        engine.dispose()
        write_engine.dispose()


def _open_store(settings: Settings, engine: Engine) -> Store:
    """Open the store, and rebuild its projections if a migration emptied them."""
    store = Store(engine, settings.shard)
    store.begin(0)  # of several processes that start at once, one rebuilds
    if rebuild.needs_rebuild(engine):
        logger.warning("rebuilding the projections from the log: they are missing or outdated")
        rebuild.rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    store.rollback()
    _check_lake(settings.lake_path, queries.head(engine))
    return store


def _open_writer(
    settings: Settings,
    store: Store,
    lock: LogLock,
    translator: Translator,
    clock: Clock,
    new_id: NewId,
    publish: Callable[[Sequence[StoredEvent]], None],
) -> Writer:
    """Return the writer that the settings want; a process has a store of its own."""
    if settings.writer == "process" and not is_multi_writer(settings.database_url):
        position = store.last_position()
        store.close()
        return ProcessWriter(
            WriterStart(settings, position, has_wall_clock=clock is wall_clock),
            command=WRITER_COMMAND,
            inherits=[lock.fileno()],
            dialect=store.dialect,
            clock=clock,
            queue_events=settings.queue_events,
            publish=publish,
        )
    return ThreadWriter(
        store,
        shard=settings.shard,
        policy=LifecyclePolicy.from_settings(settings),
        clock=clock,
        new_id=new_id,
        commit_events=settings.commit_events,
        queue_events=settings.queue_events,
        publish=publish,
        builders={BUILDER: partial(build_appends, translator)},
    )


def _check_lake(lake: Path, head: Cursor) -> None:
    """Raise LogBehindLakeError if the lake has events that the log does not: two histories would mix.

    A manifest that cannot be read does not stop the API; the lake process reports it.
    """
    try:
        segments, _ = read_manifest(lake)
    except ManifestError:
        return
    for shard, sealed in sealed_cursor(segments).items():
        if sealed > head.get(shard, 0):
            raise LogBehindLakeError(
                f"shard {shard} of the lake in {lake} ends at position {sealed}, the log at "
                f"{head.get(shard, 0)}: restore the log, or move lake and warehouse away to start over"
            )


def _commit_follower(
    app: FastAPI,
    settings: Settings,
    engine: Engine,
    publish: Callable[[Sequence[StoredEvent]], None],
) -> "CommitFollower | None":
    """Return the follower of other processes' commits; None on SQLite."""
    if not is_multi_writer(settings.database_url):
        return None
    from ingest.cluster.commit_follower import CommitFollower

    def on_message(message: dict[str, Any]) -> None:
        typing.update_typing(app.state.context, **message)

    cursor = queries.head(engine)
    return CommitFollower(settings.database_url, engine, cursor, publish, on_message)


def _build_context(
    settings: Settings,
    writer: Writer,
    engine: Engine,
    secrets: SecretBox,
    control: ControlCache,
    broadcaster: Broadcaster,
    presence: PresenceTracker | None,
    translator: Translator,
    clock: Clock,
    new_id: NewId,
    follower: "CommitFollower | None",
) -> AppContext:
    egress = EgressClient(sorted(settings.webhook_networks, key=str))
    files = EgressClient(sorted(settings.attachment_networks, key=str))
    hooks = HookRunner(engine, egress, clock, secrets)
    registry = WebhookRegistry(engine, clock, secrets)
    accounts = ChannelRegistry(engine, partial(person_of, engine), secrets, clock)
    destinations = AllDestinations(registry, {DESTINATION_PREFIX: accounts})
    dispatcher = Dispatcher(destinations, writer, engine, broadcaster, egress, files, clock)
    metrics = Metrics(writer, broadcaster, hooks)
    return AppContext(
        writer=writer,
        api_keys=ApiKeyAuthenticator(engine, now=clock),
        engine=engine,
        metrics=metrics,
        typing=TypingRegistry(clock),
        tokens=UserTokens(get_or_create_token_secret(settings), clock),
        broadcaster=broadcaster,
        presence=presence,
        control=control,
        clock=clock,
        rate_limiter=RateLimiter(
            settings.requests_per_second, settings.user_requests_per_second, clock
        ),
        webhooks=registry,
        dispatcher=dispatcher,
        bot_watchdog=BotWatchdog(
            registry, dispatcher, writer, engine, clock, settings.bot_timeout_seconds
        ),
        hooks=hooks,
        conversation_channels=ConversationChannels(engine),
        unread=UnreadCounter(engine),
        states=StateCache(engine),
        secrets=secrets,
        accounts=AccountCache(engine, secrets, clock),
        channels=_channel_intake(
            settings, engine, writer, metrics, secrets, translator, egress, clock, new_id
        ),
        otlp=OtlpIntake(engine, writer, metrics, clock, settings.otlp_settle // MICROSECOND),
        public_url=settings.public_url,
        allowed_origins=frozenset(settings.allowed_origins),
        store_typing=settings.store_typing,
        chat_bot=settings.chat_bot if settings.chat else None,
        broadcast=None if follower is None else follower.broadcast,
    )


def _channel_intake(
    settings: Settings,
    engine: Engine,
    writer: Writer,
    metrics: Metrics,
    secrets: SecretBox,
    translator: Translator,
    egress: EgressClient,
    clock: Clock,
    new_id: NewId,
) -> ChannelIntake:
    names = NameLookups(engine, writer, egress, Resolver(engine, clock), clock)
    kept = settings.channel_calls_kept // MICROSECOND
    return ChannelIntake(engine, writer, metrics, secrets, translator, names, clock, new_id, kept)
