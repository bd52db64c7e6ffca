"""STAR dialogues (Mosig et al. 2020: customers, human "wizards", a knowledge base, a guide).

A dialogue becomes the conversation `star-<DialogueID>`, and each of its events one event. A field without
a column stays in the payload under the file's own name. Ids are derived from the dialogue and the place in
it, so a second import makes only duplicates.

The file's times are Unix seconds. An event without one (the knowledge base has no clock) gets the time of
the previous event. A dialogue without events gets the time in its BatchID ("woz_1589458635", when its
batch was created).
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid5

import msgspec
from msgspec import Meta, Struct

from ingest.contract import NAMESPACE
from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent, ImportOptions, Item
from ingest.importers.lines import MAX_LINE, byte_lines

CHANNEL = "web"

MESSAGES = {("User", "utter"), ("Wizard", "utter"), ("Wizard", "pick_suggestion")}
"""Actions that the other side could read. A wizard's other actions are internal."""

DISCONNECTED = {"EarlyDisconnectDuringDialogue", "DisconnectDuringDialogue"}

ROLES = {"User": "customer", "Wizard": "agent", "KnowledgeBase": "bot", "UserGuide": "system"}

_FIELDS_WITH_COLUMN = {"Agent", "Text", "UnixTime"}

Seconds = Annotated[float, Meta(ge=0, le=4_102_444_800)]  # Unix time until the year 2100


class _Event(Struct):
    """The fields that the importer needs of an event."""

    Agent: Literal["User", "Wizard", "KnowledgeBase", "UserGuide"]
    Action: str
    UnixTime: Seconds = 0
    Text: str | None = None


class _Dialogue(Struct):
    """The fields that the importer needs of a dialogue."""

    DialogueID: int | str
    AnonymizedUserWorkerID: int | str
    AnonymizedWizardWorkerID: int | str
    CompletionLevel: str
    Events: list[_Event]


class StarError(ValueError):
    """A dialogue does not have the format of STAR."""


class StarImporter:
    """Imports STAR dialogues."""

    name = "star"
    description = "Import STAR dialogues through the API."
    file_help = "dialogues, .jsonl or .jsonl.gz, or one as .json"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield all events of each dialogue; a damaged dialogue yields its damage instead."""
        for place, line in _dialogues(path):
            if isinstance(line, Damage):
                yield line
                continue
            try:
                made = list(events(parse_dialogue(line)))
            except StarError as error:
                yield Damage(place, str(error))
                continue
            for event in made:
                yield ImportedEvent(event, place)


def _dialogues(path: Path) -> Iterator[tuple[str, bytes | Damage]]:
    """Yield each dialogue: a line of a .jsonl file, or the whole of a .json file."""
    if path.suffix != ".json":
        yield from byte_lines(path)
        return
    with path.open("rb") as file:
        yield "line 1", file.read(MAX_LINE)


def parse_dialogue(line: bytes) -> dict[str, Any]:
    """Decode and validate one dialogue. Raises StarError."""
    try:
        dialogue: dict[str, Any] = msgspec.json.decode(line)
        msgspec.convert(dialogue, _Dialogue)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StarError(f"not a dialogue: {error}") from error
    return dialogue


def events(dialogue: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a dialogue as events for `POST /v1/events`, in order, its creation first.

    Raises StarError for an agent that STAR does not have.
    """
    participants = _participants(dialogue)
    source_events = dialogue["Events"]
    at = source_events[0].get("UnixTime") if source_events else None
    if at is None:
        at = _batch_time(dialogue)
    yield _created(dialogue, participants, at)
    for index, source_event in enumerate(source_events):
        at = source_event.get("UnixTime", at)
        yield _event(dialogue, participants, index, at)
    if dialogue["CompletionLevel"] in DISCONNECTED:
        left = _timed_event(dialogue, "left", "participant.left", at)
        yield left | participants["User"] | {"payload": {"reason": "disconnected"}}


def _participants(dialogue: dict[str, Any]) -> dict[str, dict[str, str]]:
    customer, agent = dialogue["AnonymizedUserWorkerID"], dialogue["AnonymizedWizardWorkerID"]
    ids = {
        "User": f"customer-{customer}",
        "Wizard": f"agent-{agent}",
        "KnowledgeBase": "knowledge-base",
        "UserGuide": "user-guide",
    }
    participants = {
        name: {"participant_id": ids[name], "participant_role": role}
        for name, role in ROLES.items()
    }
    participants["User"]["contact_id"] = customer
    return participants


def _batch_time(dialogue: dict[str, Any]) -> int:
    digits = str(dialogue.get("BatchID")).rpartition("_")[2]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise StarError(f"dialogue {dialogue['DialogueID']}: no time, not even in its BatchID")
    return int(digits)


def _timed_event(dialogue: dict[str, Any], place: str, event_type: str, at: int) -> dict[str, Any]:
    iso_time = datetime.fromtimestamp(at, UTC).isoformat()
    return {
        "event_id": str(uuid5(NAMESPACE, f"star/{dialogue['DialogueID']}/{place}")),
        "event_type": event_type,
        "conversation_id": f"star-{dialogue['DialogueID']}",
        "occurred_at": iso_time,
        "happened_at": iso_time,
    }


def _created(
    dialogue: dict[str, Any], participants: dict[str, dict[str, str]], at: int
) -> dict[str, Any]:
    rest = {name: value for name, value in dialogue.items() if name != "Events"}
    return {
        **_timed_event(dialogue, "created", "conversation.created", at),
        "channel": CHANNEL,
        "contact_id": participants["User"]["contact_id"],
        "payload": {"participants": list(participants.values()), **rest},
    }


def _event(
    dialogue: dict[str, Any], participants: dict[str, dict[str, str]], index: int, at: int
) -> dict[str, Any]:
    source_event = dialogue["Events"][index]
    agent, action = source_event["Agent"], source_event["Action"]
    if agent not in participants:
        raise StarError(f"dialogue {dialogue['DialogueID']}, event {index}: unknown agent")
    event_type, extra = _event_type(agent, action)
    event = _timed_event(dialogue, str(index), event_type, at) | participants[agent]
    if "Text" in source_event:
        event["text"] = source_event["Text"]
    if event_type == "message.created":
        event["message_id"] = f"star-{dialogue['DialogueID']}-{index}"
    if extra.get("visibility"):
        event["visibility"] = extra["visibility"]
    rest = {name: value for name, value in source_event.items() if name not in _FIELDS_WITH_COLUMN}
    event["payload"] = rest | extra.get("payload", {})
    return event


def _event_type(agent: str, action: str) -> tuple[str, dict[str, Any]]:
    """Return the event type of a STAR action, and the fields that all such events share."""
    if (agent, action) in MESSAGES:
        return "message.created", {}
    if (agent, action) == ("User", "complete"):
        resolution = {"resolved_by": "customer", "is_confirmed": True}
        return "conversation.resolved", {"payload": resolution}
    event_type = "bot.tool_called" if agent == "KnowledgeBase" else f"custom.{action}"
    return event_type, {"visibility": "internal"}
