"""Tables of the store. A change needs a migration (`migrations/versions`).

Instants are microseconds since 1970 (UTC) in 64-bit integers: exact on every database and copied into
Arrow without a conversion.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

from ingest.contract import COLUMNS, ColumnType

metadata = MetaData()

NOT_NULL = frozenset(
    {
        "event_id", "event_type", "schema_version", "shard", "visibility", "is_test",
        "received_at", "committed_at", "happened_at", "source",
    }
)  # fmt: skip


def _sql_type(column: ColumnType) -> TypeEngine[Any]:
    match column:
        case "string":
            return Text()
        case "int16":
            return SmallInteger()
        case "bool":
            return Boolean(create_constraint=False)
        case "int64" | "timestamp[us, tz=UTC]":
            return BigInteger()


def _event_column(name: str, column: ColumnType) -> "Column[Any]":
    if name in ("shard", "position"):
        return Column(name, _sql_type(column), primary_key=True, autoincrement=False)
    return Column(name, _sql_type(column), nullable=name not in NOT_NULL)


NAMED_MESSAGE = "event_type = 'message.created' AND message_id <> event_id"
UNNAMED_MESSAGE = "event_type = 'message.created' AND message_id = event_id"
"""A message has its own id, or that of its event, and then needs no entry in the index.

Repeat it word for word in statements: only then does SQLite use the partial index.
"""

events = Table(
    "events",
    metadata,
    *(_event_column(column.name, column.type) for column in COLUMNS),
    Column("fingerprint", LargeBinary, nullable=False),
    Index("events_by_id", "event_id", "source", unique=True),
    Index("events_by_conversation", "conversation_id", "sequence", unique=True),
    Index(
        "events_by_message",
        "message_id",
        "conversation_id",
        sqlite_where=text(NAMED_MESSAGE),
        postgresql_where=text(NAMED_MESSAGE),
    ),
)
"""Every durable event, by shard and position. Rows never change."""

OPEN_CONVERSATION = "state <> 'closed'"
"""A conversation key belongs to one open conversation."""

HAS_AGENT = "controlling_agent is not null"
"""Few conversations are under an agent's control at once."""

WAITS_FOR_AGENT = "waiting_since is not null"
"""Few handoffs wait at once."""

conversations = Table(
    "conversations",
    metadata,
    Column("conversation_id", String, primary_key=True),
    Column("created_position", BigInteger, nullable=False, index=True),
    Column("channel", String, nullable=False),
    Column("conversation_key", String, index=True),
    Column("contact_id", String, index=True),
    Column("state", String, nullable=False),
    Column("last_sequence", BigInteger, nullable=False),
    Column("session_id", String),
    Column("next_check_at", BigInteger, index=True),
    Column("controlling_agent", String),
    Column("waiting_since", BigInteger),
    Column("projection", LargeBinary, nullable=False),
    Index(
        "conversations_by_agent",
        "controlling_agent",
        sqlite_where=text(HAS_AGENT),
        postgresql_where=text(HAS_AGENT),
    ),
    Index(
        "conversations_by_wait",
        "waiting_since",
        "conversation_id",
        sqlite_where=text(WAITS_FOR_AGENT),
        postgresql_where=text(WAITS_FOR_AGENT),
    ),
    Index(
        "conversations_by_open_key",
        "conversation_key",
        unique=True,
        sqlite_where=text(OPEN_CONVERSATION),
        postgresql_where=text(OPEN_CONVERSATION),
    ),
)
"""The state of each conversation: a projection of its events, written in the same transaction.

`projection` is the whole state (`conversation_state.Conversation`, MessagePack); the other columns are for searches.
"""

messages = Table(
    "messages",
    metadata,
    Column("message_id", String, primary_key=True),
    Column("conversation_id", String, primary_key=True),
    Column("projection", LargeBinary, nullable=False),
)
"""States of messages that changed after their creation (`message_state.Message`)."""

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", String, primary_key=True),
    Column("merged_into", String, index=True),
    Column("projection", LargeBinary, nullable=False),
)
"""The people behind customers (`contact_state.Contact`)."""

