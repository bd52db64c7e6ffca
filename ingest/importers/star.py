"""STAR dialogues (Mosig et al. 2020: customers, human "wizards", a knowledge base, a guide).

A dialogue becomes the conversation `star-<DialogueID>`, and each of its events becomes one
event. Nothing is dropped: what has no column stays in the payload under the file's own name.
Ids are derived from the dialogue and the place in it, so importing again makes only duplicates.

The file's times are Unix seconds. An event without one (the knowledge base keeps no clock) has
the time of the event before it. A dialogue without events has no time at all but the one in its
BatchID ("woz_1589458635", when its batch was set up), so it stands there.
"""

import gzip
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid5

import msgspec
from msgspec import Meta, Struct

from ingest.contract import NAMESPACE

CHANNEL = "web"

MESSAGES = {("User", "utter"), ("Wizard", "utter"), ("Wizard", "pick_suggestion")}
"""What the other side got to read. A wizard's other actions stayed on the wizard's desk."""

DISCONNECTED = {"EarlyDisconnectDuringDialogue", "DisconnectDuringDialogue"}

ROLES = {"User": "customer", "Wizard": "agent", "KnowledgeBase": "bot", "UserGuide": "system"}

_IN_COLUMNS = {"Agent", "Text", "UnixTime"}


Seconds = Annotated[float, Meta(ge=0, le=4_102_444_800)]  # whole ones too; up to the year 2100


class _Given(Struct):
    """What is needed of an event in the file."""

    Agent: Literal["User", "Wizard", "KnowledgeBase", "UserGuide"]
    Action: str
    UnixTime: Seconds = 0
    Text: str | None = None


class _Dialogue(Struct):
    """What is needed of a dialogue in the file."""

    DialogueID: int | str
    AnonymizedUserWorkerID: int | str
    AnonymizedWizardWorkerID: int | str
    CompletionLevel: str
    Events: list[_Given]


class StarError(ValueError):
    """The file is not what STAR publishes. What came before this dialogue is complete."""


def dialogues(path: Path) -> Iterator[dict[str, Any]]:
    """Every dialogue of a .jsonl or .jsonl.gz file, in its order. Raises StarError, OSError."""
    number = 0
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
        try:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _dialogue(line, f"{path}, line {number}")
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise StarError(f"{path}, line {number + 1}: damaged gzip: {error}") from error


def _dialogue(line: bytes, place: str) -> dict[str, Any]:
    try:
        dialogue: dict[str, Any] = msgspec.json.decode(line)
        msgspec.convert(dialogue, _Dialogue)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StarError(f"{place}: not a dialogue: {error}") from error
    return dialogue


def events(dialogue: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The dialogue as events for `POST /v1/events`, in order, its creation first.

    Raises StarError for an agent that STAR does not have.
    """
    people = _people(dialogue)
    given = dialogue["Events"]
    at = given[0].get("UnixTime") if given else None
    if at is None:
        at = _batch_time(dialogue)
    yield _created(dialogue, people, at)
    for index, each in enumerate(given):
        at = each.get("UnixTime", at)
        yield _event(dialogue, people, index, at)
    if dialogue["CompletionLevel"] in DISCONNECTED:
        left = _stamped(dialogue, "left", "participant.left", at)
        yield left | people["User"] | {"payload": {"reason": "disconnected"}}


def _people(dialogue: dict[str, Any]) -> dict[str, dict[str, str]]:
    customer, agent = dialogue["AnonymizedUserWorkerID"], dialogue["AnonymizedWizardWorkerID"]
    ids = {
        "User": f"customer-{customer}",
        "Wizard": f"agent-{agent}",
        "KnowledgeBase": "knowledge-base",
        "UserGuide": "user-guide",
    }
    people = {
        name: {"participant_id": ids[name], "participant_role": role}
        for name, role in ROLES.items()
    }
    people["User"]["contact_id"] = customer
    return people


def _batch_time(dialogue: dict[str, Any]) -> int:
    digits = str(dialogue.get("BatchID")).rpartition("_")[2]
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10):
        raise StarError(f"dialogue {dialogue['DialogueID']}: no time, not even in its BatchID")
    return int(digits)


def _stamped(dialogue: dict[str, Any], place: str, event_type: str, at: int) -> dict[str, Any]:
    moment = datetime.fromtimestamp(at, UTC).isoformat()
    return {
        "event_id": str(uuid5(NAMESPACE, f"star/{dialogue['DialogueID']}/{place}")),
        "event_type": event_type,
        "conversation_id": f"star-{dialogue['DialogueID']}",
        "occurred_at": moment,
        "happened_at": moment,
    }


def _created(
    dialogue: dict[str, Any], people: dict[str, dict[str, str]], at: int
) -> dict[str, Any]:
    about = {name: value for name, value in dialogue.items() if name != "Events"}
    return {
        **_stamped(dialogue, "created", "conversation.created", at),
        "channel": CHANNEL,
        "contact_id": people["User"]["contact_id"],
        "payload": {"participants": list(people.values()), **about},
    }


def _event(
    dialogue: dict[str, Any], people: dict[str, dict[str, str]], index: int, at: int
) -> dict[str, Any]:
    given = dialogue["Events"][index]
    agent, action = given["Agent"], given["Action"]
    if agent not in people:
        raise StarError(f"dialogue {dialogue['DialogueID']}, event {index}: unknown agent")
    name, more = _meaning(agent, action)
    event = _stamped(dialogue, str(index), name, at) | people[agent]
    if "Text" in given:
        event["text"] = given["Text"]
    if name == "message.created":
        event["message_id"] = f"star-{dialogue['DialogueID']}-{index}"
    if more.get("visibility"):
        event["visibility"] = more["visibility"]
    rest = {key: value for key, value in given.items() if key not in _IN_COLUMNS}
    event["payload"] = rest | more.get("payload", {})
    return event


def _meaning(agent: str, action: str) -> tuple[str, dict[str, Any]]:
    """The event type of a STAR action, and what is true of all such events."""
    if (agent, action) in MESSAGES:
        return "message.created", {}
    if (agent, action) == ("User", "complete"):
        resolution = {"resolved_by": "customer", "is_confirmed": True}
        return "conversation.resolved", {"payload": resolution}
    kind = "bot.tool_called" if agent == "KnowledgeBase" else f"custom.{action}"
    return kind, {"visibility": "internal"}
