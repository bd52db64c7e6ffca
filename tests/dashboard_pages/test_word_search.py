"""A search for words finds them wherever a conversation of the period has them, and in no other conversation."""

from datetime import date
from pathlib import Path

import pytest

from dashboards.conversations.data import load_conversations
from dashboards.filter_state import Period, Scope, Search
from ingest.settings import Settings
from tests.dashboard_pages.data_folder import settings_of
from tests.dashboard_pages.stories import NOW
from tests.factories import Clock, Record

WEEK = Period(date(2030, 2, 11), date(2030, 2, 17))
SAID = {
    "before": ("2030-02-05", "2030-02-12"),
    "within": ("2030-02-12", "2030-02-13"),
    "after": ("2030-02-12", "2030-03-20"),
    "earlier": ("2030-01-02", "2030-01-03"),
    "later": ("2030-02-20", "2030-02-21"),
}
"""First and second message of each conversation; the word is in the one that its name tells."""


@pytest.fixture
def spoken(tmp_path: Path) -> Settings:
    settings = settings_of(tmp_path)
    events = []
    for name, days in SAID.items():
        texts = ("Überfällig", "x") if name in ("before", "earlier") else ("x", "Überfällig")
        opened = {"event_type": "conversation.created", "channel": "web"}
        said = {
            "event_type": "message.created",
            "participant_id": "ada",
            "participant_role": "customer",
        }
        of = {"conversation_id": name}
        events.append(of | opened | {"happened_at": f"{days[0]}T10:00:00Z"})
        for day, text in zip(days, texts, strict=True):
            events.append(of | said | {"happened_at": f"{day}T10:00:00Z", "text": text})
    Record(settings, Clock(NOW)).publish(
        sorted(events, key=lambda event: str(event["happened_at"]))
    )
    return settings


def found(settings: Settings, search: Search) -> set[str]:
    page = load_conversations(settings.warehouse_path, Scope(WEEK), search, 1)
    return set(page.rows["conversation_id"])


def test_a_word_is_found_after_the_period_in_which_its_conversation_began(spoken: Settings) -> None:
    assert found(spoken, Search(text="uberfallig")) == {"within", "after"}


def test_a_word_is_found_before_the_period_in_which_its_conversation_continued(
    spoken: Settings,
) -> None:
    assert found(spoken, Search(text="uberfallig", is_active=True)) == {"before", "within", "after"}


def test_a_period_without_a_conversation_has_no_match(spoken: Settings) -> None:
    empty = Scope(Period(date(2029, 1, 1), date(2029, 1, 7)))
    page = load_conversations(spoken.warehouse_path, empty, Search(text="uberfallig"), 1)
    assert not page.rows.height
