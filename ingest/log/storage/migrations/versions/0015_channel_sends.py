"""Sends of channel accounts: what was going out when a process died is not sent twice unnoticed."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, empty."""
    op.create_table(
        "channel_sends",
        sa.Column("account_id", sa.String(), primary_key=True),
        sa.Column("shard", sa.SmallInteger(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("part", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("reference", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("provider_id", sa.String()),
        sa.Column("code", sa.String()),
        sa.Column("reason", sa.String()),
    )
    op.create_index(
        "channel_sends_by_state", "channel_sends", ["account_id", "state", "conversation_id"]
    )
    op.create_index("channel_sends_by_reference", "channel_sends", ["account_id", "reference"])
