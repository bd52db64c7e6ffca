"""The life of the conversation API, from the lock on the log to the last event on disk."""

import asyncio
import fcntl
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from fastapi import FastAPI
from sqlalchemy import Engine

from ingest.api.dependencies import AppContext
from ingest.api.metrics import Metrics
from ingest.api.routes import typing
from ingest.auth.api_keys import ApiKeyAuthenticator, update_last_used
from ingest.auth.rate_limiter import RateLimiter
from ingest.auth.tokens import UserTokens, get_or_create_token_secret
from ingest.delivery.bot_watchdog import BotWatchdog
from ingest.delivery.dispatcher import Dispatcher
from ingest.delivery.live.broadcaster import Broadcaster
from ingest.delivery.live.typing import TypingRegistry
from ingest.egress.client import EgressClient
from ingest.errors import LogUnavailableError
from ingest.events.stored_event import StoredEvent
from ingest.events.timers import LifecyclePolicy
from ingest.hooks.runner import HookRunner
from ingest.log import rebuild
from ingest.log.queries import ConversationChannels
from ingest.log.storage.engine import is_multi_writer, migrate, open_engine
from ingest.log.storage.store import Store
from ingest.log.writer import Writer
from ingest.log.writer_requests import Execute
from ingest.manifest import ManifestError, read_manifest
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.cluster.commit_follower import CommitFollower

logger = logging.getLogger(__name__)


BackgroundTask = Callable[[], Coroutine[Any, Any, None]]


class LogLockedError(RuntimeError):
    """Another process writes this log already; on SQLite there is one."""


def acquire_log_lock(settings: Settings) -> IO[str]:
    """The log's lock, held while the file is open. The kernel lets go of it if we die.

    Raises LogLockedError, but on PostgreSQL: there it only tells the lake that somebody writes.
    """
    path = settings.lock_path
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    kind = fcntl.LOCK_SH if is_multi_writer(settings.database_url) else fcntl.LOCK_EX
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise LogLockedError(
            f"another API process writes the log in {path.parent}; stop it first"
        ) from error
    return file


class LogBehindLakeError(RuntimeError):
    """The log ends before the sealed record does: it is another log, or an older copy of it."""


def _check_lake(lake: Path, position: int) -> None:
    """Refuse to go on where the lake holds what the log does not: two histories would mix.

    A manifest that cannot be read does not stop recording; the lake process reports it.
    """
    try:
        segments, _ = read_manifest(lake)
    except ManifestError:
        return
    if segments and segments[-1].last_position > position:
        raise LogBehindLakeError(
            f"the lake in {lake} goes to position {segments[-1].last_position}, the log only to "
            f"{position}: restore the log, or move lake and warehouse away to begin anew"
        )


@asynccontextmanager
async def lifespan(
    app: FastAPI, settings: Settings, clock: Callable[[], int], new_id: Callable[[], str]
) -> AsyncIterator[None]:
    """Open all that the routes share (`app.state.api`), and close it when the block ends."""
    with acquire_log_lock(settings):
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        reader = open_engine(settings.database_url, read_only=True)
        store = _open_store(settings, engine)
        hub = Broadcaster()
        follower = _follower(app, settings, reader, store.last_position(), hub)
        publish = hub.publish if follower is None else follower.on_commit
        writer = _writer(settings, store, clock, new_id, publish)
        api = app.state.api = _build_context(settings, writer, reader, hub, clock, follower)
        app.state.new_id = new_id
        writer.start()
        running: list[BackgroundTask] = [
            partial(_run_timers, writer),
            partial(_record_key_usage, writer, api.api_keys),
            *_background_tasks(settings, api, follower),
        ]
        tasks = [asyncio.create_task(_restart_on_failure(each)) for each in running]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.dispatcher.egress.close()
        await asyncio.to_thread(writer.stop)
        reader.dispose()
        engine.dispose()


