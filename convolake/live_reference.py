"""The sockets' part of `docs/reference.md`: OpenAPI describes HTTP only."""

import ast
import inspect
from collections.abc import Callable, Iterator
from itertools import pairwise
from types import ModuleType

from fastapi.routing import APIWebSocketRoute

from ingest.api.routes import live
from ingest.auth import tokens
from ingest.delivery.live import broadcaster as delivery
from ingest.delivery.live import protocol

Rows = Iterator[tuple[str, ...]]

EXAMPLES: dict[Callable[..., bytes], bytes] = {
    protocol.event_frame: protocol.event_frame(b'{"event_id":"order-7-m1","sequence":7}'),
    protocol.live_frame: protocol.live_frame("after_sequence", 7),
    protocol.heartbeat_frame: protocol.heartbeat_frame("after_sequence", 7),
    protocol.typing_frame: protocol.typing_frame(
        [{"participant_id": "ada", "until": "2030-01-01T10:00:05+00:00"}]
    ),
}
"""Example arguments of every frame, by its function."""

FIGURES: list[tuple[ModuleType, str]] = [
    (protocol, "SUBPROTOCOL"),
    (protocol, "HEARTBEAT_SECONDS"),
    (protocol, "PING_SECONDS"),
    (protocol, "STALLED_SECONDS"),
    (protocol, "MAX_CLIENT_FRAME_BYTES"),
    (delivery, "MAX_BUFFERED_EVENTS"),
    (delivery, "PAGE_EVENTS"),
    (tokens, "MAX_TOKEN_SECONDS"),
]
"""Constants that a client author needs."""


def sockets() -> list[APIWebSocketRoute]:
    """Return the WebSocket routes."""
    return [route for route in live.router.routes if isinstance(route, APIWebSocketRoute)]


def socket_rows() -> Rows:
    """Yield path, parameters and meaning of each socket."""
    yield "socket", "parameter", "meaning"
    for route in sockets():
        parameters = [
            f"`{field.alias}`: {field.field_info.description}; {field.field_info.default} if unset"
            for field in route.dependant.query_params
        ]
        yield f"`{route.path_format}`", "; ".join(parameters), _sentence(route.endpoint)


def frame_rows() -> Rows:
    """Yield an example of each frame, and its meaning."""
    yield "frame", "meaning"
    for make, example in EXAMPLES.items():
        yield f"`{example.decode()}`", _sentence(make)


def close_rows() -> Rows:
    """Yield the close codes and their reasons."""
    yield "close code", "meaning, and what to do"
    for close in protocol.CloseCode:
        yield f"{close.value}", close.meaning


def figure_rows() -> Rows:
    """Yield times and sizes, with their docstrings."""
    yield "figure", "meaning"
    for module, name in FIGURES:
        value = getattr(module, name)
        figure = f"{value:g} s" if isinstance(value, float) else f"{value}"
        yield figure, _docstring_of(module, name)


def handshake_errors() -> str:
    """Return the errors that may answer a WebSocket handshake."""
    return ", ".join(f"`{kind.code}` ({kind.status})" for kind in live.HANDSHAKE_ERRORS)


def _sentence(thing: Callable[..., object]) -> str:
    return " ".join((inspect.getdoc(thing) or "").split())


def _docstring_of(module: ModuleType, name: str) -> str:
    """Return the docstring of a constant: Python keeps it in the source only."""
    body = ast.parse(inspect.getsource(module)).body
    for line, after in pairwise(body):
        names = [ast.unparse(each) for each in line.targets] if isinstance(line, ast.Assign) else []
        if name in names and isinstance(after, ast.Expr):
            return str(ast.literal_eval(after.value))
    raise LookupError(f"{name} of {module.__name__} does not say what it is for")
