"""Replays of rejected events: as they are, or with an edited body. Each returns its outcome as one sentence."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from dashboards import formatting
from ingest.client import Acknowledgement, Client, ProblemError

EVENTS = "/v1/events"
MESSAGE_FIELDS = {
    "participant_id", "text", "event_id", "message_id", "in_reply_to", "bot_version", "control_epoch",
    "visibility", "payload",
}  # fmt: skip


class EditError(Exception):
    """The edited body cannot be sent; the message says why."""


def can_edit(path: str) -> bool:
    """Return whether a body of this route can be sent again: a command's purpose may be over."""
    return path == EVENTS or path.endswith("/messages")


def editable(raw: str) -> str:
    """Return a body for the editor, in which no character can hide: JSON as ASCII, other text revealed."""
    try:
        return json.dumps(json.loads(raw), indent=2)
    except ValueError:
        return formatting.reveal(raw)


def send(client: Client, path: str, text: str) -> str:
    """Send an edited body by its route, as a new event of the dashboard's key.

    Raises EditError, and ProblemError or another ClientError if it is rejected again.
    """
    body = _parse(text)
    if path == EVENTS:
        return _outcome(next(client.record([body])).results[0])
    unknown = sorted(body.keys() - MESSAGE_FIELDS)
    if unknown:
        raise EditError(f"a message has no field {', '.join(unknown)}")
    if "participant_id" not in body:
        raise EditError("a message needs a participant_id")
    return _outcome(client.post_message(unquote(path.split("/")[3]), **body))


def replay(client: Client, rejected_id: int) -> str:
    """Replay an event as it is. Raises ProblemError with the reason if it is rejected again."""
    return _outcome(client.replay(rejected_id))


def _parse(text: str) -> Mapping[str, Any]:
    try:
        body = json.loads(text)
    except ValueError as error:
        raise EditError(f"the body is no JSON: {error}") from error
    if not isinstance(body, dict):
        raise EditError("the body is no JSON object")
    return body


def _outcome(answer: Acknowledgement) -> str:
    if answer.error is not None:
        raise ProblemError(answer.error)
    return f"{answer.status} as {answer.event_id}"
