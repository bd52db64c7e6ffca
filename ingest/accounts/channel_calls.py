"""The raw calls of providers, and how many were not verified."""

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import ClauseElement, Engine, RowMapping, bindparam, delete, insert, select, update

from ingest.accounts.insert_once import insert_once
from ingest.channels.base import Call
from ingest.log.storage.statements import Bound
from ingest.log.storage.tables import channel_calls, channel_refusals

KEPT_HEADERS = frozenset(
    {
        "content-type",
        "user-agent",
        "webhook-id",
        "webhook-timestamp",
        "x-slack-retry-num",
        "x-slack-retry-reason",
        "x-slack-request-timestamp",
        "i-twilio-idempotency-token",
    }
)
"""Headers that are kept: none has a credential or a signature."""

TINY_BODY_BYTES = 256
"""Bodies up to this size do not get shorter by a tenth: they are stored as they are, which takes a tenth of the time."""

SHORT_BODY_BYTES = 4 * 1024
"""Bodies up to this size fit into the small window of a cheap compressor."""

_INSERT = insert(channel_calls).values(
    {each.name: bindparam(each.name) for each in channel_calls.c}
)


class CallOutcome(Struct, omit_defaults=True):
    """The outcome of a call: how many events of each status, how many items wait, and why some were rejected."""

    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    parked: int = 0
    waiting: int = 0
    reasons: list[str] = []


class KeptCall(Struct, frozen=True):
    """A verified call, as it is kept."""

    call_id: str
    account_id: str
    received_at: int
    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    size: int
    body: bytes
    outcome: CallOutcome

    def to_call(self, url: str) -> Call:
        """Return the call, to read it again. It has no signature."""
        return Call(
            method=self.method, url=url, headers=self.headers, query=self.query, body=self.body
        )


def prepare_call(call_id: str, account_id: str, received_at: int, call: Call) -> dict[str, Any]:
    """Return the columns that keep a call, all but its outcome."""
    headers = {name: value for name, value in call.headers.items() if name in KEPT_HEADERS}
    return {
        "call_id": call_id,
        "account_id": account_id,
        "received_at": received_at,
        "method": call.method,
        "query": _json(dict(call.query)) if call.query else "{}",
        "headers": _json(headers),
        "size": len(call.body),
        "body": _compress(call.body),
    }


def insert_call(prepared: Mapping[str, Any], outcome: CallOutcome) -> Bound:
    """Return the statement that keeps a call."""
    return Bound(_INSERT, {**prepared, "outcome": _json(outcome)})


def update_outcome(call_id: str, outcome: CallOutcome) -> ClauseElement:
    """Return the statement that records the outcome of a call that was read again."""
    row = update(channel_calls).where(channel_calls.c.call_id == call_id)
    return row.values(outcome=_json(outcome))


def get_call(engine: Engine, call_id: str) -> KeptCall | None:
    """Return a call, or None if it is not kept any more."""
    query = select(channel_calls).where(channel_calls.c.call_id == call_id)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _kept(row)


def list_calls(engine: Engine, account_id: str, limit: int) -> list[KeptCall]:
    """Return the newest calls of an account, newest first."""
    table = channel_calls
    query = (
        select(table)
        .where(table.c.account_id == account_id)
        .order_by(table.c.received_at.desc(), table.c.call_id.desc())
        .limit(limit)
    )
    with engine.connect() as connection:
        return [_kept(row) for row in connection.execute(query).mappings()]


def delete_calls_before(before: int) -> ClauseElement:
    """Return the statement that deletes the calls received before `before`."""
    return delete(channel_calls).where(channel_calls.c.received_at < before)


class Refusal(Struct, frozen=True):
    """Why calls of an account were not verified: how many, and when the last one came."""

    reason: str
    calls: int
    last_at: int


def count_refusals(
    account_id: str, reason: str, calls: int, last_at: int
) -> list[ClauseElement | Bound]:
    """Return the statements that add calls that were not verified to their count."""
    table = channel_refusals
    return [
        insert_once(table, account_id=account_id, reason=reason, calls=0, last_at=0),
        update(table)
        .where(table.c.account_id == account_id, table.c.reason == reason)
        .values(calls=table.c.calls + calls, last_at=last_at),
    ]


def list_refusals(engine: Engine, account_id: str) -> Sequence[Refusal]:
    """Return why calls of an account were not verified, the latest first."""
    table = channel_refusals
    query = (
        select(table.c.reason, table.c.calls, table.c.last_at)
        .where(table.c.account_id == account_id)
        .order_by(table.c.last_at.desc(), table.c.reason.asc())
    )
    with engine.connect() as connection:
        return [Refusal(*row) for row in connection.execute(query)]


def _kept(row: RowMapping) -> KeptCall:
    values = dict(row)
    for name in ("query", "headers"):
        values[name] = msgspec.json.decode(values[name])
    values["outcome"] = msgspec.json.decode(values["outcome"], type=CallOutcome)
    values["body"] = zlib.decompress(values["body"])
    return KeptCall(**values)


def _compress(body: bytes) -> bytes:
    """Return a body in the format of zlib. A window of the size of a short body takes a tenth of the time."""
    if len(body) > SHORT_BODY_BYTES:
        return zlib.compress(body, 1)
    level = 0 if len(body) <= TINY_BODY_BYTES else 1
    compressor = zlib.compressobj(level, zlib.DEFLATED, wbits=12, memLevel=5)
    return compressor.compress(body) + compressor.flush()


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
