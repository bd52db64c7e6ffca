"""A closed conversation is final: the customer's next message opens its successor."""

import msgspec

from ingest.events import durations, projections
from ingest.events.conversation_state import Conversation
from ingest.events.stored_event import StoredEvent, system_event


def create_successor(
    closed: Conversation, cause: StoredEvent, successor_id: str, key: str | None
) -> tuple[list[StoredEvent], Conversation]:
    """Return the events that link both conversations, the creation first, and the successor's state.

    The successor has the same participants and fields, and `key` as its conversation key. Its session
    starts with the message.
    """
    created = system_event(
        "conversation.created",
        successor_id,
        1,
        happened_at=cause.happened_at,
        received_at=cause.received_at,
        payload={
            "predecessor_id": closed.conversation_id,
            "participants": _participants(closed),
            **_inherited_fields(closed, key),
        },
        channel=cause.channel or closed.channel,
        channel_account=cause.channel_account or closed.channel_account,
        contact_id=closed.contact_id,
        caused_by=cause.event_id,
        visibility="public",
        is_test=closed.is_test,
    )
    successor = projections.create(created)
    projections.apply(successor, created)
    link = system_event(
        "conversation.updated",
        closed.conversation_id,
        closed.last_sequence + 1,
        happened_at=cause.happened_at,
        received_at=cause.received_at,
        payload={"successor_id": successor_id},
        channel=closed.channel,
        channel_account=closed.channel_account,
        caused_by=cause.event_id,
        visibility="public",
        is_test=closed.is_test,
    )
    projections.apply(closed, link)
    return [created, link], successor


def _inherited_fields(closed: Conversation, key: str | None) -> dict[str, object]:
    """Return the fields that differ from those of a conversation without any."""
    fields: dict[str, object] = {
        "conversation_key": key,
        "priority": None if closed.priority == "normal" else closed.priority,
        "labels": closed.labels or None,
        "attributes": msgspec.to_builtins(closed.attributes),
        "hand_off_on_bot_failure": closed.hand_off_on_bot_failure or None,
    }
    for name in ("inactive_after", "closed_after"):
        duration = getattr(closed, name)
        fields[name] = None if duration is None else durations.format_iso(duration)
    return {name: value for name, value in fields.items() if value is not None}


def _participants(closed: Conversation) -> list[dict[str, object]]:
    return [
        {"participant_id": participant_id, "participant_role": member.participant_role}
        | ({"contact_id": member.contact_id} if member.contact_id else {})
        | ({"attributes": member.attributes} if member.attributes else {})
        for participant_id, member in closed.participants.items()
    ]
