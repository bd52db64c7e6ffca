"""The transcript of a conversation."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from dashboards import formatting
from dashboards.conversations import descriptions
from dashboards.conversations.data import (
    load_conversations,
    load_transcript,
)
from dashboards.filter_state import Scope, Search
from ingest.settings import Settings
from tests.beacon import Beacon
from tests.dashboard_app import messages_of, texts
from tests.dashboard_pages.stories import LAST_30, hostile_text


@pytest.mark.parametrize(
    ("payload", "queue", "to"),
    [
        ('{"to_participant_id": "sofia"}', None, "sofia"),
        (None, "billing", "billing"),
    ],
)
def test_a_transfer_shows_both_agents(payload: str | None, queue: str | None, to: str) -> None:
    row = {"event_type": "handoff.transferred", "participant_id": "mira", "queue": queue}
    said = descriptions.describe(row | {"payload": payload})
    assert said == f"Handoff transferred by {formatting.quote('mira')} to {formatting.quote(to)}"


def test_a_transcript_shows_messages_with_their_authors_and_events(
    open_page: Callable[..., AppTest], history: Settings, beacon: Beacon
) -> None:
    app = open_page(history, "conversations", conversation="hostile")
    shown = texts(app)
    revealed = formatting.reveal(hostile_text(beacon.url))
    assert revealed in shown
    assert "⟨U+202E⟩gnp.exe⟨U+202C⟩ zero⟨U+200B⟩width" in revealed
    assert "This message was deleted." in shown
    assert not any("a secret" in line for line in shown)
    folded = [each.value for part in app.expander for each in part.text]
    assert shown.count("first try") == folded.count("first try") == 1  # the text before an edit
    assert "second try" in shown
    assert "Delivered 12:00:00" in shown
    assert "12:00:00  Session 1 started" in shown
    assert any(line.endswith("queue billing") and "Handoff requested: " in line for line in shown)
    assert "12:01:03  Handoff accepted by agent-1 after 1 min 3 s" in shown
    assert "12:01:03  Session ended: conversation closed" in shown
    assert any("Internal note" in each.value for each in app.markdown)  # a badge with a fixed text
    assert any("conversation=hostile" in each.value for each in app.code)


def test_user_text_is_never_rendered_as_markdown_or_html(
    open_page: Callable[..., AppTest], history: Settings, beacon: Beacon
) -> None:
    app = open_page(history, "conversations", conversation="hostile")
    rendered = [
        element.value  # type: ignore[union-attr]
        for kind in (
            "markdown",
            "caption",
            "title",
            "subheader",
            "header",
            "info",
            "warning",
            "error",
        )
        for element in app.get(kind)
    ]
    assert rendered
    assert not any(beacon.url in str(value) or "<script" in str(value) for value in rendered)


def test_a_long_transcript_is_paged_without_a_gap(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations", conversation="long", part="2")
    assert any("Part 2 of 3 · 232 entries" in each.value for each in app.caption)
    parts = [load_transcript(history.warehouse_path, "long", part) for part in (1, 2, 3, 9)]
    sequences = [part.entries["sequence"].to_list() for part in parts if part is not None]
    assert [each for part in sequences[:3] for each in part] == list(range(1, 233))
    assert sequences[3] == sequences[2]


def test_a_search_hit_opens_at_its_message(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    rows = load_conversations(history.warehouse_path, Scope(LAST_30), Search(text="café"), 1).rows
    found = rows["found_sequence"][0]
    app = open_page(history, "conversations", conversation="long", message=str(found))
    shown = texts(app)
    assert [each for each in shown if each.startswith("line ")][:2] == ["line 148", "line 149"]
    assert any(f"before #{found} · Part 2 of 3" in each.value for each in app.caption)
    app.pagination[0].set_value(1).run()
    assert "line 1" in texts(app)
    assert not {"message", "event"} & set(app.query_params)


@pytest.mark.parametrize(
    "conversation_id", ["unknown", "<b>", "' or 1=1 --", "![x](y)", "a" * 5000]
)
def test_an_unknown_conversation_gets_a_clear_message(
    open_page: Callable[..., AppTest], history: Settings, conversation_id: str
) -> None:
    app = open_page(history, "conversations", conversation=conversation_id)
    assert "No conversation on record has the id in the address" in messages_of(app)
    assert conversation_id not in messages_of(app)


def test_the_back_link_of_a_transcript_leads_to_the_list(
    open_page: Callable[..., AppTest], history: Settings
) -> None:
    app = open_page(history, "conversations", conversation="hostile")
    app.button[0].click().run()
    assert not app.exception
    assert "conversation" not in app.query_params
    assert len(app.dataframe) == 1
