"""The parts of one application: each is built of its resources and of the log's writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Engine

from ingest.accounts.account_cache import AccountCache
from ingest.accounts.registry import DESTINATION_PREFIX
from ingest.accounts.secret_box import SecretBox
from ingest.api.channel_intake import ChannelIntake
from ingest.api.dependencies import AppContext
from ingest.api.metrics import Metrics
from ingest.api.name_lookups import NameLookups
from ingest.api.otlp_intake import OtlpIntake
from ingest.api.translator import Translator
from ingest.api.worker_metrics import WorkerMetrics
from ingest.auth.api_keys import ApiKeyAuthenticator
from ingest.auth.rate_limiter import RateLimiter
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
from ingest.log.unread_messages import UnreadCounter
from ingest.log.writer import Writer
from ingest.settings import Settings


@dataclass(frozen=True)
class Resources:
    """What the parts of one application are built of. `engine` only reads."""

    settings: Settings
    engine: Engine
    secrets: SecretBox
    translator: Translator
    clock: Clock
    new_id: NewId


@dataclass(frozen=True)
class LogAccess:
    """The way to the log: its writer, the other API processes if there can be any, and the number of this worker."""

    writer: Writer
    peers: Peers | None
    worker: int | None


class LiveParts:
    """What learns of each commit: the broadcaster, and the tracker of present agents once there is one."""

    def __init__(self, engine: Engine) -> None:
        """`engine` only reads."""
        self.control = ControlCache(engine)
        self.broadcaster = Broadcaster(self.control)
        self.presence: PresenceTracker | None = None

    def publish(self, events: Sequence[StoredEvent]) -> None:
        """Pass on committed events."""
        self.broadcaster.publish(events)
        if self.presence is not None:
            self.presence.update(events)


def build_context(resources: Resources, log: LogAccess, live: LiveParts) -> AppContext:
    """Return what the routes share. Nothing of it runs yet."""
    settings, engine, clock = resources.settings, resources.engine, resources.clock
    egress = EgressClient(sorted(settings.webhook_networks, key=str))
    hooks = HookRunner(engine, egress, clock, resources.secrets)
    webhooks = WebhookRegistry(engine, clock, resources.secrets)
    dispatcher = _dispatcher(resources, log.writer, live.broadcaster, webhooks, egress)
    metrics = _metrics(log, live.broadcaster, hooks)
    return AppContext(
        writer=log.writer,
        api_keys=ApiKeyAuthenticator(engine, now=clock),
        engine=engine,
        metrics=metrics,
        typing=TypingRegistry(clock),
        tokens=UserTokens(get_or_create_token_secret(settings), clock),
        broadcaster=live.broadcaster,
        presence=live.presence,
        control=live.control,
        clock=clock,
        rate_limiter=_rate_limiter(settings, clock),
        webhooks=webhooks,
        dispatcher=dispatcher,
        bot_watchdog=_bot_watchdog(resources, log.writer, webhooks, dispatcher),
        hooks=hooks,
        conversation_channels=ConversationChannels(engine),
        unread=UnreadCounter(engine),
        states=StateCache(engine),
        secrets=resources.secrets,
        accounts=AccountCache(engine, resources.secrets, clock),
        channels=_channel_intake(resources, log.writer, metrics, egress),
        otlp=_otlp_intake(resources, log, metrics),
        public_url=settings.public_url,
        allowed_origins=frozenset(settings.allowed_origins),
        store_typing=settings.store_typing,
        chat_bot=settings.chat_bot if settings.chat else None,
        peers=log.peers,
    )


def _metrics(log: LogAccess, broadcaster: Broadcaster, hooks: HookRunner) -> Metrics:
    if log.worker is None:
        return Metrics(log.writer, broadcaster, hooks)
    return WorkerMetrics(log.worker, log.writer, broadcaster, hooks)


def _rate_limiter(settings: Settings, clock: Clock) -> RateLimiter:
    return RateLimiter(settings.requests_per_second, settings.user_requests_per_second, clock)


def _dispatcher(
    resources: Resources,
    writer: Writer,
    broadcaster: Broadcaster,
    webhooks: WebhookRegistry,
    egress: EgressClient,
) -> Dispatcher:
    engine, clock = resources.engine, resources.clock
    files = EgressClient(sorted(resources.settings.attachment_networks, key=str))
    accounts = ChannelRegistry(engine, partial(person_of, engine), resources.secrets, clock)
    destinations = AllDestinations(webhooks, {DESTINATION_PREFIX: accounts})
    return Dispatcher(destinations, writer, engine, broadcaster, egress, files, clock)


def _bot_watchdog(
    resources: Resources, writer: Writer, webhooks: WebhookRegistry, dispatcher: Dispatcher
) -> BotWatchdog:
    timeout = resources.settings.bot_timeout_seconds
    return BotWatchdog(webhooks, dispatcher, writer, resources.engine, resources.clock, timeout)


def _channel_intake(
    resources: Resources, writer: Writer, metrics: Metrics, egress: EgressClient
) -> ChannelIntake:
    engine, clock = resources.engine, resources.clock
    return ChannelIntake(
        engine,
        writer,
        metrics,
        resources.secrets,
        resources.translator,
        NameLookups(engine, writer, egress, Resolver(engine, clock), clock),
        clock,
        resources.new_id,
        resources.settings.channel_calls_kept // MICROSECOND,
    )


def _otlp_intake(resources: Resources, log: LogAccess, metrics: Metrics) -> OtlpIntake:
    settle = resources.settings.otlp_settle // MICROSECOND
    has_peers = log.peers is not None
    return OtlpIntake(
        resources.engine, log.writer, metrics, resources.clock, settle, has_peers=has_peers
    )