contact_addresses = Table(
    "contact_addresses",
    metadata,
    Column("value", String, primary_key=True),
    Column("kind", String, primary_key=True),
    Column("scope", String, primary_key=True),
    Column("contact_id", String, primary_key=True, index=True),
    Column("is_current", Boolean(create_constraint=False), nullable=False),
)
"""Which contacts have an address, or had it before it moved: an index of the contacts' states."""

merge_proposals = Table(
    "merge_proposals",
    metadata,
    Column("contact_id", String, primary_key=True),
    Column("other_contact_id", String, primary_key=True),
    Column("proposed_at", BigInteger, nullable=False),
    Index("merge_proposals_by_position", "proposed_at", "contact_id", "other_contact_id"),
)
"""Pairs of contacts that may be one person: an index of the contacts' states."""

channel_threads = Table(
    "channel_threads",
    metadata,
    Column("thread_key", String, primary_key=True),
    Column("conversation_id", String, nullable=False),
)
"""Which conversation the next message goes to, by the keys that its events remembered (`events.thread_keys`)."""

scorecards = Table(
    "scorecards",
    metadata,
    Column("name", String, primary_key=True),
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, nullable=False),
    Column("projection", LargeBinary, nullable=False),
)
"""Published scorecards (`review_state.Scorecard`)."""

