"""Sends of channel accounts in the store: every part of a message, before it goes out and after its answer.

A part whose process died between the two is found in state `sending`; nothing but the provider knows more.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal, NamedTuple

from msgspec import Struct
from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Engine,
    and_,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)

from ingest.log.storage.statements import Bound
from ingest.log.storage.tables import channel_sends

SendState = Literal["sending", "waiting", "sent", "failed", "unknown"]
"""`sending`: its answer is not recorded. `waiting`: not taken, and tried again. `unknown`: perhaps taken."""

UNSETTLED: tuple[SendState, ...] = ("sending", "waiting", "unknown")
"""States in which the provider may have taken a part."""

_S = channel_sends.c


class SendKey(NamedTuple):
    """One message of one account: the place of its event in the log."""

    account_id: str
    shard: int
    position: int

    @property
    def where(self) -> ColumnElement[bool]:
        """The condition that selects its parts."""
        return and_(
            _S.account_id == self.account_id,
            _S.shard == self.shard,
            _S.position == self.position,
        )


class ChannelSend(Struct, frozen=True, kw_only=True):
    """One part of a message that an account sends. `reference`: the id that its requests carry.

    `attempt` counts from 1, and rises when a person has a failed message sent again. `at`: when the state
    changed, microseconds since 1970. `code` and `reason` say why it failed or is unknown.
    """

    account_id: str
    shard: int
    position: int
    part: int
    parts: int
    reference: str
    conversation_id: str
    message_id: str
    state: SendState
    attempt: int
    at: int
    provider_id: str | None = None
    code: str | None = None
    reason: str | None = None

    @property
    def key(self) -> SendKey:
        """The message that it is a part of."""
        return SendKey(self.account_id, self.shard, self.position)


_NAMES = ChannelSend.__struct_fields__
_IS_PART = and_(
    *(_S[name] == bindparam(name) for name in ("account_id", "shard", "position", "part"))
)
_REMOVE = delete(channel_sends).where(
    _IS_PART, or_(_S.state != "sent", bindparam("state", type_=_S.state.type) == "sent")
)
_ADD = insert(channel_sends).from_select(
    list(_NAMES),
    select(*(bindparam(name, type_=_S[name].type) for name in _NAMES)).where(
        ~select(_S.part).where(_IS_PART).exists()
    ),
)


def put_send(send: ChannelSend) -> list[Bound]:
    """Return the statements that save a part. A part that was sent stays so. Safe to repeat."""
    values = {name: getattr(send, name) for name in _NAMES}
    return [Bound(_REMOVE, values), Bound(_ADD, values)]


def change_sends(
    key: SendKey, states: Sequence[SendState], to: SendState, attempt: int, at: int
) -> ClauseElement:
    """Return the statement that gives every part of a message that is in one of `states` another one."""
    return (
        update(channel_sends)
        .where(key.where, _S.state.in_(states))
        .values(state=to, attempt=attempt, at=at)
    )


def settle_send(account_id: str, reference: str, provider_id: str, at: int) -> ClauseElement:
    """Return the statement that records that the provider took a send: its callback or its echo says so.

    Of several parts, the one whose answer is missing. Safe to repeat.
    """
    return (
        update(channel_sends)
        .where(
            _S.account_id == account_id,
            _S.reference == reference,
            _S.state.in_(UNSETTLED),
        )
        .values(state="sent", provider_id=provider_id, at=at)
    )


def list_parts(engine: Engine, key: SendKey) -> list[ChannelSend]:
    """Return the parts of a message that were attempted, in order."""
    query = select(*(_S[name] for name in _NAMES)).where(key.where).order_by(_S.part)
    with engine.connect() as connection:
        return [ChannelSend(**row) for row in connection.execute(query).mappings()]


def list_parts_of(
    engine: Engine, account_id: str, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], list[ChannelSend]]:
    """Return the attempted parts of several messages of an account, by shard and position, in order."""
    positions: defaultdict[int, list[int]] = defaultdict(list)
    for shard, position in places:
        positions[shard].append(position)
    found: defaultdict[tuple[int, int], list[ChannelSend]] = defaultdict(list)
    with engine.connect() as connection:
        for shard, wanted in positions.items():
            query = (
                select(*(_S[name] for name in _NAMES))
                .where(_S.account_id == account_id, _S.shard == shard, _S.position.in_(wanted))
                .order_by(_S.position, _S.part)
            )
            for row in connection.execute(query).mappings():
                found[shard, row["position"]].append(ChannelSend(**row))
    return dict(found)


def list_sends(
    engine: Engine,
    account_id: str,
    state: SendState,
    limit: int,
    after: tuple[int, int, int] = (-1, -1, -1),
) -> list[ChannelSend]:
    """Return at most `limit` parts in a state, after a shard, position and part."""
    shard, position, part = after
    is_after = or_(
        _S.shard > shard,
        and_(_S.shard == shard, _S.position > position),
        and_(_S.shard == shard, _S.position == position, _S.part > part),
    )
    query = (
        select(*(_S[name] for name in _NAMES))
        .where(_S.account_id == account_id, _S.state == state, is_after)
        .order_by(_S.shard, _S.position, _S.part)
        .limit(limit)
    )
    with engine.connect() as connection:
        return [ChannelSend(**row) for row in connection.execute(query).mappings()]
