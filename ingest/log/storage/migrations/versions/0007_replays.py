"""A refused event keeps its id, so that it is stored once however often it is tried again."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Add the column; of what was refused before, the id is made of its number."""
    op.add_column("rejected_events", sa.Column("event_id", sa.String()))
