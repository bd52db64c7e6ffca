"""Event types and their rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from ingest.contract import Visibility

Stream = Literal["conversation", "contact", "review", "audit", "privacy", "delivery", "ephemeral"]


Writer = Literal["client", "dashboard", "server"]


@dataclass(frozen=True)
class EventType:
    """One type of event: its stream, who may write it, which columns it cannot do without."""

    name: str
    stream: Stream
    meaning: str
    writer: Writer = "client"
    requires: tuple[str, ...] = ()
    visibility: Visibility = "public"


def _types(
    stream: Stream, *rows: tuple[Any, ...], **shared: Any
) -> Iterator[tuple[str, EventType]]:
    for name, meaning, *requires in rows:
        yield name, EventType(name, stream, meaning, requires=tuple(requires), **shared)


EVENT_TYPES: dict[str, EventType] = {
    **dict(
        _types(
            "conversation",
            (
                "conversation.created",
                "a conversation begins; payload.participants are in it",
                "channel",
            ),
            ("conversation.updated", "attributes changed"),
            ("conversation.state_changed", "payload.to: active, inactive or closed"),
            (
                "conversation.resolved",
                "the demand is met; payload.resolved_by, payload.is_confirmed",
            ),
            ("conversation.reopened", "the demand is back"),
            ("participant.joined", "somebody came in", "participant_id", "participant_role"),
            ("participant.updated", "somebody's attributes changed", "participant_id"),
            (
                "participant.left",
                "somebody left; the last customer ends the session",
                "participant_id",
            ),
            ("participant.read_advanced", "somebody read up to payload.sequence", "participant_id"),
            (
                "message.created",
                "a message; payload.modified_by: the hooks that gave it this text",
                "participant_id",
            ),
            ("message.edited", "its text became this", "message_id"),
            ("message.deleted", "its text is gone; the message stays as a tombstone", "message_id"),
            ("message.reacted", "somebody reacted to it", "message_id", "participant_id"),
            ("message.submitted", "handed to the channel", "message_id"),
            ("message.delivered", "reached the recipient's device", "message_id"),
            ("message.read", "seen by the recipient", "message_id"),
            ("message.failed", "could not be delivered; payload.error_code", "message_id"),
            ("handoff.requested", "control is to pass; payload.reason", "handoff_id"),
            ("handoff.queued", "waits in a queue", "handoff_id"),
            ("handoff.assigned", "offered to an agent", "handoff_id"),
            ("handoff.accepted", "an agent took it", "handoff_id"),
            ("handoff.declined", "an agent refused it", "handoff_id"),
            ("handoff.expired", "nobody took it in time", "handoff_id"),
            ("handoff.transferred", "passed on to another agent or queue", "handoff_id"),
            ("handoff.returned", "control went back to the bot", "handoff_id"),
            ("handoff.closed", "over", "handoff_id"),
            ("bot.turn_started", "the bot began to work on an answer"),
            ("bot.tool_called", "the bot, or an agent's desk, asked a tool"),
            ("bot.turn_completed", "the bot finished; payload.nlu, payload.model_call"),
            (
                "bot.turn_failed",
                "the bot could not answer; payload.reason, webhook_failed: it was not reached",
            ),
            ("feedback.requested", "a rating was asked for"),
            ("feedback.submitted", "a rating was given; payload.score"),
        )
    ),
    **dict(
        _types(
            "conversation",
            ("session.started", "a run of activity begins"),
            (
                "session.ended",
                "it is over; payload.reason: timeout, max_length, participant_left, conversation_closed, explicit",
            ),
            ("control.changed", "another one may speak"),
            writer="server",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "contact",
            ("contact.created", "a person", "contact_id"),
            ("contact.updated", "a person's attributes changed", "contact_id"),
            ("contact.linked", "an address belongs to this person", "contact_id"),
            ("contact.merged", "two were one person", "contact_id"),
            ("contact.unmerged", "they were not", "contact_id"),
        )
    ),
    **dict(
        _types(
            "review",
            ("review.submitted", "a reviewer judged a conversation"),
            ("review.disputed", "somebody disagrees"),
            ("review.resolved", "the dispute is settled"),
            writer="dashboard",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "audit",
            ("transcript.viewed", "somebody read a transcript"),
            ("transcript.searched", "somebody searched transcripts"),
            ("transcript.exported", "somebody took transcripts out"),
            writer="dashboard",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "privacy",
            ("data.erased", "a person's data was erased"),
            writer="server",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "delivery",
            ("webhook.attempted", "a delivery was tried"),
            ("webhook.delivered", "a delivery arrived"),
            ("webhook.dead_lettered", "a delivery was given up"),
            writer="server",
            visibility="internal",
        )
    ),
    **dict(
        _types(
            "ephemeral",
            ("typing.started", "somebody types"),
            ("typing.stopped", "somebody stopped"),
        )
    ),
}
"""Every event type but `custom.<name>`, which clients may write in the conversation stream."""


_CUSTOM = re.compile(r"custom\.[a-z][a-z0-9_]{0,63}\Z")


_CUSTOM_TYPE = EventType("custom.<name>", "conversation", "whatever a client wants on the record")


def event_type(name: str) -> EventType | None:
    """The type called `name`, or None if there is none."""
    return EVENT_TYPES.get(name) or (_CUSTOM_TYPE if _CUSTOM.match(name) else None)
