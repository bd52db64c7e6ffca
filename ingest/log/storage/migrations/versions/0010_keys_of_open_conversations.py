"""A conversation key is unique among open conversations; a closed one gives it to its successor.

The states also have the customer's last channel, and the agent in control, now, so the derived table is
created again. The API rebuilds it from the log when it starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

OPEN = "state <> 'closed'"
HAS_AGENT = "controlling_agent is not null"


def upgrade() -> None:
    """Create the table of states again, empty."""
    op.drop_table("conversations")
    op.create_table(
        "conversations",
        sa.Column("conversation_id", sa.String(), primary_key=True),
        sa.Column("created_position", sa.BigInteger(), nullable=False, index=True),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("conversation_key", sa.String(), index=True),
        sa.Column("contact_id", sa.String(), index=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("session_id", sa.String()),
        sa.Column("next_check_at", sa.BigInteger(), index=True),
        sa.Column("controlling_agent", sa.String()),
        sa.Column("projection", sa.LargeBinary(), nullable=False),
    )
    op.create_index(
        "conversations_by_agent",
        "conversations",
        ["controlling_agent"],
        sqlite_where=sa.text(HAS_AGENT),
        postgresql_where=sa.text(HAS_AGENT),
    )
    op.create_index(
        "conversations_by_open_key",
        "conversations",
        ["conversation_key"],
        unique=True,
        sqlite_where=sa.text(OPEN),
        postgresql_where=sa.text(OPEN),
    )
