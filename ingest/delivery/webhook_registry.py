"""Webhooks in the store: read by queries, changed by statements that the writer runs."""

from typing import Any

from sqlalchemy import (
    ClauseElement,
    ColumnElement,
    Engine,
    RowMapping,
    delete,
    insert,
    select,
    update,
)

from ingest.accounts.secret_box import SecretBox
from ingest.clock import Clock
from ingest.contract import Cursor
from ingest.delivery.destinations.webhook import Webhook, WebhookDestination
from ingest.log.cursor import START, decode_cursor, encode_cursor
from ingest.log.queries import ConversationChannels
from ingest.log.storage.tables import webhook_queue, webhooks

_SETS = ("event_types", "channels")
_CURSORS = ("cursor", "watchdog_cursor")


class WebhookRegistry:
    """The webhooks as destinations of the dispatcher."""

    def __init__(self, engine: Engine, clock: Clock, secrets: SecretBox) -> None:
        """`engine` only reads; `clock` gives microseconds; `secrets` decrypts."""
        self._engine = engine
        self._clock = clock
        self._secrets = secrets
        self._channels = ConversationChannels(engine)

    def list_destinations(self) -> list[WebhookDestination]:
        """Return every webhook, oldest first."""
        return [self.destination(webhook) for webhook in list_webhooks(self._engine)]

    def get_destination(self, destination_id: str) -> WebhookDestination | None:
        """Return a webhook, or None."""
        webhook = get_webhook(self._engine, destination_id)
        return None if webhook is None else self.destination(webhook)

    def destination(self, webhook: Webhook) -> WebhookDestination:
        """Return a webhook as a destination."""
        return WebhookDestination(webhook, self._engine, self._channels, self._clock, self._secrets)

    def exists(self, destination_id: str) -> ColumnElement[bool]:
        """Return the condition that a webhook was not deleted."""
        return select(webhooks).where(webhooks.c.webhook_id == destination_id).exists()

    def save_cursor(self, destination_id: str, cursor: Cursor) -> ClauseElement:
        """Return the statement that saves how far a webhook has read."""
        return update_webhook(destination_id, cursor=cursor)

    def disable(self, destination_id: str, reason: str, now: int) -> ClauseElement:
        """Return the statement that disables a webhook."""
        return update_webhook(destination_id, disabled_at=now, disabled_reason=reason)


def get_webhook(engine: Engine, webhook_id: str) -> Webhook | None:
    """Return a webhook, or None."""
    query = select(webhooks).where(webhooks.c.webhook_id == webhook_id)
    with engine.connect() as connection:
        row = connection.execute(query).mappings().first()
    return None if row is None else _webhook(row)


def list_webhooks(engine: Engine) -> list[Webhook]:
    """Return every webhook, oldest first."""
    query = select(webhooks).order_by(webhooks.c.created_at, webhooks.c.webhook_id)
    with engine.connect() as connection:
        return [_webhook(row) for row in connection.execute(query).mappings()]


def _webhook(row: RowMapping) -> Webhook:
    values = dict(row)
    for name in _SETS:
        values[name] = frozenset(values[name].split())
    for name in _CURSORS:
        values[name] = decode_cursor(values[name]) if values[name] else START
    return Webhook(**values)


def insert_webhook(webhook: Webhook) -> ClauseElement:
    """Return the statement that adds a webhook."""
    values = {name: getattr(webhook, name) for name in Webhook.__struct_fields__}
    return insert(webhooks).values(_columns(values))


def update_webhook(webhook_id: str, **values: Any) -> ClauseElement:
    """Return the statement that changes fields of a webhook."""
    return update(webhooks).where(webhooks.c.webhook_id == webhook_id).values(_columns(values))


def delete_webhook(webhook_id: str) -> list[ClauseElement]:
    """Return the statements that delete a webhook and its queue."""
    return [
        delete(table).where(table.c.webhook_id == webhook_id) for table in (webhook_queue, webhooks)
    ]


def _columns(values: dict[str, Any]) -> dict[str, Any]:
    """Encode sets as words and cursors as strings."""
    columns = dict(values)
    for name in _SETS:
        if name in columns:
            columns[name] = " ".join(sorted(columns[name]))
    for name in _CURSORS:
        if name in columns:
            columns[name] = encode_cursor(columns[name])
    return columns
