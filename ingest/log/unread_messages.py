"""Unread messages: how many messages of others a participant has not read."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Engine, select

from ingest.events.conversation_state import Conversation, Member
from ingest.log.storage.tables import events

_CREATED = "message.created"
_DELETED = "message.deleted"


def count_unread(
    engine: Engine, state: Conversation, participant_ids: Iterable[str]
) -> dict[str, int]:
    """Return the number of unread messages of these participants of a conversation.

    Deleted messages do not count, and for a customer no internal ones. Reads the messages above the
    lowest horizon once, whatever the number of participants.
    """
    horizons = {each: _horizon(state.participants[each]) for each in participant_ids}
    if not horizons:
        return {}
    messages = _Messages(engine, state.conversation_id, min(horizons.values()))
    return {
        each: messages.count(each, horizon, state.participants[each].participant_role)
        for each, horizon in horizons.items()
    }


def _horizon(member: Member) -> int:
    if member.unread_sequence is None:
        return member.read_sequence
    return min(member.read_sequence, max(0, member.unread_sequence - 1))


class _Messages:
    """The sequences of the messages of a conversation above a horizon: of all, and by participant."""

    def __init__(self, engine: Engine, conversation_id: str, after: int) -> None:
        query = (
            select(
                events.c.event_type,
                events.c.sequence,
                events.c.participant_id,
                events.c.visibility,
                events.c.message_id,
            )
            .where(
                events.c.conversation_id == conversation_id,
                events.c.sequence > after,
                events.c.event_type.in_((_CREATED, _DELETED)),
            )
            .order_by(events.c.sequence)
        )
        with engine.connect() as connection:
            rows = connection.execute(query).all()
        deleted = {row.message_id for row in rows if row.event_type == _DELETED}
        self._rows = [
            row for row in rows if row.event_type == _CREATED and row.message_id not in deleted
        ]
        self._all = [row.sequence for row in self._rows]
        self._public = [row.sequence for row in self._rows if row.visibility == "public"]
        self._counts = Counter(row.participant_id for row in self._rows)

    def count(self, participant_id: str, horizon: int, role: str) -> int:
        """Count those of others above the horizon."""
        is_customer = role == "customer"
        sequences = self._public if is_customer else self._all
        above = len(sequences) - bisect_right(sequences, horizon)
        if not self._counts[participant_id]:
            return above
        own: int = sum(
            row.participant_id == participant_id
            and row.sequence > horizon
            and not (is_customer and row.visibility != "public")
            for row in self._rows
        )
        return above - own
