"""The contract: the columns of an event, the paths of the lake, ids and times.

Frozen: a change of a column or a path is a new `FORMAT_VERSION` and an upcast on read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import UUID

import uuid_utils

FORMAT_VERSION = 1
"""Version of columns, paths and manifest. Frozen: version 1 is this file."""


NAMESPACE = UUID("6f1f3e0a-2b7c-5d6e-9c55-0c0a1a6be001")
"""Root of every derived (UUIDv5) id. Frozen: another value would make every redelivery new."""

_DERIVE_FROM = uuid_utils.UUID(str(NAMESPACE))


def derived_id(name: str) -> str:
    """Return the id (UUIDv5) that this name has in every process. Raises TypeError for a lone surrogate.

    `uuid.uuid5` takes nine times as long, and a call of a provider needs several.
    """
    return str(uuid_utils.uuid5(_DERIVE_FROM, name))


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


MICROSECOND = timedelta(microseconds=1)


Shard = int
"""Number of a partition of the log (int16)."""

Cursor = Mapping[Shard, int]
"""Last position read, by shard. A shard without an entry starts before position 1."""

Role = Literal["customer", "bot", "agent", "system"]


Visibility = Literal["public", "internal"]


ColumnType = Literal["string", "int16", "int64", "bool", "timestamp[us, tz=UTC]"]
"""Arrow's name of a column's type. `arrow_schema` has the types: the API does not load Arrow, 35 MiB a process."""


@dataclass(frozen=True)
class Column:
    """One column of an event: the same name in JSON, Parquet, SQL and on the dashboard."""

    name: str
    type: ColumnType
    meaning: str


_TIME: ColumnType = "timestamp[us, tz=UTC]"


COLUMNS: tuple[Column, ...] = (
    Column(
        "event_id",
        "string",
        "unique within its source; UUIDv7, or derived from the provider's id",
    ),
    Column("event_type", "string", "`noun.past_participle`"),
    Column("schema_version", "int16", "version of the payload"),
    Column("shard", "int16", "number of the log"),
    Column("position", "int64", "place in the shard: 1, 2, 3 … without a gap"),
    Column(
        "conversation_id",
        "string",
        "conversation it belongs to; null outside the conversation stream",
    ),
    Column("sequence", "int64", "place in the conversation: 1, 2, 3 … without a gap"),
    Column("session_id", "string", "session it fell into, stamped at commit"),
    Column("participant_id", "string", "who did it"),
    Column("participant_role", "string", "customer, bot, agent or system"),
    Column("contact_id", "string", "the person behind a customer, across channels"),
    Column("channel", "string", "whatsapp, sms, messenger, slack, email, web …"),
    Column("channel_account", "string", "which of the organisation's numbers, pages or inboxes"),
    Column("message_id", "string", "message it creates or speaks of"),
    Column("handoff_id", "string", "handoff it belongs to"),
    Column("in_reply_to", "string", "message_id it answers"),
    Column("caused_by", "string", "event_id of its cause"),
    Column("bot_version", "string", "version of the bot that answered"),
    Column("queue", "string", "where a handoff waits"),
    Column("visibility", "string", "public, or internal: never shown to a customer"),
    Column("is_test", "bool", "stored, but excluded from every metric"),
    Column("occurred_at", _TIME, "producer's clock; never used for order"),
    Column("received_at", _TIME, "server clock, when the request arrived"),
    Column("committed_at", _TIME, "our clock, at the commit"),
    Column("happened_at", _TIME, "the clock of the models; never later than received_at"),
    Column("text", "string", "message text, byte-exact"),
    Column("payload", "string", "the rest, per type, as JSON"),
    Column("source", "string", "credential or adapter that wrote it"),
)
"""Columns of an event in Parquet, in order. Frozen with FORMAT_VERSION."""


def to_micros(moment: datetime) -> int:
    """Return an aware instant as microseconds since 1970, as the store has it."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """Return the instant of `to_micros`, in UTC."""
    return EPOCH + micros * MICROSECOND


def segment_path(received_on: date, shard: int, first: int, last: int) -> str:
    """Return the path of a segment below the lake folder. Frozen. Contains the server's clock and numbers only."""
    return f"events/received_on={received_on.isoformat()}/{shard}-{first:012d}-{last:012d}.parquet"


def manifest_path(lake: Path) -> Path:
    """Return the manifest: one line of JSON a sealed or compacted segment, in the order they were written."""
    return lake / "manifest.jsonl"
