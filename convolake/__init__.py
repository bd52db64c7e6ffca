"""The commands that people start, and the clients with which they write bots and review conversations."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ingest.client import (
        AsyncClient,
        Category,
        Client,
        NewReview,
        Sample,
        SampleItem,
        Scorecard,
    )

__all__ = [
    "AsyncClient",
    "Category",
    "Client",
    "NewReview",
    "Sample",
    "SampleItem",
    "Scorecard",
]


def __getattr__(name: str) -> Any:
    """Import a client on first use: most commands need none, and start faster."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from ingest import client

    return getattr(client, name)
