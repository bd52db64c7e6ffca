"""The lifespan of the conversation API, from the lock on the log to the last event on disk."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from fastapi import FastAPI
from sqlalchemy import Engine

from ingest.accounts.account_cache import AccountCache
from ingest.accounts.registry import DESTINATION_PREFIX
from ingest.accounts.secret_box import SecretBox
from ingest.api.background_tasks import background_tasks, restart_on_failure
from ingest.api.channel_intake import ChannelIntake
from ingest.api.dependencies import AppContext
from ingest.api.log_access import Seat, open_log, open_writer
from ingest.api.metrics import Metrics
from ingest.api.name_lookups import NameLookups
from ingest.api.otlp_intake import OtlpIntake
from ingest.api.peer_messages import receive_message
from ingest.api.translator import Translator, open_translator
from ingest.api.worker_metrics import WorkerMetrics
from ingest.auth.api_keys import ApiKeyAuthenticator
from ingest.auth.rate_limiter import RateLimiter
from ingest.auth.secret_keys import open_secret_box
from ingest.auth.tokens import UserTokens, get_or_create_token_secret
from ingest.clock import Clock, NewId
from ingest.cluster.peers import Peers
from ingest.contract import MICROSECOND
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
from ingest.hooks.runner import HookRunner
from ingest.identity.people import person_of
from ingest.identity.resolver import Resolver
from ingest.log.queries import ConversationChannels
from ingest.log.state_cache import StateCache
from ingest.log.storage.engine import open_engine
from ingest.log.unread_messages import UnreadCounter
from ingest.log.writer import Writer
from ingest.settings import Settings


@asynccontextmanager
async def lifespan(
    app: FastAPI, settings: Settings, clock: Clock, new_id: NewId, seat: Seat | None = None
) -> AsyncIterator[None]:
    """Open everything that the routes share (`app.state.context`), and close it at the end."""
    async with open_log(settings, seat) as log:
        engine = open_engine(settings.database_url, read_only=True)
        secrets = open_secret_box(settings)
        control = ControlCache(engine)
        broadcaster = Broadcaster(control)
        presence: PresenceTracker | None = None

        def publish(events: Sequence[StoredEvent]) -> None:
            broadcaster.publish(events)
            if presence is not None:
                presence.update(events)

        def on_message(message: dict[str, Any]) -> None:
            receive_message(app.state.context, message)

        translator = open_translator(settings, clock)
        writer, peers = open_writer(
            log, settings, engine, translator, clock, new_id, publish, on_message
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
            peers,
            seat,
        )
        app.state.context, app.state.new_id = context, new_id
        writer.start()
        tasks = [
            asyncio.create_task(restart_on_failure(task))
            for task in background_tasks(context, peers, None if seat is None else seat.group)
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await context.dispatcher.close()
        await asyncio.to_thread(writer.stop)
        context.channels.close()
        engine.dispose()


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
    peers: Peers | None,
    seat: Seat | None,
) -> AppContext:
    egress = EgressClient(sorted(settings.webhook_networks, key=str))
    files = EgressClient(sorted(settings.attachment_networks, key=str))
    hooks = HookRunner(engine, egress, clock, secrets)
    registry = WebhookRegistry(engine, clock, secrets)
    accounts = ChannelRegistry(engine, partial(person_of, engine), secrets, clock)
    destinations = AllDestinations(registry, {DESTINATION_PREFIX: accounts})
    dispatcher = Dispatcher(destinations, writer, engine, broadcaster, egress, files, clock)
    metrics = (
        Metrics(writer, broadcaster, hooks)
        if seat is None
        else WorkerMetrics(seat.number, writer, broadcaster, hooks)
    )
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
        otlp=OtlpIntake(
            engine,
            writer,
            metrics,
            clock,
            settings.otlp_settle // MICROSECOND,
            has_peers=peers is not None,
        ),
        public_url=settings.public_url,
        allowed_origins=frozenset(settings.allowed_origins),
        store_typing=settings.store_typing,
        chat_bot=settings.chat_bot if settings.chat else None,
        peers=peers,
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
