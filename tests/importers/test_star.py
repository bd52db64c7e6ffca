"""Every event of a STAR dialogue becomes one event, in its order and with its time."""

import gzip
import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.events.conversation_state import Conversation
from ingest.events.decide import decide
from ingest.events.draft import Draft
from ingest.events.effects import run_timers
from ingest.events.stored_event import StoredEvent, from_draft
from ingest.events.timers import LifecyclePolicy
from ingest.importers.base import Damage, ImportedEvent, Item
from ingest.importers.star import StarError, StarImporter, events, parse_dialogue
from ingest.settings import Settings

REAL = Path(__file__).parents[3] / "shared/data/A_dialogues/star/star_dev_2000.jsonl.gz"
START = 1_589_402_120
RULES = LifecyclePolicy.from_settings(Settings())
NOW = 1_800_000_000_000_000


def make_dialogue(*given: dict[str, Any], level: str = "Complete") -> dict[str, Any]:
    return {
        "DialogueID": 7,
        "BatchID": "woz_1589401608",
        "AnonymizedUserWorkerID": "ada",
        "AnonymizedWizardWorkerID": "ben",
        "CompletionLevel": level,
        "Scenario": {"Domains": ["bakery"], "UserTask": "Order a cake."},
        "UserQuestionnaire": [{"Question": "Was it calm?", "Answer": True}],
        "Events": list(given),
    }


def make_event(agent: str, action: str, after: int | None = 0, **rest: Any) -> dict[str, Any]:
    time = {} if after is None else {"UnixTime": START + after}
    return {"Agent": agent, "Action": action, **time, **rest}


def seconds(event: dict[str, Any]) -> float:
    assert event["happened_at"] == event["occurred_at"]
    return datetime.fromisoformat(event["happened_at"]).timestamp()


def fold(given: list[dict[str, Any]]) -> list[StoredEvent]:
    """Return the stored events that the log makes from these events."""
    rows: list[StoredEvent] = []
    state: Conversation | None = None
    for each in given:
        draft = msgspec.convert(each, Draft)
        row = from_draft(draft, "star", NOW, draft.event_id or "none")
        if state is not None:
            rows += run_timers(state, RULES, row.happened_at, NOW)
        placed, state = decide(draft, row, state, RULES)
        rows += placed
    return rows


def test_a_dialogue_starts_with_its_participants_and_attributes() -> None:
    first = next(events(make_dialogue(make_event("User", "utter", 5, Text="Hello"))))
    assert first["event_type"] == "conversation.created"
    assert (first["conversation_id"], first["channel"]) == ("star-7", "web")
    assert first["contact_id"] == "ada"
    assert seconds(first) == START + 5
    assert first["payload"]["participants"] == [
        {"participant_id": "customer-ada", "participant_role": "customer", "contact_id": "ada"},
        {"participant_id": "agent-ben", "participant_role": "agent"},
        {"participant_id": "knowledge-base", "participant_role": "bot"},
        {"participant_id": "user-guide", "participant_role": "system"},
    ]
    assert first["payload"]["Scenario"]["Domains"] == ["bakery"]
    assert first["payload"]["UserQuestionnaire"] == [{"Question": "Was it calm?", "Answer": True}]
    assert first["payload"]["BatchID"] == "woz_1589401608"


@pytest.mark.parametrize(
    ("agent", "action", "event_type", "participant_id", "visibility"),
    [
        ("User", "utter", "message.created", "customer-ada", None),
        ("Wizard", "utter", "message.created", "agent-ben", None),
        ("Wizard", "pick_suggestion", "message.created", "agent-ben", None),
        ("Wizard", "request_suggestions", "custom.request_suggestions", "agent-ben", "internal"),
        ("Wizard", "query", "custom.query", "agent-ben", "internal"),
        ("KnowledgeBase", "return_item", "bot.tool_called", "knowledge-base", "internal"),
        ("UserGuide", "instruct", "custom.instruct", "user-guide", "internal"),
        ("User", "complete", "conversation.resolved", "customer-ada", None),
    ],
)
def test_each_action_has_its_event_type(
    agent: str, action: str, event_type: str, participant_id: str, visibility: str | None
) -> None:
    event = list(events(make_dialogue(make_event(agent, action, Text="One cake, please"))))[1]
    assert event["event_type"] == event_type
    assert event["participant_id"] == participant_id
    assert event.get("visibility") == visibility
    assert event["text"] == "One cake, please"


def test_fields_without_a_column_stay_in_the_payload_under_their_own_names() -> None:
    pick = make_event(
        "Wizard", "pick_suggestion", Text="Hi", ActionLabelOptions=["a", "b"], X={"y": 1}
    )
    event = list(events(make_dialogue(pick)))[1]
    assert event["payload"] == {
        "Action": "pick_suggestion",
        "ActionLabelOptions": ["a", "b"],
        "X": {"y": 1},
    }


def test_a_knowledge_base_event_without_a_time_gets_the_time_of_the_previous_event() -> None:
    given = make_dialogue(
        make_event("Wizard", "query", 9),
        make_event("KnowledgeBase", "return_item", None, TotalItems=2),
    )
    assert [seconds(event) for event in events(given)] == [START + 9] * 3


