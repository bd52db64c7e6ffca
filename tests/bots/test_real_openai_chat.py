"""Real chats come in equal to another reading of their files."""

import json
from pathlib import Path

import pytest

from tests.bots.real_files import by_conversation, damage, files, needs_files, types
from tests.real_files import read

pytestmark = needs_files

ROLES = {"human": "customer", "gpt": "bot", "user": "customer", "assistant": "bot"}
PREFIXES = ("user: ", "assistant: ", "tool: ", "system: ")

Talk = list[tuple[str, str]]


def documents(path: Path) -> list[dict[str, object]]:
    text = path.read_text()
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in text.split("\n") if line]
    found: list[dict[str, object]] = json.loads(text)
    return found


def flat(text: str) -> tuple[Talk, int]:
    """Messages and results of tools, read line by line."""
    turns: list[list[str]] = []
    for line in text.split("\n"):
        prefix = next((each for each in PREFIXES if line.startswith(each)), None)
        if prefix is None:
            turns[-1][1] += "\n" + line
        else:
            turns.append([prefix[:-2], line.removeprefix(prefix)])
    tools = sum(role == "tool" for role, _ in turns)
    # «None» before a result of a tool is no text
    calls = {
        number for number, (role, said) in enumerate(turns[:-1])
        if (role, said) == ("assistant", "None") and turns[number + 1][0] == "tool"
    }  # fmt: skip
    return [
        (ROLES[role], said)
        for number, (role, said) in enumerate(turns)
        if role in ROLES and number not in calls and said
    ], tools


def expected(document: dict[str, object]) -> tuple[Talk, int]:
    for turns in (value for value in document.values() if isinstance(value, list)):
        return [(ROLES[each["from"]], each["value"]) for each in turns if each["value"]], 0
    (text,) = [value for value in document.values() if isinstance(value, str)]
    return flat(text)


@pytest.mark.parametrize("path", files("openai_chat"), ids=lambda path: path.name)
def test_every_chat_has_the_messages_and_tool_results_of_its_record(path: Path) -> None:
    records = documents(path)
    items = read("openai-chat", path)
    assert not damage(items)
    found = []
    for talk in by_conversation(items):
        texts = [
            (each["participant_role"], each["text"])
            for each in talk if each["event_type"] == "message.created"
        ]  # fmt: skip
        tools = sum(each["event_type"] == "custom.tool_returned" for each in talk)
        found.append((texts, tools))
    assert found == [expected(record) for record in records]
    assert types(items)["conversation.created"] == len(records) in (19, 69, 500)
    assert not any("happened_at" in each for talk in by_conversation(items) for each in talk)
