"""Webhooks, and what waits to be delivered to them."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "webhooks",
        sa.Column("webhook_id", sa.String(), primary_key=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("event_types", sa.String(), nullable=False),
        sa.Column("channels", sa.String(), nullable=False),
        sa.Column("bot_id", sa.String()),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String()),
        sa.Column("old_until", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("disabled_because", sa.String()),
    )
    op.create_table(
        "webhook_queue",
        sa.Column("webhook_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("of", sa.String(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("next_at", sa.BigInteger()),
        sa.Column("died_at", sa.BigInteger()),
        sa.Column("last", sa.String()),
    )
    op.create_index("webhook_queue_due", "webhook_queue", ["webhook_id", "next_at"])
    op.create_index("webhook_queue_order", "webhook_queue", ["webhook_id", "of", "position"])
