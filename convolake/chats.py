"""Conversations as chats: JSON lines for the training of language models, and text as WhatsApp exports it.

Personal data is masked unless the caller says otherwise, by the patterns of `dashboards/masking.py`.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import Any

from dashboards.masking import mask, mask_payload
from ingest.bots.chat_history import TOOL_RETURNED
from ingest.events.foreign_ids import to_id
from warehouse import model
from warehouse.export_format import ExportError
from warehouse.lake import connect

QUERY = model.DIRECTORY / "analyses" / "chats.sql"
ROWS = 10_000
TRAINING_FILE = "chats.jsonl"


class ChatFormat(StrEnum):
    """training: one JSON line a conversation, with tool calls; text: one file a conversation."""

    training = "training"
    text = "text"


@dataclass(frozen=True)
class Turn:
    """A message, a call of a tool, or its result."""

    conversation_id: str
    event_type: str
    sequence: int
    participant_id: str | None
    role: str | None
    text: str | None
    visibility: str
    payload: dict[str, Any]
    at: datetime


def export_chats(
    warehouse: Path,
    folder: Path,
    form: ChatFormat,
    conversation_ids: Sequence[str] = (),
    *,
    is_masked: bool = True,
    on_chat: Callable[[], object] = lambda: None,
) -> int:
    """Write conversations into an empty folder, and return how many; without ids, all of them.

    Raises ExportError, WarehouseMissingError.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ExportError(f"{folder} is not empty; give a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    chats = _chats(warehouse, list(conversation_ids), is_masked=is_masked)
    write = _write_training if form is ChatFormat.training else _write_texts
    count = 0
    for _ in write(folder, chats):
        count += 1
        on_chat()
    return count


def _chats(
    warehouse: Path, conversation_ids: list[str], *, is_masked: bool
) -> Iterator[list[Turn]]:
    """Yield the turns of each conversation."""
    with connect(warehouse) as con:
        found = con.execute(QUERY.read_text(), {"conversation_ids": conversation_ids})
        rows = (row for page in iter(lambda: found.fetchmany(ROWS), []) for row in page)
        for _, turns in groupby(rows, key=lambda row: row[0]):
            yield [_turn(row, is_masked=is_masked) for row in turns]


def _turn(row: tuple[Any, ...], *, is_masked: bool) -> Turn:
    conversation_id, event_type, sequence, participant_id, role, text, visibility, payload, at = row
    if is_masked:
        text = None if text is None else mask(text)
        payload = None if payload is None else mask_payload(payload)
    given = json.loads(payload or "{}")
    return Turn(
        conversation_id, event_type, sequence, participant_id, role, text, visibility, given, at
    )


# --- training


def _write_training(folder: Path, chats: Iterable[list[Turn]]) -> Iterator[None]:
    with (folder / TRAINING_FILE).open("w", encoding="utf-8") as file:
        for turns in chats:
            chat = training_chat(turns)
            if chat is not None:
                file.write(json.dumps(chat, ensure_ascii=False) + "\n")
                yield


def training_chat(turns: Sequence[Turn]) -> dict[str, Any] | None:
    """Return a conversation in the format of Chat Completions; None if nothing was said in it.

    Internal notes are left out; system prompts are not. Calls of tools in a row are one message.
    """
    messages: list[dict[str, Any]] = []
    calls = _Calls()
    for turn in turns:
        if turn.event_type == "message.created":
            if turn.visibility == "public" or turn.role == "system":
                messages.append({"role": _CHAT_ROLES[turn.role or ""], "content": turn.text})
        elif turn.event_type == TOOL_RETURNED:
            messages.append(calls.result(turn))
        else:
            _add_call(messages, calls.call(turn))
            if (inline := turn.payload.get("result", turn.payload.get("response"))) is not None:
                messages.append(calls.result(turn, inline))
    if not any(each["role"] in ("user", "assistant") for each in messages):
        return None
    return {"conversation_id": turns[0].conversation_id, "messages": messages}


_CHAT_ROLES = {"customer": "user", "bot": "assistant", "agent": "assistant", "system": "system"}


def _add_call(messages: list[dict[str, Any]], call: dict[str, Any]) -> None:
    if messages and "tool_calls" in messages[-1]:
        messages[-1]["tool_calls"].append(call)
    else:
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})


class _Calls:
    """Pairs calls of tools with their results."""

    def __init__(self) -> None:
        self._open: list[tuple[str, str | None]] = []

    def call(self, turn: Turn) -> dict[str, Any]:
        """Return a call. One without an id gets one of its place in the conversation."""
        tool = turn.payload.get("tool")
        call_id = str(turn.payload.get("call_id") or f"call_{turn.sequence}")
        self._open.append((call_id, tool))
        given = turn.payload.get("arguments", {})
        arguments = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
        function = {"name": tool or "tool", "arguments": arguments}
        return {"id": call_id, "type": "function", "function": function}

    def result(self, turn: Turn, inline: Any = None) -> dict[str, Any]:
        """Return the result of a call: of the one that it names, or else of the first open one of its tool."""
        found = turn.payload.get("result") if inline is None else inline
        content = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
        return {"role": "tool", "tool_call_id": self._answered(turn), "content": content}

    def _answered(self, turn: Turn) -> str:
        call_id, tool = turn.payload.get("call_id"), turn.payload.get("tool")
        for each in self._open:
            is_named = each[0] == call_id
            if is_named or (call_id is None and tool in (None, each[1])):
                self._open.remove(each)
                return each[0]
        return str(call_id or f"call_{turn.sequence}")


# --- text


def _write_texts(folder: Path, chats: Iterable[list[Turn]]) -> Iterator[None]:
    for turns in chats:
        text = chat_text(turns)
        if text:
            name = to_id(turns[0].conversation_id).replace("/", "%2F")
            (folder / f"{name}.txt").write_text(text, encoding="utf-8")
            yield


def chat_text(turns: Sequence[Turn]) -> str:
    """Return what customers could read, one line a message, as `convolake import whatsapp` reads it. Times are UTC."""
    return "".join(
        f"[{turn.at:%Y/%m/%d, %H:%M:%S}] {_name(turn)}: {turn.text}\n"
        for turn in turns
        if turn.event_type == "message.created" and turn.visibility == "public"
    )


def _name(turn: Turn) -> str:
    name = str(turn.payload.get("author_name") or mask(turn.participant_id or turn.role or ""))
    return " ".join(name.replace(":", " ").split())[:100]
