"""API keys have scopes, channels and an end; those made before may do what they could."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the columns."""
    op.add_column(
        "api_keys",
        sa.Column(
            "scopes",
            sa.String(),
            nullable=False,
            server_default="conversations:write events:write import pii:read read",
        ),
    )
    op.execute("UPDATE api_keys SET scopes = 'admin' WHERE source = 'local'")
    op.add_column("api_keys", sa.Column("channels", sa.String(), nullable=False, server_default=""))
    op.add_column("api_keys", sa.Column("expires_at", sa.BigInteger()))
    op.add_column("api_keys", sa.Column("used_at", sa.BigInteger()))
