"""Contacts are found by their addresses, and conversations by the keys of their channel accounts.

The new tables are derived. Where the log has contacts, all states are emptied, and the API rebuilds them from the log when
it starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

HAS_CONTACTS = "exists (select 1 from contacts)"


def upgrade() -> None:
    """Create the tables, empty, and empty the states from which a rebuild fills them."""
    op.create_table(
        "contact_addresses",
        sa.Column("value", sa.String(), primary_key=True),
        sa.Column("kind", sa.String(), primary_key=True),
        sa.Column("scope", sa.String(), primary_key=True),
        sa.Column("contact_id", sa.String(), primary_key=True, index=True),
        sa.Column("is_current", sa.Boolean(create_constraint=False), nullable=False),
    )
    op.create_table(
        "merge_proposals",
        sa.Column("contact_id", sa.String(), primary_key=True),
        sa.Column("other_contact_id", sa.String(), primary_key=True),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "merge_proposals_by_position",
        "merge_proposals",
        ["proposed_at", "contact_id", "other_contact_id"],
    )
    op.create_table(
        "channel_threads",
        sa.Column("thread_key", sa.String(), primary_key=True),
        sa.Column("conversation_id", sa.String(), nullable=False),
    )
    op.execute(f"delete from conversations where {HAS_CONTACTS}")  # noqa: S608
    op.execute("delete from contacts")
    op.add_column("contacts", sa.Column("merged_into", sa.String()))
    op.create_index("ix_contacts_merged_into", "contacts", ["merged_into"])
