"""The commands that people start, and `Client` and `AsyncClient`, with which they write bots."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.client import AsyncClient, Client

__all__ = ["AsyncClient", "Client"]


def __getattr__(name: str) -> Any:
    """Import a client on first use: most commands need none, and start faster."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ingest import client

    return getattr(client, name)
