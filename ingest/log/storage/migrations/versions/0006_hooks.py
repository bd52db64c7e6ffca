"""Who waits for a bot that is not reached; hooks that are asked before a message is stored."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns and the table."""
    op.add_column("webhooks", sa.Column("silent_position", sa.BigInteger()))
    op.add_column("webhook_queue", sa.Column("asked_at", sa.BigInteger()))
    op.create_index("webhook_queue_asked", "webhook_queue", ["webhook_id", "asked_at"])
    op.create_table(
        "hooks",
        sa.Column("hook_id", sa.String(), primary_key=True),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("channels", sa.String(), nullable=False),
        sa.Column("roles", sa.String(), nullable=False),
        sa.Column("timeout_ms", sa.Integer(), nullable=False),
        sa.Column("on_failure", sa.String(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String()),
        sa.Column("old_until", sa.BigInteger()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
    )