async def _restart_on_failure(work: BackgroundTask) -> None:
    """Do what is done beside the routes; a fault is logged, and it is begun again."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("what runs beside the routes failed; it is begun again")
        await asyncio.sleep(RESTART_SECONDS)


RESTART_SECONDS = 1.0


def _open_store(settings: Settings, engine: Engine) -> Store:
    """The store, with its state folded."""
    store = Store(engine)
    store.begin(0)  # of several processes that start at once, one folds
    if rebuild.needs_rebuild(engine):
        logger.warning("folding the log anew: its state is of an older version, or gone")
        rebuild.rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    store.rollback()
    _check_lake(settings.lake_path, store.last_position())
    return store


def _follower(
    app: FastAPI, settings: Settings, reader: Engine, position: int, hub: Broadcaster
) -> "CommitFollower | None":
    """What hears the other processes, if there may be any."""
    if not is_multi_writer(settings.database_url):
        return None
    from ingest.cluster.commit_follower import CommitFollower

    def hear(words: dict[str, Any]) -> None:
        typing.note_typing(app.state.api, **words)

    return CommitFollower(settings.database_url, reader, position, hub.publish, hear)


def _background_tasks(
    settings: Settings, api: AppContext, follower: "CommitFollower | None"
) -> list[BackgroundTask]:
    """What is done beside the routes, by one process only where several share a log."""
    if follower is None:
        return [api.dispatcher.run]
    from ingest.cluster.leader import run_as_leader

    return [
        follower.run,
        partial(run_as_leader, settings.database_url, api.dispatcher.run),
        partial(_reload_hooks, api.hooks),
    ]


HOOK_RELOAD_SECONDS = 1.0


async def _reload_hooks(hooks: HookRunner) -> None:
    """Ask the hooks that another process was told of, after so long at the latest."""
    while True:
        await hooks.reload()
        await asyncio.sleep(HOOK_RELOAD_SECONDS)


def _build_context(
    settings: Settings,
    writer: Writer,
    reader: Engine,
    hub: Broadcaster,
    clock: Callable[[], int],
    follower: "CommitFollower | None",
) -> AppContext:
    """What the routes share."""
    sender = EgressClient(sorted(settings.webhook_networks, key=str))
    asked = HookRunner(reader, sender, clock)
    silence = BotWatchdog(writer, reader, clock, settings.bot_timeout_seconds)
    return AppContext(
        writer=writer,
        api_keys=ApiKeyAuthenticator(reader, now=clock),
        engine=reader,
        metrics=Metrics(writer, hub, asked),
        typing=TypingRegistry(clock),
        tokens=UserTokens(get_or_create_token_secret(settings), clock),
        broadcaster=hub,
        clock=clock,
        rate_limiter=RateLimiter(
            settings.requests_per_second, settings.user_requests_per_second, clock
        ),
        dispatcher=Dispatcher(writer, reader, hub, sender, clock, silence),
        hooks=asked,
        conversation_channels=ConversationChannels(reader),
        allowed_origins=frozenset(settings.allowed_origins),
        store_typing=settings.store_typing,
        chat_bot=settings.chat_bot if settings.chat else None,
        broadcast=None if follower is None else follower.broadcast,
    )


TIMER_POLL_SECONDS = 1.0


async def _run_timers(writer: Writer) -> None:
    """Have done what is due, once a second. What could not be done now is due the next time."""
    while True:
        with suppress(LogUnavailableError):
            await writer.run_timers()
        await asyncio.sleep(TIMER_POLL_SECONDS)


KEY_USAGE_SECONDS = 60.0


async def _record_key_usage(writer: Writer, keyring: ApiKeyAuthenticator) -> None:
    """Write down once a minute which keys were used."""
    while True:
        await asyncio.sleep(KEY_USAGE_SECONDS)
        changes = [update_last_used(key_id, at) for key_id, at in keyring.drain_usage().items()]
        if changes:
            with suppress(LogUnavailableError):
                await writer.execute(Execute(changes))


def _writer(
    settings: Settings,
    store: Store,
    clock: Callable[[], int],
    new_id: Callable[[], str],
    publish: Callable[[Sequence[StoredEvent]], None],
) -> Writer:
    return Writer(
        store,
        shard=settings.shard,
        policy=LifecyclePolicy.from_settings(settings),
        clock=clock,
        new_id=new_id,
        commit_events=settings.commit_events,
        queue_events=settings.queue_events,
        publish=publish,
    )
