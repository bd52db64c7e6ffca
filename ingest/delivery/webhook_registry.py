"""Webhooks in the store."""

from typing import Any

from sqlalchemy import (
    ClauseElement,
    Engine,
    RowMapping,
    delete,
    insert,
    select,
    update,
)

from ingest.delivery.destinations.webhook import Webhook
from ingest.log.storage.tables import webhook_queue, webhooks


def get_webhook(engine: Engine, webhook_id: str) -> Webhook | None:
    """A webhook, or None."""
    with engine.connect() as connection:
        found = connection.execute(
            select(webhooks).where(webhooks.c.webhook_id == webhook_id)
        ).mappings()
        row = found.first()
    return None if row is None else _webhook(row)


def list_webhooks(engine: Engine) -> list[Webhook]:
    """Every webhook, oldest first."""
    query = select(webhooks).order_by(webhooks.c.created_at, webhooks.c.webhook_id)
    with engine.connect() as connection:
        return [_webhook(row) for row in connection.execute(query).mappings()]


def _webhook(row: RowMapping) -> Webhook:
    values = dict(row)
    for name in ("event_types", "channels"):
        values[name] = frozenset(values[name].split())
    return Webhook(**values)


def insert_webhook(webhook: Webhook) -> ClauseElement:
    """A new webhook."""
    return insert(webhooks).values(
        {
            name: " ".join(sorted(value)) if isinstance(value, frozenset) else value
            for name in Webhook.__struct_fields__
            for value in [getattr(webhook, name)]
        }
    )


def update_webhook(webhook_id: str, **values: Any) -> ClauseElement:
    """Other values."""
    return update(webhooks).where(webhooks.c.webhook_id == webhook_id).values(**values)


def delete_webhook(webhook_id: str) -> list[ClauseElement]:
    """No webhook any more, and nothing waits for it."""
    return [
        delete(table).where(table.c.webhook_id == webhook_id) for table in (webhook_queue, webhooks)
    ]
