"""Filters of the list find what a clock that was put back has dated before its conversation."""

from datetime import date
from pathlib import Path
from typing import Any

from dashboards.conversations.data import load_conversations
from dashboards.filter_state import Period, Scope, Search
from tests.dashboard_pages.data_folder import settings_of
from tests.dashboard_pages.stories import NOW
from tests.factories import Clock, Record

BEGAN = Scope(Period(date(2030, 2, 11), date(2030, 2, 11)))


def test_a_handoff_and_a_rating_of_the_day_before_belong_to_their_conversation(
    tmp_path: Path,
) -> None:
    settings = settings_of(tmp_path)
    late, back = "2030-02-11T00:00:30Z", "2030-02-10T23:59:00Z"
    rating = {"score": 1, "scale": 5}
    events: list[dict[str, Any]] = [
        {"event_type": "conversation.created", "channel": "web", "happened_at": late},
        {
            "event_type": "handoff.requested",
            "handoff_id": "h1",
            "happened_at": back,
            "payload": {"reason": "refund"},
        },
        {"event_type": "feedback.submitted", "happened_at": back, "payload": rating},
    ]
    Record(settings, Clock(NOW)).publish([{"conversation_id": "c1"} | each for each in events])

    def found(search: Search) -> list[str]:
        page = load_conversations(settings.warehouse_path, BEGAN, search, 1)
        return list(page.rows["conversation_id"])

    assert found(Search(reason="refund")) == ["c1"]
    assert found(Search(rating="negative")) == ["c1"]
    assert found(Search(rating="none")) == []
