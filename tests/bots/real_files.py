"""Reads real files of bot frameworks, which are third-party data next to the checkout."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.importers.base import Damage, ImportedEvent, Item
from tests.real_files import DATA

LOGS = DATA / "D_bot_logs"
needs_files = pytest.mark.skipif(
    not LOGS.exists(), reason="the files are not next to this checkout"
)

Said = tuple[str, str, datetime | None]
"""Role, text and time of a message."""


def files(folder: str, *, without: str = "\0") -> list[Path]:
    """The files of a folder, none where the folder is absent."""
    found = sorted((LOGS / folder).glob("*")) if LOGS.exists() else []
    return [path for path in found if without not in path.name]


def events(items: list[Item], event_type: str = "") -> list[dict[str, Any]]:
    found = (item.event for item in items if isinstance(item, ImportedEvent))
    return [event for event in found if event_type in ("", event["event_type"])]


def when(event: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(event["happened_at"]) if "happened_at" in event else None


def said(items: list[Item]) -> list[Said]:
    """The messages that customers see."""
    return [
        (event["participant_role"], event["text"], when(event))
        for event in events(items, "message.created")
        if event.get("visibility") != "internal"
    ]


def damage(items: list[Item]) -> list[Damage]:
    return [item for item in items if isinstance(item, Damage)]


def types(items: list[Item]) -> Counter[str]:
    return Counter(event["event_type"] for event in events(items))


def by_conversation(items: list[Item]) -> Iterator[list[dict[str, Any]]]:
    """The events of each conversation, in the order of the first ones."""
    found: dict[str, list[dict[str, Any]]] = {}
    for event in events(items):
        found.setdefault(event["conversation_id"], []).append(event)
    yield from found.values()
