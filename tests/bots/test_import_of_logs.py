"""`convolake import` of bot logs: its options, its dry run, a kill in the middle."""

import json
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from ingest.client import Client
from ingest.importers import IMPORTERS
from ingest.importers.base import NO_OPTIONS, ImportedEvent, Importer, ImportOptions, Item
from ingest.importers.runner import run_import
from tests.api_server import Installation

CHATS = [
    {
        "id": f"talk-{number}",
        "messages": [
            {"role": "user", "content": f"question {number}"},
            {"role": "assistant", "content": f"answer {number}"},
        ],
    }
    for number in range(40)
]


@pytest.fixture
def chats(tmp_path: Path) -> Path:
    path = tmp_path / "chats.jsonl"
    path.write_text("".join(json.dumps(each) + "\n" for each in CHATS))
    return path


def find(name: str) -> Importer:
    return next(each for each in IMPORTERS if each.name == name)


def events(path: Path, options: ImportOptions = NO_OPTIONS) -> list[dict[str, Any]]:
    items = find("openai-chat").read(path, options)
    return [item.event for item in items if isinstance(item, ImportedEvent)]


def run(running: Installation, *arguments: str) -> str:
    environment = running.environment | {"CONVOLAKE_DATA": str(running.settings.data)}
    result = CliRunner().invoke(app, ["import", *arguments], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_dry_run_counts_and_asks_and_sends_nothing(running: Installation, chats: Path) -> None:
    output = run(running, "openai-chat", str(chats), "--dry-run")
    assert "40 conversations, 80 messages" in output.replace("\n", " ")
    assert "--starts-at" in output
    assert running.http.get("/v1/conversations/chat-talk-0").status_code == 404


def test_every_dialogue_starts_at_the_time_that_the_user_states(chats: Path) -> None:
    start = datetime(2025, 1, 1, tzinfo=UTC)
    found = events(chats, ImportOptions(starts_at=start))
    by_text = {each["text"]: each["happened_at"] for each in found if "text" in each}
    assert by_text["question 0"] == by_text["question 39"] == "2025-01-01T00:00:00+00:00"
    assert by_text["answer 7"] == "2025-01-01T00:00:01+00:00"


def test_the_user_states_roles_and_the_conversation(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    path.write_text(json.dumps(CHATS[0]))
    options = ImportOptions(roles={"assistant": "agent"}, conversation_id="order-7")
    found = events(path, options)
    assert {each["conversation_id"] for each in found} == {"order-7"}
    roles = [each["participant_role"] for each in found if "text" in each]
    assert roles == ["customer", "agent"]


class KilledError(Exception):
    """The process ends here."""


class Interrupted:
    """An importer whose process is killed after some items."""

    name, description, file_help = "interrupted", "", ""

    def __init__(self, after: int) -> None:
        self._after = after

    def read(self, path: Path, options: ImportOptions) -> Iterator[Item]:
        for number, item in enumerate(find("openai-chat").read(path, options)):
            if number == self._after:
                raise KilledError
            yield item


def test_an_import_that_was_killed_is_completed_without_doubles(
    running: Installation, tmp_path: Path
) -> None:
    path = tmp_path / "killed.jsonl"
    records = ({**each, "id": f"killed-{each['id']}"} for each in CHATS)
    path.write_text("".join(json.dumps(each) + "\n" for each in records))
    expected = len(events(path))
    with Client(running.url, running.key) as client:
        for after in (1, 30, 77, 119):
            with pytest.raises(KilledError):
                deque(client.record(_sent(path, after), batch=10), maxlen=0)
        report = run_import(find("openai-chat"), path, client)
    assert report.is_complete
    assert report.read == report.accepted + report.duplicate == expected
    for number in (0, 39):
        name = f"chat-killed-talk-{number}"
        messages = running.http.get(f"/v1/conversations/{name}/messages").json()["items"]
        assert [each["text"] for each in messages] == [f"question {number}", f"answer {number}"]


def _sent(path: Path, after: int) -> Iterator[dict[str, Any]]:
    for item in Interrupted(after).read(path, NO_OPTIONS):
        if isinstance(item, ImportedEvent):
            yield item.event


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_overlapping_exports_of_one_conversation_add_up(
    running: Installation, tmp_path: Path, order: tuple[int, int]
) -> None:
    """Each has a part that the other lacks; the first events of the two have different times."""
    sender = f"overlap-{order[0]}"
    parts = [range(5), range(3, 8)]
    for part in order:
        path = tmp_path / f"{part}.jsonl"
        path.write_text(
            "".join(
                json.dumps({
                    "sender_id": sender, "event": "user", "timestamp": 1_700_000_000 + number,
                    "text": f"m{number}", "message_id": f"{sender}-{number}",
                }) + "\n"
                for number in parts[part]
            )
        )  # fmt: skip
        with Client(running.url, running.key) as client:
            assert run_import(find("rasa"), path, client).is_complete
    messages = running.http.get(f"/v1/conversations/rasa-{sender}/messages").json()["items"]
    assert sorted(each["text"] for each in messages) == [f"m{number}" for number in range(8)]


def test_the_history_that_the_route_recorded_is_not_doubled_by_an_import(
    running: Installation, tmp_path: Path
) -> None:
    """With one key the events of both are the same: their ids and their times are the framework's."""
    record = {
        "sender_id": "both", "event": "user", "timestamp": 1_700_000_000.5, "text": "Hi", "message_id": "both-1",
    }  # fmt: skip
    assert running.post("/v1/bots/rasa", record).json()["accepted"] == 2
    path = tmp_path / "dump.json"
    path.write_text(json.dumps({"sender_id": "both", "slots": {}, "events": [record]}))
    with Client(running.url, running.key) as client:
        report = run_import(find("rasa"), path, client)
    assert report.is_complete, report.rejected
    assert (report.accepted, report.duplicate) == (0, 2)
