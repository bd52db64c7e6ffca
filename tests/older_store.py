"""Gives a store the tables of an earlier version, for the tests of migrations."""

from ingest.settings import Settings
from tests.factories import damage

LATER = (
    "otlp_spans", "channel_sends", "channel_threads", "merge_proposals", "contact_addresses", "waiting_items",
    "provider_messages", "channel_refusals", "channel_calls", "channel_accounts",
)  # fmt: skip
OF_REVIEWS = ("scorecards", "review_samples", "reviews", "review_locks")


def downgrade_to_reviews(settings: Settings) -> None:
    """Return to the version before channels, which has reviews."""
    for table in LATER:
        damage(settings, f"drop table {table}")
    damage(settings, "drop index ix_contacts_merged_into")
    damage(settings, "alter table contacts drop column merged_into")
    damage(settings, "update alembic_version set version_num = '0012'")


def downgrade_to_webhooks(settings: Settings) -> None:
    """Return to the version before reviews."""
    downgrade_to_reviews(settings)
    for table in OF_REVIEWS:
        damage(settings, f"drop table {table}")
    damage(settings, "update alembic_version set version_num = '0011'")
