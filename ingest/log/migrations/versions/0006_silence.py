"""Who waits for a bot whose webhook does not take what it is told."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("webhooks", sa.Column("silent_position", sa.BigInteger()))
    op.add_column("webhook_queue", sa.Column("asked_at", sa.BigInteger()))
    op.create_index("webhook_queue_asked", "webhook_queue", ["webhook_id", "asked_at"])
