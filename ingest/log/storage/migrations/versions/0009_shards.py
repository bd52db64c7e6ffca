"""Key events and deliveries by shard and position, and store cursors instead of positions."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

NAMED_MESSAGE = "event_type = 'message.created' AND message_id <> event_id"
TEXT = ("participant_id", "participant_role", "contact_id", "channel", "channel_account",
        "message_id", "handoff_id", "in_reply_to", "caused_by", "bot_version", "queue")  # fmt: skip
TIMES = ("occurred_at", "received_at", "committed_at", "happened_at")


def upgrade() -> None:
    """Migrate in one transaction: a crash leaves the store as it was."""
    connection = op.get_bind()
    if connection.dialect.name == "sqlite":
        _begin(connection)
        _rebuild_events()
    else:
        op.drop_constraint("events_pkey", "events", type_="primary")
        op.create_primary_key("events_pkey", "events", ["shard", "position"])
    _empty_conversations()
    shard = connection.execute(sa.text("SELECT min(shard) FROM events")).scalar() or 0
    _store_cursors(connection, shard)
    _rebuild_queue(shard)


def _begin(connection: sa.Connection) -> None:
    """Open a transaction: the driver opens one for data only, not for tables."""
    driver = connection.connection.driver_connection
    if driver is not None and not driver.in_transaction:
        driver.execute("BEGIN IMMEDIATE")


def _rebuild_events() -> None:
    big, small = sa.BigInteger(), sa.SmallInteger()
    columns: tuple[sa.Column[Any], ...] = (
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("event_type", sa.Text(), nullable=False),
        sa.Column("schema_version", small, nullable=False),
        sa.Column("shard", small, nullable=False, primary_key=True, autoincrement=False),
        sa.Column("position", big, nullable=False, primary_key=True, autoincrement=False),
        sa.Column("conversation_id", sa.Text()),
        sa.Column("sequence", big),
        sa.Column("session_id", sa.Text()),
        *(sa.Column(name, sa.Text()) for name in TEXT),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("is_test", sa.Boolean(create_constraint=False), nullable=False),
        *(sa.Column(name, big, nullable=name == "occurred_at") for name in TIMES),
        sa.Column("text", sa.Text()),
        sa.Column("payload", sa.Text()),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
    )
    names = ", ".join(column.name for column in columns)
    op.create_table("events_new", *columns)
    op.execute(f"INSERT INTO events_new ({names}) SELECT {names} FROM events")  # noqa: S608
    op.drop_table("events")
    op.rename_table("events_new", "events")
    op.create_index("events_by_id", "events", ["event_id", "source"], unique=True)
    op.create_index(
        "events_by_conversation", "events", ["conversation_id", "sequence"], unique=True
    )
    op.create_index(
        "events_by_message",
        "events",
        ["message_id", "conversation_id"],
        sqlite_where=sa.text(NAMED_MESSAGE),
    )


def _empty_conversations() -> None:
    """Create the derived table again without its unique position; the API rebuilds it when it starts."""
    op.drop_table("conversations")
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.String(), primary_key=True),
        sa.Column("created_position", sa.BigInteger(), nullable=False, index=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("conversation_key", sa.String(), unique=True),
        sa.Column("contact_id", sa.String(), index=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.String()),
        sa.Column("next_check_at", sa.BigInteger(), index=True),
        sa.Column("projection", sa.LargeBinary(), nullable=False),
    )


def _store_cursors(connection: sa.Connection, shard: int) -> None:
    op.add_column("webhooks", sa.Column("cursor", sa.String(), nullable=False, server_default=""))
    op.add_column("webhooks", sa.Column("watchdog_cursor", sa.String()))
    rows = connection.execute(
        sa.text("SELECT webhook_id, position, watchdog_position FROM webhooks")
    ).all()
    for webhook_id, position, watchdog in rows:
        connection.execute(
            sa.text(
                "UPDATE webhooks SET cursor = :cursor, watchdog_cursor = :watchdog WHERE webhook_id = :id"
            ),
            {
                "id": webhook_id,
                "cursor": _encode({shard: position}),
                "watchdog": None if watchdog is None else _encode({shard: watchdog}),
            },
        )
    with op.batch_alter_table("webhooks") as batch:
        batch.drop_column("position")
        batch.drop_column("watchdog_position")


def _encode(cursor: Mapping[int, int]) -> str:
    """Encode as `ingest.log.cursor.encode_cursor` did when this was written."""
    body = json.dumps(sorted(cursor.items()), separators=(",", ":"))
    return base64.urlsafe_b64encode(body.encode()).decode().rstrip("=")


def _rebuild_queue(shard: int) -> None:
    names = "webhook_id, position, ordering_key, attempts, first_attempt_at, next_attempt_at, dead_lettered_at, last_result, waiting_since"
    for index in ("webhook_queue_due", "webhook_queue_waiting", "webhook_queue_order"):
        op.drop_index(index, "webhook_queue")
    op.create_table(
        "webhook_queue_new",
        sa.Column("webhook_id", sa.String(), primary_key=True),
        sa.Column("shard", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("ordering_key", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", sa.BigInteger(), nullable=False),
        sa.Column("next_attempt_at", sa.BigInteger()),
        sa.Column("dead_lettered_at", sa.BigInteger()),
        sa.Column("last_result", sa.String()),
        sa.Column("waiting_since", sa.BigInteger()),
    )
    op.execute(
        f"INSERT INTO webhook_queue_new (shard, {names}) SELECT {int(shard)}, {names} FROM webhook_queue"  # noqa: S608
    )
    op.drop_table("webhook_queue")
    op.rename_table("webhook_queue_new", "webhook_queue")
    op.create_index("webhook_queue_due", "webhook_queue", ["webhook_id", "next_attempt_at"])
    op.create_index("webhook_queue_waiting", "webhook_queue", ["webhook_id", "waiting_since"])
    op.create_index(
        "webhook_queue_order", "webhook_queue", ["webhook_id", "ordering_key", "shard", "position"]
    )
