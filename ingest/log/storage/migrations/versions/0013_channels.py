"""Channel accounts, the calls of their providers, and what waits for a message.

Secrets of webhooks and hooks are encrypted when the API starts, because a migration has no key.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, empty."""
    _create_accounts()
    _create_calls()
    _create_messages()
    op.create_table(
        "waiting_items",
        sa.Column("account_id", sa.String(), primary_key=True),
        sa.Column("item_id", sa.String(), primary_key=True),
        sa.Column("provider_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False, index=True),
        sa.Column("call_id", sa.String(), nullable=False),
        sa.Column("item", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("check_at", sa.BigInteger(), nullable=False, index=True),
    )


def _create_accounts() -> None:
    op.create_table(
        "channel_accounts",
        sa.Column("account_id", sa.String(), primary_key=True),
        *(
            sa.Column(name, sa.String(), nullable=False)
            for name in ("provider", "channel", "address")
        ),
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("options", "secrets", "policy")),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("disabled_at", sa.BigInteger()),
        sa.Column("disabled_reason", sa.String()),
        sa.Column("cursor", sa.String(), nullable=False),
    )


def _create_calls() -> None:
    op.create_table(
        "channel_calls",
        sa.Column("call_id", sa.String(), primary_key=True),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False, index=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("headers", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
    )
    op.create_index("channel_calls_of_account", "channel_calls", ["account_id", "received_at"])
    op.create_table(
        "channel_refusals",
        sa.Column("account_id", sa.String(), primary_key=True),
        sa.Column("reason", sa.String(), primary_key=True),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
    )


def _create_messages() -> None:
    op.create_table(
        "provider_messages",
        sa.Column("account_id", sa.String(), primary_key=True),
        sa.Column("provider_id", sa.String(), primary_key=True),
        sa.Column("conversation_id", sa.String(), nullable=False),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("sent_at", sa.BigInteger(), nullable=False),
    )
    op.create_index(
        "provider_messages_by_time",
        "provider_messages",
        ["account_id", "conversation_id", "sent_at"],
    )
