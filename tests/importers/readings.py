"""What items say, as the tests of real files compare it."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ingest.importers.base import Damage, ImportedEvent, Item

Said = tuple[str | None, str, datetime | None]
"""Sender, text and time of a message."""


def of(items: list[Item], event_type: str) -> list[dict[str, Any]]:
    events = [item.event for item in items if isinstance(item, ImportedEvent)]
    return [event for event in events if event["event_type"] == event_type]


def when(event: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(event["happened_at"]) if "happened_at" in event else None


def said(items: list[Item], sender: Callable[[dict[str, Any]], str | None]) -> list[Said]:
    return [(sender(event), event["text"], when(event)) for event in of(items, "message.created")]


def names(items: list[Item]) -> Callable[[dict[str, Any]], str | None]:
    """The name under which each participant joined."""
    joined = {
        event["participant_id"]: event.get("payload", {}).get("attributes", {}).get("name")
        for event in of(items, "participant.joined")
    }
    return lambda event: joined[event["participant_id"]]


def damage(items: list[Item]) -> list[Damage]:
    return [item for item in items if isinstance(item, Damage)]
