"""Tasks that run on the event loop while the API serves requests."""

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

from ingest.api.dependencies import AppContext
from ingest.api.heartbeat import send_beats
from ingest.api.peer_messages import report_metrics
from ingest.api.worker_metrics import WorkerMetrics
from ingest.auth.api_keys import ApiKeyAuthenticator, update_last_used
from ingest.cluster.peers import Peers
from ingest.errors import LogUnavailableError
from ingest.hooks.runner import HookRunner
from ingest.log.writer import Writer
from ingest.log.writer_requests import Execute

logger = logging.getLogger(__name__)

BackgroundTask = Callable[[], Coroutine[Any, Any, None]]

RESTART_SECONDS = 1.0
"""Pause before a task that failed starts again."""

TIMER_POLL_SECONDS = 1.0
"""Interval at which due timers run."""

KEY_USAGE_SECONDS = 60.0
"""Interval at which the last use of API keys is saved."""

HOOK_RELOAD_SECONDS = 1.0
"""Interval at which hooks are read again that another process may have changed."""


def background_tasks(
    context: AppContext, peers: Peers | None, group: socket.socket | None
) -> list[BackgroundTask]:
    """Return the tasks of one process. Where several share a log, only the leader delivers."""
    tasks: list[BackgroundTask] = [
        partial(_run_timers, context.writer),
        partial(_save_key_usage, context.writer, context.api_keys),
        context.channels.save_refusals,
        context.channels.names.run,
    ]
    if group is not None:
        tasks.append(partial(send_beats, group))
    if context.presence is not None:
        tasks.append(context.presence.run)
    deliver = partial(_deliver, context)
    if peers is None:
        return [*tasks, deliver]
    if isinstance(context.metrics, WorkerMetrics):
        tasks.append(partial(report_metrics, context.metrics, peers))
    return [
        *tasks,
        peers.run,
        partial(peers.lead, deliver),
        partial(_reload_hooks, context.hooks),
    ]


async def restart_on_failure(task: BackgroundTask) -> None:
    """Run a task without end. An error is logged, and the task starts again."""
    while True:
        try:
            await task()
        except Exception:
            logger.exception("a background task failed; it starts again")
        await asyncio.sleep(RESTART_SECONDS)


async def _deliver(context: AppContext) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(context.dispatcher.run())
        tasks.create_task(context.bot_watchdog.run())
        tasks.create_task(context.channels.release_waiting())
        tasks.create_task(context.channels.purge_calls())
        tasks.create_task(context.otlp.convert())
        tasks.create_task(context.otlp.purge())


async def _run_timers(writer: Writer) -> None:
    while True:
        with suppress(LogUnavailableError):  # the timers stay due
            await writer.run_timers()
        await asyncio.sleep(TIMER_POLL_SECONDS)


async def _save_key_usage(writer: Writer, api_keys: ApiKeyAuthenticator) -> None:
    while True:
        await asyncio.sleep(KEY_USAGE_SECONDS)
        usage = api_keys.drain_usage()
        statements = [update_last_used(key_id, used_at) for key_id, used_at in usage.items()]
        if statements:
            with suppress(LogUnavailableError):
                await writer.execute(Execute(statements))


async def _reload_hooks(hooks: HookRunner) -> None:
    while True:
        await hooks.reload()
        await asyncio.sleep(HOOK_RELOAD_SECONDS)
