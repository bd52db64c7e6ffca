"""Rename tables and columns to the terms of the glossary. Values do not change."""

from alembic import op

revision = "0008"
down_revision = "0007"

COLUMNS = {
    "ingest_stats": {"came": "received"},
    "conversations": {"wakes_at": "next_check_at", "folded": "projection"},
    "messages": {"folded": "projection"},
    "contacts": {"folded": "projection"},
    "webhooks": {
        "old_until": "old_secret_until",
        "disabled_because": "disabled_reason",
        "silent_position": "watchdog_position",
    },
    "webhook_queue": {
        "of": "ordering_key",
        "since": "first_attempt_at",
        "next_at": "next_attempt_at",
        "died_at": "dead_lettered_at",
        "last": "last_result",
        "asked_at": "waiting_since",
    },
    "hooks": {"old_until": "old_secret_until"},
    "api_keys": {"used_at": "last_used_at"},
}


def upgrade() -> None:
    """Rename the table of counters, then columns, the indexes named after columns, and an error code."""
    op.rename_table("tallies", "ingest_stats")
    for table, names in COLUMNS.items():
        for old, new in names.items():
            op.execute(f'ALTER TABLE {table} RENAME COLUMN "{old}" TO {new}')
    op.drop_index("ix_conversations_wakes_at", "conversations")
    op.create_index("ix_conversations_next_check_at", "conversations", ["next_check_at"])
    op.drop_index("webhook_queue_asked", "webhook_queue")
    op.create_index("webhook_queue_waiting", "webhook_queue", ["webhook_id", "waiting_since"])
    op.execute(
        "UPDATE rejected_events SET code = 'rejected_by_hook' WHERE code = 'refused_by_hook'"
    )
