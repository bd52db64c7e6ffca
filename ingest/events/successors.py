"""A closed conversation is final: what the customer says next opens its successor."""

import msgspec

from ingest.events import projections
from ingest.events.conversation_state import Conversation
from ingest.events.stored_event import StoredEvent, system_event


def create_successor(
    closed: Conversation, cause: StoredEvent, successor_id: str
) -> tuple[list[StoredEvent], Conversation]:
    """The rows that link both, the successor's creation first, and the successor's state.

    It has the same participants and attributes; its session begins with the message.
    """
    people = [
        {"participant_id": key, "participant_role": each.participant_role}
        | ({"contact_id": each.contact_id} if each.contact_id else {})
        | ({"attributes": each.attributes} if each.attributes else {})
        for key, each in closed.participants.items()
    ]
    created = system_event(
        "conversation.created",
        successor_id,
        1,
        happened_at=cause.happened_at,
        received_at=cause.received_at,
        payload={
            "predecessor_id": closed.conversation_id,
            "participants": people,
            "attributes": msgspec.to_builtins(closed.attributes),
        },
        channel=cause.channel or closed.channel,
        channel_account=cause.channel_account or closed.channel_account,
        contact_id=closed.contact_id,
        caused_by=cause.event_id,
        visibility="public",
        is_test=closed.is_test,
        sequence=1,
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
        sequence=closed.last_sequence + 1,
    )
    projections.apply(closed, link)
    return [created, link], successor
