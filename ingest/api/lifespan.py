"""The lifespan of the conversation API, from the lock on the log to the last event on disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from ingest.api.app_parts import LiveParts, LogAccess, Resources, build_context
from ingest.api.background_tasks import background_tasks, restart_on_failure
from ingest.api.dependencies import AppContext
from ingest.api.log_access import OwnLog, Seat, open_log, open_writer
from ingest.api.peer_messages import receive_message
from ingest.api.translator import open_translator
from ingest.auth.secret_keys import open_secret_box
from ingest.clock import Clock, NewId
from ingest.delivery.live.presence import PresenceTracker
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings


@asynccontextmanager
async def lifespan(
    app: FastAPI, settings: Settings, clock: Clock, new_id: NewId, seat: Seat | None = None
) -> AsyncIterator[None]:
    """Open everything that the routes share (`app.state.context`), and close it at the end."""
    async with open_log(settings, seat) as log:
        resources = Resources(
            settings=settings,
            engine=open_engine(settings.database_url, read_only=True),
            secrets=open_secret_box(settings),
            translator=open_translator(settings, clock),
            clock=clock,
            new_id=new_id,
        )
        context = _open_context(app, resources, log)
        app.state.context, app.state.new_id = context, new_id
        context.writer.start()
        tasks = [
            asyncio.create_task(restart_on_failure(task))
            for task in background_tasks(
                context, context.peers, None if seat is None else seat.group
            )
        ]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await context.dispatcher.close()
        await asyncio.to_thread(context.writer.stop)
        context.channels.close()
        resources.engine.dispose()


def _open_context(app: FastAPI, resources: Resources, log: OwnLog | Seat) -> AppContext:
    live = LiveParts(resources.engine)

    def on_message(message: dict[str, Any]) -> None:
        receive_message(app.state.context, message)

    writer, peers = open_writer(
        log,
        resources.settings,
        resources.engine,
        resources.translator,
        resources.clock,
        resources.new_id,
        live.publish,
        on_message,
    )
    if resources.settings.agent_disconnected_after is not None:
        live.presence = PresenceTracker(writer)
    worker = log.number if isinstance(log, Seat) else None
    return build_context(resources, LogAccess(writer, peers, worker), live)