def test_a_completed_dialogue_is_resolved_and_confirmed_by_the_customer() -> None:
    event = list(events(make_dialogue(make_event("User", "complete"))))[-1]
    assert event["payload"]["resolved_by"] == "customer"
    assert event["payload"]["is_confirmed"] is True


@pytest.mark.parametrize("level", ["DisconnectDuringDialogue", "EarlyDisconnectDuringDialogue"])
def test_a_disconnect_is_a_leave_event_that_ends_the_session(level: str) -> None:
    given = make_dialogue(make_event("User", "utter", 3, Text="Hello"), level=level)
    last = list(events(given))[-1]
    assert (last["event_type"], last["participant_id"]) == ("participant.left", "customer-ada")
    assert last["payload"] == {"reason": "disconnected"}
    assert seconds(last) == START + 3
    end = fold(list(events(given)))[-1]
    assert (end.event_type, end.payload) == ("session.ended", '{"reason":"participant_left"}')


def test_a_dialogue_without_events_gets_the_time_of_its_batch() -> None:
    given = list(events(make_dialogue(level="EarlyDisconnectDuringDialogue")))
    assert [event["event_type"] for event in given] == ["conversation.created", "participant.left"]
    assert [seconds(event) for event in given] == [1_589_401_608] * 2


def test_importing_again_gives_the_same_events_under_distinct_ids() -> None:
    given = make_dialogue(*[make_event("User", "utter", n, Text="Hello") for n in range(3)])
    first = list(events(given))
    assert first == list(events(given))
    assert len({event["event_id"] for event in first}) == len(first)
    assert len({event["message_id"] for event in first[1:]}) == 3


def test_an_unknown_agent_is_damage_with_its_place() -> None:
    with pytest.raises(StarError, match="dialogue 7, event 0"):
        list(events(make_dialogue(make_event("Parrot", "utter", Text="Hello"))))


def read(path: Path) -> list[Item]:
    return list(StarImporter().read(path))


@pytest.mark.parametrize("name", ["star.jsonl", "star.jsonl.gz"])
def test_dialogues_are_read_plain_or_compressed(tmp_path: Path, name: str) -> None:
    body = f"{json.dumps(make_dialogue())}\n\n{json.dumps(make_dialogue())}\n".encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(body) if name.endswith("gz") else body)
    expected = list(events(make_dialogue()))
    assert [item.event for item in read(path) if isinstance(item, ImportedEvent)] == expected * 2
    assert {item.place for item in read(path) if isinstance(item, ImportedEvent)} == {
        "line 1",
        "line 3",
    }


@pytest.mark.parametrize(
    "line",
    [
        "{",
        "[]",
        "\xff",
        '{"text": "hello"}',
        '{"DialogueID": 1, "Events": []}',
        json.dumps(make_dialogue() | {"Events": [5]}),
        json.dumps(make_dialogue(make_event("Parrot", "utter"))),
        json.dumps(make_dialogue(make_event("User", "utter", 10**15))),
    ],
)
def test_an_invalid_line_is_damage_and_the_next_line_is_read(tmp_path: Path, line: str) -> None:
    path = tmp_path / "star.jsonl"
    path.write_text(f"{json.dumps(make_dialogue())}\n{line}\n{json.dumps(make_dialogue())}\n")
    items = read(path)
    assert [item.place for item in items if isinstance(item, Damage)] == ["line 2"]
    assert [item.place for item in items if isinstance(item, ImportedEvent)][-1] == "line 3"


@pytest.mark.parametrize("damage", [lambda body: body[:-20], lambda _: b"not compressed at all"])
def test_a_damaged_archive_is_damage(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "star.jsonl.gz"
    path.write_bytes(damage(gzip.compress(json.dumps(make_dialogue()).encode())))
    last = read(path)[-1]
    assert isinstance(last, Damage)
    assert "damaged gzip" in last.reason


@pytest.fixture(scope="module")
def real() -> list[dict[str, Any]]:
    if not REAL.exists():
        pytest.skip("the STAR file is not next to this checkout; the small cases above still ran")
    with gzip.open(REAL) as file:
        return [parse_dialogue(line) for line in file]


def test_every_line_event_of_the_real_file_becomes_one_event_with_its_time(
    real: list[dict[str, Any]],
) -> None:
    made = [list(events(dialogue)) for dialogue in real]
    types = Counter(event["event_type"] for each in made for event in each)
    left = types["participant.left"]
    assert types["conversation.created"] == 2_000
    assert types["message.created"] == 28_882
    assert types.total() - 2_000 - left == 67_465
    assert left == sum(dialogue["CompletionLevel"] != "Complete" for dialogue in real) == 251
    for dialogue, each in zip(real, made, strict=True):
        given = dialogue["Events"]
        for source, event in zip(given, each[1:], strict=False):
            assert seconds(event) == source.get("UnixTime", seconds(event))
            assert event.get("text") == source.get("Text")


def test_the_log_accepts_the_whole_real_file(real: list[dict[str, Any]]) -> None:
    rows = [row for dialogue in real for row in fold(list(events(dialogue)))]
    own = [row for row in rows if row.source == "star"]
    assert len(own) == 67_465 + 2_000 + 251
    earliest = datetime(2020, 5, 12, tzinfo=UTC).timestamp() * 1e6
    assert min(row.happened_at for row in own) > earliest
    assert len({row.event_id for row in own}) == len(own)
