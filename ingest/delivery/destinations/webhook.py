"""Webhooks as a destination: filters, signed requests, and the rules of bots."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from sqlalchemy import Engine, RowMapping

from ingest.accounts.secret_box import SecretBox
from ingest.clock import Clock
from ingest.contract import Cursor, from_micros
from ingest.delivery.destinations.base import (
    Delivered,
    Disabled,
    Interpretation,
    Request,
    Retry,
    Skip,
)
from ingest.egress import signing
from ingest.egress.client import EgressResult
from ingest.errors import UnreadableSecretError, UnreadableStateError
from ingest.events.conversation_state import HUMAN, Control
from ingest.events.event_view import render_event
from ingest.events.history import is_history
from ingest.events.types import rules_of
from ingest.log import queries
from ingest.log.queries import ConversationChannels

HTTP_GONE = 410

PARALLEL_KEYS = 8
"""Maximum conversations of a webhook that are delivered in parallel."""

UNRECORDED_EVENTS = 50
"""Maximum events delivered before it is recorded that they were: a killed process delivers them again."""


class Webhook(Struct, frozen=True):
    """A webhook as the store keeps it.

    Without `event_types` it receives every event of the conversation stream; without `channels`, of every
    channel. With `bot_id` it belongs to a bot. The secrets are encrypted.
    """

    webhook_id: str
    source: str
    url: str
    event_types: frozenset[str]
    channels: frozenset[str]
    bot_id: str | None
    secret: str
    old_secret: str | None
    old_secret_until: int | None
    created_at: int
    disabled_at: int | None
    disabled_reason: str | None
    cursor: Cursor
    watchdog_cursor: Cursor

    def expects_bot_reply(self, event: RowMapping) -> bool:
        """Return whether a customer waits for the bot of this webhook to reply to this event.

        Messages from before the webhook was created count for no bot.
        """
        return (
            self.bot_id is not None
            and event["event_type"] == "message.created"
            and event["participant_role"] == "customer"
            and event["visibility"] == "public"
            and not is_history(event)
            and event["committed_at"] >= self.created_at
        )


class WebhookDestination:
    """Sends events to a webhook."""

    kind = "webhook"
    requests_per_second = None
    parallel_keys = PARALLEL_KEYS
    unrecorded_events = UNRECORDED_EVENTS

    def __init__(
        self,
        webhook: Webhook,
        engine: Engine,
        channels: ConversationChannels,
        clock: Clock,
        secrets: SecretBox,
    ) -> None:
        """Wrap a webhook. `engine` only reads; `clock` gives microseconds; `secrets` decrypts."""
        self.webhook = webhook
        self.destination_id = webhook.webhook_id
        self.cursor = webhook.cursor
        self.is_enabled = webhook.disabled_at is None
        self._engine = engine
        self._channels = channels
        self._clock = clock
        self._secrets = secrets

    def wants(self, event: RowMapping) -> bool:
        """Apply the filters. Events of contacts need a filter that names them; a bot's own events are left out."""
        webhook, rules = self.webhook, rules_of(event["event_type"])
        if not rules.is_deliverable or (rules.stream == "contact" and not webhook.event_types):
            return False
        if webhook.event_types and not webhook.event_types & filter_names(event["event_type"]):
            return False
        if (
            webhook.channels
            and self._channels.get(event["conversation_id"]) not in webhook.channels
        ):
            return False
        return webhook.bot_id is None or event["participant_id"] != webhook.bot_id

    def load(self, events: Sequence[RowMapping]) -> None:
        """Read nothing: every webhook is told who has control at this moment."""

    def is_loaded(self, event: RowMapping) -> bool:
        """Return False."""
        return False

    def ordering_key(self, event: Mapping[str, Any] | RowMapping) -> str:
        """Order events within their conversation, or else their contact."""
        return str(event["conversation_id"] or event["contact_id"] or "")

    def prepare(self, event: RowMapping, attempt: int) -> Request | Skip | Retry:
        """Build the signed request. Skip the event if a human has control and the webhook is a bot's.

        Retry if no key decrypts its secret.
        """
        control = self._control_of(event["conversation_id"])
        has_human_control = control is not None and control.owner == HUMAN
        if self.webhook.bot_id is not None and has_human_control:
            return Skip("a human has control")
        now = self._clock()
        webhook, body = self.webhook, delivery_body(event, control)
        sealed = signing.active_secrets(
            webhook.secret, webhook.old_secret, webhook.old_secret_until, now
        )
        try:
            secrets = [self._secrets.open(each) for each in sealed]
        except UnreadableSecretError as error:
            return Retry(error.detail)
        headers = signing.sign(delivery_id(event), now // 1_000_000, body, secrets)
        return Request(webhook.url, headers, body)

    def _control_of(self, conversation_id: str | None) -> Control | None:
        if conversation_id is None:
            return None
        try:
            state = queries.get_conversation(self._engine, conversation_id)
        except UnreadableStateError:
            return None  # the bot may read the event; its reply is rejected until the repair
        return None if state is None else state.control

    def interpret(self, result: EgressResult) -> Interpretation:
        """Accept 2xx, disable the webhook on 410, retry everything else."""
        if result.is_success:
            return Delivered()
        if result.status == HTTP_GONE:
            return Disabled("the receiver answered 410")
        return Retry(result.error or f"status {result.status}", result.retry_after)


def filter_names(event_type: str) -> frozenset[str]:
    """Return the names by which a filter may name an event type: `message.created`, `message.*`."""
    return frozenset({event_type, event_type.partition(".")[0] + ".*"})


def delivery_id(event: RowMapping) -> str:
    """Return the id of an event's delivery: the same for every attempt and every webhook."""
    return f"evt_{event['shard']}_{event['position']}"


class DeliveryBody(Struct):
    """The body of a webhook request. `type`: the event type. `timestamp`: when the event was committed.

    `data`: the event's columns that are not null, and `control`: who has control at this attempt (owner,
    participant_id, epoch). A bot names the epoch in its reply. The rest is the same in every attempt.
    """

    type: str
    timestamp: datetime
    data: dict[str, Any]


def delivery_body(event: RowMapping, control: Control | None) -> bytes:
    """Return the body, encoded."""
    data = render_event(event, "all")
    if control is not None:
        data["control"] = msgspec.structs.asdict(control)
    return msgspec.json.encode(
        DeliveryBody(event["event_type"], from_micros(event["committed_at"]), data)
    )
