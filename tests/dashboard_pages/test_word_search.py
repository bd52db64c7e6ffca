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


def conversation(name: str, days: tuple[str, str], texts: tuple[str, str]) -> list[dict[str, str]]:
    """Return the events of a conversation with one message on each of two days."""
    of = {"conversation_id": name}
    opened = {"event_type": "conversation.created", "channel": "web"}
    said = {
        "event_type": "message.created",
        "participant_id": "ada",
        "participant_role": "customer",
    }
    events = [of | opened | {"happened_at": f"{days[0]}T10:00:00Z"}]
    for day, text in zip(days, texts, strict=True):
        events.append(of | said | {"happened_at": f"{day}T10:00:00Z", "text": text})
    return events


def record(folder: Path, events: list[dict[str, str]]) -> Settings:
    """Load the events, in the order of their times."""
    settings = settings_of(folder)
    Record(settings, Clock(NOW)).publish(sorted(events, key=lambda each: each["happened_at"]))
    return settings


@pytest.fixture
def spoken(tmp_path: Path) -> Settings:
    events = []
    for name, days in SAID.items():
        texts = ("Überfällig", "x") if name in ("before", "earlier") else ("x", "Überfällig")
        events += conversation(name, days, texts)
    return record(tmp_path, events)


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


@pytest.mark.parametrize("is_active", [False, True])
def test_a_word_is_found_in_the_one_conversation_that_is_much_longer_than_all_others(
    tmp_path: Path, is_active: bool
) -> None:
    events = conversation("long", ("2030-02-12", "2030-05-20"), ("x", "Überfällig"))
    events += conversation("next", ("2030-02-20", "2030-05-20"), ("x", "Überfällig"))
    for number in range(200):
        events += conversation(f"short-{number}", ("2030-02-12", "2030-02-13"), ("x", "y"))
    settings = record(tmp_path, events)
    assert found(settings, Search(text="uberfallig", is_active=is_active)) == {"long"}


def test_a_word_is_found_in_the_one_conversation_that_began_long_before_all_others(
    tmp_path: Path,
) -> None:
    events = conversation("long", ("2029-11-12", "2030-02-12"), ("Überfällig", "x"))
    events += conversation("earlier", ("2029-11-12", "2029-12-12"), ("Überfällig", "x"))
    for number in range(200):
        events += conversation(f"short-{number}", ("2030-02-12", "2030-02-13"), ("x", "y"))
    settings = record(tmp_path, events)
    assert found(settings, Search(text="uberfallig", is_active=True)) == {"long"}


def test_an_accent_alone_is_in_no_conversation(spoken: Settings) -> None:
    assert found(spoken, Search(text="\u0301")) == set()
