"""Spans of OpenTelemetry wait until their trace is complete."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, empty."""
    op.create_table(
        "otlp_spans",
        sa.Column("source", sa.String(), primary_key=True),
        sa.Column("trace_id", sa.String(), primary_key=True),
        sa.Column("span_id", sa.String(), primary_key=True),
        sa.Column("channels", sa.String(), nullable=False),
        sa.Column("conversation_id", sa.String()),
        sa.Column("is_root", sa.Boolean(create_constraint=False), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("converted_at", sa.BigInteger()),
        sa.Column("body", sa.LargeBinary(), nullable=False),
    )
    op.create_index("ix_otlp_spans_converted_at", "otlp_spans", ["converted_at"])
