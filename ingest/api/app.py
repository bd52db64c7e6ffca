"""The conversation API as an application: the pages it is made of."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from fastapi import FastAPI, Response
from fastapi.responses import PlainTextResponse
from fastapi_offline import FastAPIOffline

from ingest.api import (
    accounting,
    chat,
    commands,
    conversations,
    hooks,
    hot,
    live,
    messages,
    presence,
    problems,
    webhooks,
)
from ingest.api.life import living
from ingest.settings import Settings
from ingest.stamps import new_uuid7, wall_clock

if TYPE_CHECKING:
    pass

logger = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    clock: Callable[[], int] = wall_clock,
    new_id: Callable[[], str] = new_uuid7,
) -> FastAPI:
    """The API over the data folder of `settings`. Nothing is opened before it starts."""
    app = FastAPIOffline(
        title="Convolake conversation API",
        version="1",
        description=_DESCRIPTION,
        lifespan=lambda app: living(app, settings, clock, new_id),
        redoc_url=None,
    )
    problems.install(app)
    app.include_router(live.router)  # first: when all come back at once, the way to it counts
    app.include_router(hot.router)
    app.include_router(conversations.commands)
    for router in commands.ROUTERS:
        app.include_router(router)
    for page in (conversations, messages, presence, webhooks, hooks, chat, accounting):
        app.include_router(page.router)
    _add_operations(app)
    return app


def _add_operations(app: FastAPI) -> None:
    @app.get("/healthz", tags=["operations"])
    def healthz() -> dict[str, str]:
        """The process lives."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"])
    def readyz(response: Response) -> dict[str, str]:
        """The log takes events; 503 and why if it does not."""
        writer = app.state.api.writer
        failure = writer.failure or writer.trouble
        if failure is None:
            return {"status": "ok"}
        response.status_code = 503
        return {"status": "failing", "detail": failure}

    @app.get("/metrics", tags=["operations"], response_class=PlainTextResponse)
    def metrics() -> PlainTextResponse:
        """Counters for Prometheus."""
        return PlainTextResponse(
            app.state.api.metrics.text(), media_type="text/plain; version=0.0.4"
        )


_DESCRIPTION = """
Every conversation on the record. A 2xx answer to a write says that the event is on disk.
Send `Authorization: Bearer ck_…`; `convolake keys create` makes a key.
Errors are problem+json (RFC 9457) with a stable `code` and, where it helps, a `field`.
"""
