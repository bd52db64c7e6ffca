"""The conversation API as an ASGI application."""

from collections.abc import Callable

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from ingest.api import asyncapi_document, openapi_document, problems
from ingest.api.lifespan import lifespan
from ingest.api.log_access import Seat
from ingest.api.routes import (
    audit,
    bots,
    channel_calls,
    channels,
    chat,
    contact_merges,
    contacts,
    conversations,
    deliveries,
    events,
    handoffs,
    hooks,
    ingest_stats,
    live,
    messages,
    operations,
    otlp,
    participants,
    rejected_events,
    review_samples,
    reviews,
    sends,
    tokens,
    typing,
    webhooks,
)
from ingest.clock import new_uuid7, wall_clock
from ingest.settings import Settings

ROUTERS = (
    live.router,  # first, because its path must match fast when all clients reconnect at once
    messages.raw,
    events.raw,
    otlp.raw,
    conversations.raw,
    bots.raw,
    conversations.commands,
    participants.commands,
    messages.commands,
    handoffs.commands,
    contacts.commands,
    contact_merges.commands,
    reviews.commands,
    audit.commands,
    review_samples.commands,
    conversations.router,
    participants.router,
    handoffs.router,
    handoffs.listing,
    contacts.router,
    contact_merges.router,
    messages.router,
    events.router,
    typing.router,
    tokens.router,
    channel_calls.raw,
    channels.router,
    sends.router,
    webhooks.router,
    deliveries.router,
    hooks.router,
    chat.router,
    ingest_stats.router,
    rejected_events.router,
    review_samples.router,
    operations.router,
)


def create_app(
    settings: Settings,
    clock: Callable[[], int] = wall_clock,
    new_id: Callable[[], str] = new_uuid7,
    seat: Seat | None = None,
) -> FastAPI:
    """Build the API over the data folder of `settings`. Opens nothing before its lifespan starts.

    `seat`: its place among several API processes that share a writer.
    """
    app = FastAPIOffline(
        title="Convolake conversation API",
        version="1",
        description=_DESCRIPTION,
        lifespan=lambda app: lifespan(app, settings, clock, new_id, seat),
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    problems.install(app)
    openapi_document.install(app)
    for router in ROUTERS:
        app.include_router(router)
    asyncapi_document.install(app)
    return app


_DESCRIPTION = """
Every conversation on the record. A 2xx answer to a write says that the event is on disk.
Send `Authorization: Bearer ck_…`; `convolake keys create` makes a key.
Errors are problem+json (RFC 9457) with a stable `code` and, where it helps, a `field`.
"""
