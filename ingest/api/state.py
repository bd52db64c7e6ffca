"""What the routes share: the log's writer, the keys, a reader of the store, the counters."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fastapi import Request
from sqlalchemy import Engine

from ingest.api.bodies import header
from ingest.api.keys import Keyring
from ingest.api.metrics import Metrics
from ingest.log.writer import Writer

if TYPE_CHECKING:
    from ingest.api.presence import Typists


@dataclass(frozen=True)
class ApiState:
    """Made at start-up, one for each application."""

    writer: Writer
    keyring: Keyring
    reader: Engine
    metrics: Metrics
    typists: "Typists"
    stores_typing: bool = False


def state_of(request: Request) -> ApiState:
    """The application's state."""
    return cast("ApiState", request.app.state.api)


def authorize(request: Request) -> str:
    """Source of the request's key. Raises UnauthorizedError."""
    return state_of(request).keyring.source(header(request, b"authorization"))
