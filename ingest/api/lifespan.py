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

from ingest.api.dependencies import ApiState
from ingest.api.metrics import Metrics
from ingest.api.routes import typing
from ingest.auth.api_keys import Keyring, used_key
from ingest.auth.rate_limiter import Limits
from ingest.auth.tokens import Tokens, token_secret
from ingest.delivery.bot_watchdog import Silence
from ingest.delivery.dispatcher import Deliverer
from ingest.delivery.live.broadcaster import Hub
from ingest.delivery.live.typing import Typists
from ingest.egress.client import Sender
from ingest.errors import LogUnavailableError
from ingest.events.stored_event import Row
from ingest.events.timers import Rules
from ingest.hooks.runner import Hooks
from ingest.log import rebuild
from ingest.log.queries import Channels
from ingest.log.storage.base import is_shared, migrate, open_engine
from ingest.log.storage.store import Store
from ingest.log.writer import Change, Writer
from ingest.manifest import ManifestError, read_manifest
from ingest.settings import Settings

if TYPE_CHECKING:
    from ingest.cluster.commit_follower import Follower

logger = logging.getLogger(__name__)


Work = Callable[[], Coroutine[Any, Any, None]]


class LogLockedError(RuntimeError):
    """Another process writes this log already; on SQLite there is one."""


def take_lock(settings: Settings) -> IO[str]:
    """The log's lock, held while the file is open. The kernel lets go of it if we die.

    Raises LogLockedError, but on PostgreSQL: there it only tells the lake that somebody writes.
    """
    path = settings.lock_path
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("a")
    kind = fcntl.LOCK_SH if is_shared(settings.database_url) else fcntl.LOCK_EX
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
async def living(
    app: FastAPI, settings: Settings, clock: Callable[[], int], new_id: Callable[[], str]
) -> AsyncIterator[None]:
    """Open all that the routes share (`app.state.api`), and close it when the block ends."""
    with take_lock(settings):
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        reader = open_engine(settings.database_url, read_only=True)
        store = _open_store(settings, engine)
        hub = Hub()
        follower = _follower(app, settings, reader, store.last_position(), hub)
        publish = hub.publish if follower is None else follower.committed
        writer = _writer(settings, store, clock, new_id, publish)
        api = app.state.api = _state(settings, writer, reader, hub, clock, follower)
        app.state.new_id = new_id
        writer.start()
        running: list[Work] = [
            partial(_run_timers, writer),
            partial(_note_used, writer, api.keyring),
            *_shared(settings, api, follower),
        ]
        tasks = [asyncio.create_task(_for_ever(each)) for each in running]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await api.deliverer.sender.close()
        await asyncio.to_thread(writer.stop)
        reader.dispose()
        engine.dispose()


async def _for_ever(work: Work) -> None:
    """Do what is done beside the routes; a fault is logged, and it is begun again."""
    while True:
        try:
            await work()
        except Exception:
            logger.exception("what runs beside the routes failed; it is begun again")
        await asyncio.sleep(AGAIN_SECONDS)


AGAIN_SECONDS = 1.0


def _open_store(settings: Settings, engine: Engine) -> Store:
    """The store, with its state folded."""
    store = Store(engine)
    store.begin(0)  # of several processes that start at once, one folds
    if rebuild.is_needed(engine):
        logger.warning("folding the log anew: its state is of an older version, or gone")
        rebuild.refold(engine, store, Rules.of(settings))
    store.rollback()
    _check_lake(settings.lake_path, store.last_position())
    return store


def _follower(
    app: FastAPI, settings: Settings, reader: Engine, position: int, hub: Hub
) -> "Follower | None":
    """What hears the other processes, if there may be any."""
    if not is_shared(settings.database_url):
        return None
    from ingest.cluster.commit_follower import Follower

    def hear(words: dict[str, Any]) -> None:
        typing.note_typing(app.state.api, **words)

    return Follower(settings.database_url, reader, position, hub.publish, hear)


def _shared(settings: Settings, api: ApiState, follower: "Follower | None") -> list[Work]:
    """What is done beside the routes, by one process only where several share a log."""
    if follower is None:
        return [api.deliverer.run]
    from ingest.cluster.leader import alone

    return [
        follower.run,
        partial(alone, settings.database_url, api.deliverer.run),
        partial(_look_at_hooks, api.hooks),
    ]


HOOKS_SECONDS = 1.0


async def _look_at_hooks(hooks: Hooks) -> None:
    """Ask the hooks that another process was told of, after so long at the latest."""
    while True:
        await hooks.look()
        await asyncio.sleep(HOOKS_SECONDS)


def _state(
    settings: Settings,
    writer: Writer,
    reader: Engine,
    hub: Hub,
    clock: Callable[[], int],
    follower: "Follower | None",
) -> ApiState:
    """What the routes share."""
    sender = Sender(sorted(settings.webhook_networks, key=str))
    asked = Hooks(reader, sender, clock)
    silence = Silence(writer, reader, clock, settings.bot_silence_seconds)
    return ApiState(
        writer=writer,
        keyring=Keyring(reader, now=clock),
        reader=reader,
        metrics=Metrics(writer, hub, asked),
        typists=Typists(clock),
        tokens=Tokens(token_secret(settings), clock),
        hub=hub,
        clock=clock,
        limits=Limits(settings.requests_per_second, settings.user_requests_per_second, clock),
        deliverer=Deliverer(writer, reader, hub, sender, clock, silence),
        hooks=asked,
        channels=Channels(reader),
        origins=frozenset(settings.origins),
        stores_typing=settings.store_typing,
        chat_bot=settings.chat_bot if settings.chat else None,
        say=None if follower is None else follower.say,
    )


TIMER_SECONDS = 1.0


async def _run_timers(writer: Writer) -> None:
    """Have done what is due, once a second. What could not be done now is due the next time."""
    while True:
        with suppress(LogUnavailableError):
            await writer.run_due()
        await asyncio.sleep(TIMER_SECONDS)


USED_SECONDS = 60.0


async def _note_used(writer: Writer, keyring: Keyring) -> None:
    """Write down once a minute which keys were used."""
    while True:
        await asyncio.sleep(USED_SECONDS)
        changes = [used_key(key_id, at) for key_id, at in keyring.take_used().items()]
        if changes:
            with suppress(LogUnavailableError):
                await writer.change(Change(changes))


def _writer(
    settings: Settings,
    store: Store,
    clock: Callable[[], int],
    new_id: Callable[[], str],
    publish: Callable[[Sequence[Row]], None],
) -> Writer:
    return Writer(
        store,
        shard=settings.shard,
        rules=Rules.of(settings),
        clock=clock,
        new_id=new_id,
        commit_events=settings.commit_events,
        queue_events=settings.queue_events,
        publish=publish,
    )
