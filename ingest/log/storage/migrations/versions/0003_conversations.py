"""Conversations with all that belongs to them; derived state is folded anew from the log."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NAMED_MESSAGE = sa.text("event_type = 'message.created' AND message_id <> event_id")


def upgrade() -> None:
    """Drop the derived table and create it anew, empty: the writer folds the log at its start."""
    op.drop_table("conversations")
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.String(), primary_key=True),
        sa.Column("created_position", sa.BigInteger(), nullable=False, unique=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("conversation_key", sa.String(), unique=True),
        sa.Column("contact_id", sa.String(), index=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.String()),
        sa.Column("wakes_at", sa.BigInteger(), index=True),
        sa.Column("folded", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.String(), primary_key=True),
        sa.Column("conversation_id", sa.String(), primary_key=True),
        sa.Column("folded", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.String(), primary_key=True),
        sa.Column("folded", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "parked_events",
        sa.Column("parked_id", BIG, primary_key=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("event_id", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.UniqueConstraint("event_id", "source"),
    )
    op.create_index("parked_by_message", "parked_events", ["message_id", "conversation_id"])
    op.create_index(
        "events_by_message",
        "events",
        ["message_id", "conversation_id"],
        sqlite_where=NAMED_MESSAGE,
        postgresql_where=NAMED_MESSAGE,
    )
    op.add_column(
        "tallies", sa.Column("parked", sa.BigInteger(), nullable=False, server_default="0")
    )
