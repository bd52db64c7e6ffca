"""States of scorecards, samples and reviews, and the locks of reviewers.

A log that has reviews already gets their states by the rebuild of all states, when the API starts.
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

HAS_REVIEWS = "exists (select 1 from events where event_type = 'review.submitted')"


def upgrade() -> None:
    """Create the tables, empty. Without states of conversations, the API rebuilds all states."""
    op.create_table(
        "scorecards",
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("version", sa.BigInteger(), primary_key=True, autoincrement=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("projection", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "review_samples",
        sa.Column("sample_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("projection", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "reviews",
        sa.Column("review_id", sa.String(), primary_key=True),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.String(), nullable=False, index=True),
        sa.Column("sample_id", sa.String()),
        sa.Column("reviewer", sa.String()),
        sa.Column("projection", sa.LargeBinary(), nullable=False),
    )
    op.create_index("reviews_by_position", "reviews", ["position", "review_id"])
    op.create_index("reviews_by_item", "reviews", ["sample_id", "conversation_id", "reviewer"])
    op.create_table(
        "review_locks",
        sa.Column("sample_id", sa.String(), primary_key=True),
        sa.Column("reviewer", sa.String(), primary_key=True),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("locked_until", sa.BigInteger(), nullable=False),
    )
    op.execute(f"delete from conversations where {HAS_REVIEWS}")  # noqa: S608
