"""The loop guard of mail: two programs that answer each other come to an end.

A reply of a program may not be recognisable as automatic. So the number of mails that bots and the system send to
one contact is limited for each hour; what an agent writes always goes out.
"""

from sqlalchemy import Engine, RowMapping, distinct, func, select

from ingest.accounts.registry import ChannelAccount
from ingest.accounts.sends import UNSETTLED
from ingest.delivery.destinations.receipts import MAIL
from ingest.log.storage.tables import channel_sends, conversations, events

HOUR = 3_600_000_000
REASON = "the loop guard: as many automatic mails went to this contact in the last hour as the account allows"
CODE = "loop_guard"


def is_loop(
    engine: Engine, account: ChannelAccount, event: RowMapping, contact_id: str | None, now: int
) -> bool:
    """Return whether the account has sent its number of automatic mails to a contact. `now`: microseconds."""
    is_guarded = event["channel"] == MAIL and event["participant_role"] != "agent"
    if not is_guarded or contact_id is None:
        return False
    sent = _count_automatic(engine, account.account_id, contact_id, now - HOUR, event)
    return sent >= account.policy.automatic_replies_per_hour


def _count_automatic(
    engine: Engine, account_id: str, contact_id: str, since: int, event: RowMapping
) -> int:
    """Return the automatic messages, without this one, that went to a contact or may have."""
    sends = channel_sends.c
    is_same = (sends.shard == event["shard"]) & (sends.position == event["position"])
    query = (
        select(func.count(distinct(sends.message_id)))
        .join(conversations, conversations.c.conversation_id == sends.conversation_id)
        .join(events, (events.c.shard == sends.shard) & (events.c.position == sends.position))
        .where(
            sends.account_id == account_id,
            sends.at > since,
            sends.state.in_(("sent", *UNSETTLED)),
            conversations.c.contact_id == contact_id,
            events.c.participant_role != "agent",
            ~is_same,
        )
    )
    with engine.connect() as connection:
        return int(connection.execute(query).scalar_one())
