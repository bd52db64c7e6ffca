"""Which message a provider means: by its id, or by the reference of our send."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sqlalchemy import Engine, and_, func, select, text

from ingest.accounts.insert_once import insert_once
from ingest.log.storage.keyed_rows import KeyedQuery, Reader
from ingest.log.storage.statements import Bound
from ingest.log.storage.tables import NAMED_MESSAGE, channel_sends, events, provider_messages

_EVENTS = KeyedQuery(select(events.c.event_id, events.c.source), events.c.event_id)

_SENDS = provider_messages.outerjoin(
    channel_sends,
    and_(
        channel_sends.c.account_id == provider_messages.c.account_id,
        channel_sends.c.state == "sent",
        channel_sends.c.conversation_id == provider_messages.c.conversation_id,
        channel_sends.c.provider_id == provider_messages.c.provider_id,
    ),
)
_SENT = (
    provider_messages.c.conversation_id,
    provider_messages.c.message_id,
    func.coalesce(channel_sends.c.attempt, 1),
)
"""The columns of a message that we sent; an earlier attempt, whose part was sent again, counts as the first."""


class FoundMessage(NamedTuple):
    """A message that a provider has an id for, and its conversation. `attempt`: that of the send with this id."""

    conversation_id: str
    message_id: str
    attempt: int = 1


def record_sent(
    account_id: str, provider_id: str, conversation_id: str, message_id: str, sent_at: int
) -> Bound:
    """Return the statement that records the provider's id of a sent message. Safe to repeat.

    A message in several parts has several ids. `sent_at`: microseconds since 1970.
    """
    return insert_once(
        provider_messages,
        account_id=account_id,
        provider_id=provider_id,
        conversation_id=conversation_id,
        message_id=message_id,
        sent_at=sent_at,
    )


def find_sent(
    engine: Engine, account_id: str, provider_ids: Sequence[str]
) -> dict[str, FoundMessage]:
    """Return those of our messages that the provider knows by these ids."""
    table = provider_messages
    query = (
        select(table.c.provider_id, *_SENT)
        .select_from(_SENDS)
        .where(table.c.account_id == account_id, table.c.provider_id.in_(provider_ids))
    )
    with engine.connect() as connection:
        return {row[0]: FoundMessage(*row[1:]) for row in connection.execute(query)}


def find_send(engine: Engine, account_id: str, reference: str) -> FoundMessage | None:
    """Return the message of the send whose requests carry a reference."""
    table = channel_sends
    query = select(table.c.conversation_id, table.c.message_id, table.c.attempt).where(
        table.c.account_id == account_id, table.c.reference == reference
    )
    with engine.connect() as connection:
        row = connection.execute(query.limit(1)).first()
    return None if row is None else FoundMessage(*row)


def has_send_in_flight(engine: Engine, account_id: str, conversation_id: str, since: int) -> bool:
    """Return whether a send in this conversation that went out after `since` has no result yet."""
    table = channel_sends
    query = select(table.c.reference).where(
        table.c.account_id == account_id,
        table.c.state == "sending",
        table.c.conversation_id == conversation_id,
        table.c.at > since,
    )
    with engine.connect() as connection:
        return connection.execute(query.limit(1)).first() is not None


def find_sent_until(
    engine: Engine, account_id: str, conversation_id: str, until: int, limit: int
) -> list[FoundMessage]:
    """Return the newest `limit` messages that we sent in a conversation up to `until`, oldest first.

    A message in several parts is there several times, and each attempt too.
    """
    table = provider_messages
    query = (
        select(*_SENT)
        .select_from(_SENDS)
        .where(
            table.c.account_id == account_id,
            table.c.conversation_id == conversation_id,
            table.c.sent_at <= until,
        )
        .order_by(table.c.sent_at.desc(), table.c.provider_id.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [FoundMessage(*row) for row in reversed(rows)]


def find_received(engine: Engine, message_ids: Mapping[str, str]) -> dict[str, FoundMessage]:
    """Return those inbound messages that the log has. `message_ids`: by the provider's ids."""
    query = select(events.c.message_id, events.c.conversation_id).where(
        text(NAMED_MESSAGE), events.c.message_id.in_(list(message_ids.values()))
    )
    with engine.connect() as connection:
        found = {row[0]: FoundMessage(row[1], row[0]) for row in connection.execute(query)}
    return {
        provider_id: found[message_id]
        for provider_id, message_id in message_ids.items()
        if message_id in found
    }


def find_events(reader: Reader, event_ids: Sequence[str], source: str) -> set[str]:
    """Return those of these events that the log has."""
    rows = _EVENTS.read(reader, event_ids)
    return {event_id for event_id, stored_source in rows if stored_source == source}
