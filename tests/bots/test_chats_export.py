"""Conversations come out as chats, and go in again as they were."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from ingest.bots import LOGGERS
from ingest.bots.base import Surroundings
from ingest.bots.bot_event import BotEvent, creation_of, render
from ingest.importers import IMPORTERS
from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent
from tests.factories import Record, make_conversation, make_event

CALL = {
    "id": "call_abcdefgh",
    "type": "function",
    "function": {"name": "find", "arguments": '{"id": 7}'},
}
CHAT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Where is my order?\nMail me at ada@shop.example"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_abcdefgh", "content": "on its way"},
    {"role": "assistant", "content": "It is on its way."},
]  # fmt: skip


def recorded(record: Record, *records: Any, framework: str = "openai-chat") -> Record:
    reader = LOGGERS[framework].open(Surroundings())
    made = [part for each in records for part in reader(each) if isinstance(part, BotEvent)]
    created = {each.conversation.conversation_id: each for each in made}
    record.publish(
        [
            *(render(creation_of(each.conversation, each.at)) for each in created.values()),
            *map(render, made),
        ]
    )
    return record


def run(record: Record, folder: Path, *arguments: str, code: int = 0) -> str:
    env = {"CONVOLAKE_DATA": str(record.settings.data)}
    result = CliRunner().invoke(app, ["chats", str(folder), *arguments], env=env)
    assert result.exit_code == code, result.output
    return result.output


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "chats.jsonl").read_text().splitlines()]


def test_a_training_chat_is_the_one_that_was_recorded(record: Record, tmp_path: Path) -> None:
    recorded(record, {"conversation_id": "c", "messages": CHAT})
    run(record, tmp_path / "out", "--unmasked")
    assert lines(tmp_path / "out") == [{"conversation_id": "c", "messages": CHAT}]


def test_personal_data_is_masked_unless_the_user_says_otherwise(
    record: Record, tmp_path: Path
) -> None:
    call = CALL | {"function": {"name": "find", "arguments": '{"mail": "ben@shop.example"}'}}
    recorded(
        record, {"conversation_id": "c", "messages": [CHAT[1], CHAT[2] | {"tool_calls": [call]}]}
    )
    run(record, tmp_path / "training")
    run(record, tmp_path / "text", "--format", "text")
    for path in (tmp_path / "training/chats.jsonl", tmp_path / "text/c.txt"):
        written = path.read_text()
        assert "@shop.example" not in written
        assert "masked" in written


def test_a_text_is_read_again_by_the_importer_of_whatsapp(record: Record, tmp_path: Path) -> None:
    recorded(record, {"conversation_id": "c", "created": 1_700_000_000, "messages": CHAT})
    run(record, tmp_path / "out", "--format", "text", "--unmasked")
    importer = next(each for each in IMPORTERS if each.name == "whatsapp")
    items = list(importer.read(tmp_path / "out/c.txt", NO_OPTIONS))
    assert not [each for each in items if isinstance(each, Damage)]
    events = [each.event for each in items if isinstance(each, ImportedEvent)]
    found = [each for each in events if each["event_type"] == "message.created"]
    assert [(each["participant_id"], each["text"]) for each in found] == [
        ("whatsapp-user", CHAT[1]["content"]),
        ("whatsapp-assistant", CHAT[4]["content"]),
    ]
    assert {each["happened_at"] for each in found} == {"2023-11-14T22:13:20+00:00"}


def test_an_edited_message_has_its_last_text_and_notes_tests_and_deleted_ones_are_left_out(
    record: Record, tmp_path: Path
) -> None:
    record.publish(
        [
            *make_conversation(messages=0),
            make_event(text="a note", visibility="internal"),
            make_event(text="gone", message_id="m-gone"),
            make_event("message.deleted", message_id="m-gone"),
            make_event(text="one", message_id="m-1"),
            make_event("message.edited", message_id="m-1", text="two"),
            make_event("conversation.created", conversation_id="c2", is_test=True),
            make_event(conversation_id="c2"),
        ]
    )
    run(record, tmp_path / "out")
    assert lines(tmp_path / "out") == [
        {"conversation_id": "c1", "messages": [{"role": "user", "content": "two"}]}
    ]


def test_results_without_ids_answer_the_first_open_call_of_their_tool(
    record: Record, tmp_path: Path
) -> None:
    flat = "user: Hi\nassistant: None\ntool: one\nassistant: None\ntool: two\nassistant: Done"
    recorded(record, {"conversation_id": "c", "text": flat})
    run(record, tmp_path / "out")
    (chat,) = lines(tmp_path / "out")
    calls = [call["id"] for each in chat["messages"] for call in each.get("tool_calls", ())]
    results = [
        (each["tool_call_id"], each["content"])
        for each in chat["messages"]
        if each["role"] == "tool"
    ]
    assert results == list(zip(calls, ["one", "two"], strict=True))


def test_single_conversations_are_written_alone(record: Record, tmp_path: Path) -> None:
    recorded(record, *({"conversation_id": name, "messages": CHAT} for name in ("a", "b", "c/d")))
    run(record, tmp_path / "one", "--conversation", "b")
    assert [each["conversation_id"] for each in lines(tmp_path / "one")] == ["b"]
    run(record, tmp_path / "all", "--format", "text")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == [
        "a.txt",
        "b.txt",
        "c%2Fd.txt",
    ]


@pytest.mark.parametrize("form", ["training", "text"])
def test_a_folder_that_is_not_empty_stays_as_it_is(
    record: Record, tmp_path: Path, form: str
) -> None:
    recorded(record, {"conversation_id": "c", "messages": CHAT})
    (tmp_path / "kept").write_text("kept")
    assert "not empty" in run(record, tmp_path, "--format", form, code=1)
    assert (tmp_path / "kept").read_text() == "kept"
