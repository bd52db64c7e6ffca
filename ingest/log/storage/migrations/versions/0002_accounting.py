"""Accounting: what came and what became of it, and the refused events themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

COUNTS = ("came", "accepted", "duplicate", "conflict", "rejected", "generated")


def upgrade() -> None:
    """Create both tables; what older versions stored counts as having come once."""
    op.create_table(
        "tallies",
        sa.Column("source", sa.String(), primary_key=True),
        *(sa.Column(name, sa.BigInteger(), nullable=False) for name in COUNTS),
    )
    op.execute(
        "insert into tallies select source, sum(n), sum(n), 0, 0, 0, 0 from "
        "(select source, count(*) as n from events where source <> 'convolake' group by source) as stored "
        "group by source"
    )
    op.execute(
        "insert into tallies select source, 0, 0, 0, 0, 0, count(*) from events "
        "where source = 'convolake' group by source"
    )
    op.create_table(
        "rejected_events",
        sa.Column(
            "rejected_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
        ),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("field", sa.Text()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("replayed_at", sa.BigInteger()),
        sa.Column("replayed_event_id", sa.String()),
    )
