"""Taskmaster dialogues (Byrne et al. 2019; TM-4 2024): a JSON array, without times.

An annotation of an API call becomes `bot.tool_called`, with its request and its response.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ingest.importers.base import NO_OPTIONS, ImportOptions, Item
from ingest.importers.dialogues import BOT, CUSTOMER, TurnTimes, dialogue, read_dialogues
from ingest.importers.transcript import Person, Roles

_PEOPLE = {"user": CUSTOMER, "assistant": BOT}


class _Turn(Struct):
    """The fields of a turn that the importer needs."""

    speaker: str
    text: str
    segments: Any = None
    annotations: list[dict[str, Any]] | None = None


class _Dialogue(Struct):
    """The fields of a dialogue that the importer needs."""

    conversation_id: str
    utterances: list[_Turn]


class TaskmasterImporter:
    """Imports Taskmaster dialogues."""

    name = "taskmaster"
    description = "Import Taskmaster dialogues."
    file_help = "dialogues, .json"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the messages and tool calls of each dialogue."""
        yield from read_dialogues(path, options, partial(_events, options))


def _events(options: ImportOptions, item: Any, roles: Roles, place: str) -> Iterator[Item]:
    given = msgspec.convert(item, _Dialogue)
    rest = {name: value for name, value in item.items() if name != "utterances"}
    talk = dialogue("taskmaster", given.conversation_id, roles, rest)
    clock = TurnTimes(options)
    for number, turn in enumerate(given.utterances):
        person = _PEOPLE.get(turn.speaker) or Person(turn.speaker)
        payload = {"segments": turn.segments} if turn.segments else None
        at = clock.turn()
        yield from talk.message(str(number), person, turn.text, at, place, payload=payload)
        for call, payload in _calls(turn.annotations or []).items():
            key = f"{number}/{call}"
            yield from talk.event("bot.tool_called", key, at, place, BOT, payload=payload)


def _calls(annotations: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the calls of a turn by number; their contexts are `api_call_3` and `api_response_3`."""
    calls: dict[str, dict[str, Any]] = {}
    for each in annotations:
        name, value = str(each.get("name")), each.get("value")
        number = str(each.get("context")).rpartition("_")[2]
        call = calls.setdefault(number, {})
        if name == "api_call":
            call["tool"] = str(value)
        else:
            call[name] = value
    return calls