review_samples = Table(
    "review_samples",
    metadata,
    Column("sample_id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("projection", LargeBinary, nullable=False),
)
"""Samples of conversations to review (`review_state.Sample`)."""

reviews = Table(
    "reviews",
    metadata,
    Column("review_id", String, primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("conversation_id", String, nullable=False, index=True),
    Column("sample_id", String),
    Column("reviewer", String),
    Column("projection", LargeBinary, nullable=False),
    Index("reviews_by_position", "position", "review_id"),
    Index("reviews_by_item", "sample_id", "conversation_id", "reviewer"),
)
"""Reviews after their disputes (`review_state.Review`); `position` is that of the submission."""

review_locks = Table(
    "review_locks",
    metadata,
    Column("sample_id", String, primary_key=True),
    Column("reviewer", String, primary_key=True),
    Column("conversation_id", String, nullable=False),
    Column("locked_until", BigInteger, nullable=False),
)
"""The conversation of a sample that each reviewer holds. No event says so: a lock is no fact of the record."""

parked_events = Table(
    "parked_events",
    metadata,
    Column("parked_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("source", String, nullable=False),
    Column("event_id", String, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("conversation_id", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("path", String, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False, index=True),
    Column("raw", LargeBinary, nullable=False),
    UniqueConstraint("event_id", "source"),
    Index("parked_by_message", "message_id", "conversation_id"),
)
"""Parked events: they wait for the message they refer to."""

ingest_stats = Table(
    "ingest_stats",
    metadata,
    Column("source", String, primary_key=True),
    *(
        Column(name, BigInteger, nullable=False)
        for name in (
            "received",
            "accepted",
            "duplicate",
            "conflict",
            "rejected",
            "generated",
            "parked",
        )
    ),
)
"""Counters of each source, updated in the transaction that stores its events."""

rejected_events = Table(
    "rejected_events",
    metadata,
    Column("rejected_id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("received_at", BigInteger, nullable=False),
    Column("source", String, nullable=False),
    Column("path", String, nullable=False),
    Column("code", String, nullable=False),
    Column("detail", Text, nullable=False),
    Column("field", Text),
    Column("size", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("replayed_at", BigInteger),
    Column("replayed_event_id", String),
    Column("event_id", String),
)
"""Rejected events, with their bytes (at most 256 KiB) and the reason; replayed ones stay."""

webhooks = Table(
    "webhooks",
    metadata,
    Column("webhook_id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("url", String, nullable=False),
    Column("event_types", String, nullable=False),
    Column("channels", String, nullable=False),
    Column("bot_id", String),
    Column("secret", String, nullable=False),
    Column("old_secret", String),
    Column("old_secret_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("disabled_reason", String),
    Column("cursor", String, nullable=False),
    Column("watchdog_cursor", String),
)
"""Webhooks. Up to `cursor` every event was delivered or is in `webhook_queue`; up to
`watchdog_cursor` the bot watchdog has checked the log."""

webhook_queue = Table(
    "webhook_queue",
    metadata,
    Column("webhook_id", String, primary_key=True),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("ordering_key", String, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_attempt_at", BigInteger, nullable=False),
    Column("next_attempt_at", BigInteger),
    Column("dead_lettered_at", BigInteger),
    Column("last_result", String),
    Column("waiting_since", BigInteger),
    Index("webhook_queue_due", "webhook_id", "next_attempt_at"),
    Index("webhook_queue_waiting", "webhook_id", "waiting_since"),
    Index("webhook_queue_order", "webhook_id", "ordering_key", "shard", "position"),
)
"""Failed deliveries, and those that wait behind them with the same `ordering_key`. The first of each key has
a `next_attempt_at`; a dead letter has `dead_lettered_at`. `waiting_since`: since when a customer waits for the
bot of this webhook; null if no customer waits, or the failed turn is recorded."""

hooks = Table(
    "hooks",
    metadata,
    Column("hook_id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("url", String, nullable=False),
    Column("channels", String, nullable=False),
    Column("roles", String, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    Column("on_failure", String, nullable=False),
    Column("secret", String, nullable=False),
    Column("old_secret", String),
    Column("old_secret_until", BigInteger),
    Column("created_at", BigInteger, nullable=False),
)
"""Hooks. They run in the order of `created_at`."""

channel_accounts = Table(
    "channel_accounts",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("provider", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("address", String, nullable=False),
    Column("options", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("disabled_reason", String),
    Column("cursor", String, nullable=False),
)
"""Numbers, pages and inboxes of the organisation. `options` and `policy` are JSON; `secrets` are encrypted JSON
(`ingest/accounts/secret_box.py`). Up to `cursor` every message was sent, or is in the queue."""

channel_calls = Table(
    "channel_calls",
    metadata,
    Column("call_id", String, primary_key=True),
    Column("account_id", String, nullable=False),
    Column("received_at", BigInteger, nullable=False, index=True),
    Column("method", String, nullable=False),
    Column("query", Text, nullable=False),
    Column("headers", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("outcome", Text, nullable=False),
    Index("channel_calls_of_account", "account_id", "received_at"),
)
"""Verified calls of providers, kept for the time of a setting: the body (zlib), and how many events it became, as JSON."""

channel_refusals = Table(
    "channel_refusals",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("reason", String, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
)
"""How many calls were not verified, by reason. Nothing else of them is stored."""

provider_messages = Table(
    "provider_messages",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("provider_id", String, primary_key=True),
    Column("conversation_id", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Index("provider_messages_by_time", "account_id", "conversation_id", "sent_at"),
)
"""Which of our messages the provider's id of a sent message means."""

channel_sends = Table(
    "channel_sends",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("parts", Integer, nullable=False),
    Column("reference", String, nullable=False),
    Column("conversation_id", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("state", String, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("provider_id", String),
    Column("code", String),
    Column("reason", String),
    Index("channel_sends_by_state", "account_id", "state", "conversation_id"),
    Index("channel_sends_by_reference", "account_id", "reference"),
)
"""Every part of a message that an account sends: written before its request goes out, and with its answer."""

waiting_items = Table(
    "waiting_items",
    metadata,
    Column("account_id", String, primary_key=True),
    Column("item_id", String, primary_key=True),
    Column("provider_id", String, nullable=False),
    Column("message_id", String, nullable=False, index=True),
    Column("call_id", String, nullable=False),
    Column("item", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("check_at", BigInteger, nullable=False, index=True),
)
"""Statuses, edits and echoes that wait for the message they refer to. `item_id` is the id of their event;
`message_id` is the id that an inbound message with this `provider_id` has."""

otlp_spans = Table(
    "otlp_spans",
    metadata,
    Column("source", String, primary_key=True),
    Column("trace_id", String, primary_key=True),
    Column("span_id", String, primary_key=True),
    Column("channels", String, nullable=False),
    Column("conversation_id", String),
    Column("is_root", Boolean(create_constraint=False), nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("converted_at", BigInteger, index=True),
    Column("body", LargeBinary, nullable=False),
)
"""Spans of OpenTelemetry that wait until their trace is complete. Then the body is emptied, and the row is kept for a
while: it names the conversation of later spans, and a repeated span finds it."""
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("secret_sha256", String, nullable=False),
    Column("scopes", String, nullable=False),
    Column("channels", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)
"""API keys, without the secret. Scopes and channels are words; no channel: all."""
