"""A handoff that waits for an agent is found by an index.

The states of conversations are derived, so their table is emptied. The API rebuilds it from the log when it
starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WAITS = "waiting_since is not null"


def upgrade() -> None:
    """Add the column and its index, and empty the table."""
    op.execute("delete from conversations")
    op.add_column("conversations", sa.Column("waiting_since", sa.BigInteger()))
    op.create_index(
        "conversations_by_wait",
        "conversations",
        ["waiting_since", "conversation_id"],
        sqlite_where=sa.text(WAITS),
        postgresql_where=sa.text(WAITS),
    )
