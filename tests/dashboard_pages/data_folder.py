"""Data folders of these tests."""

from pathlib import Path
from typing import Any

from ingest.settings import Settings
from tests.dashboard_pages.stories import ZONE


def settings_of(folder: Path) -> Settings:
    return Settings(data=folder, reporting_zone=ZONE)


def small(conversation_id: str) -> dict[str, Any]:
    return {
        "event_type": "conversation.created",
        "conversation_id": conversation_id,
        "channel": "web",
    }
