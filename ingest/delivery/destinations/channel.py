"""A channel account as a destination: public messages of bots and agents, sent to the customer by its provider."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid5

from sqlalchemy import Engine, RowMapping

from ingest.accounts.registry import ChannelAccount, open_account
from ingest.accounts.secret_box import SecretBox
from ingest.accounts.sends import ChannelSend, list_parts_of
from ingest.channels import base as channels
from ingest.channels.base import (
    Account,
    Answer,
    ChannelAdapter,
    OutboundRequest,
    Unsendable,
)
from ingest.channels.registry import is_idempotent
from ingest.channels.source import CHANNEL_SOURCE
from ingest.clock import Clock
from ingest.contract import NAMESPACE
from ingest.delivery.destinations import loop_guard
from ingest.delivery.destinations.base import (
    Delivered,
    Interpretation,
    Rejected,
    Retry,
    Send,
    Skip,
    Unknown,
)
from ingest.delivery.destinations.loop_guard import is_loop
from ingest.delivery.destinations.outbound_message import outbound_message
from ingest.delivery.destinations.recipients import Recipients
from ingest.delivery.destinations.send_journal import SendJournal
from ingest.delivery.destinations.steps import HTTP_TOO_MANY, prepared
from ingest.egress.client import EgressResult
from ingest.errors import UnreadableSecretError, UnreadableStateError
from ingest.events.history import is_history

SENDERS = ("bot", "agent", "system")
"""Roles whose messages go out. What a provider reported comes from `CHANNEL_SOURCE`, and was sent already."""

PARALLEL_KEYS = 32
"""Maximum conversations of an account that are served in parallel: their commits share flushes to disk."""


class ChannelDestination:
    """Sends messages by a channel account. In doubt whether one was taken, the account's policy decides."""

    kind = "channel"
    parallel_keys = PARALLEL_KEYS
    unrecorded_events = None

    def __init__(
        self,
        account: ChannelAccount,
        adapter: ChannelAdapter,
        engine: Engine,
        recipients: Recipients,
        secrets: SecretBox,
        clock: Clock,
    ) -> None:
        """Wrap an account. `engine` only reads; `clock` gives microseconds; `secrets` decrypts."""
        self.account = account
        self.destination_id = account.destination_id
        self.cursor = account.cursor
        self.is_enabled = account.disabled_at is None
        self.requests_per_second = account.policy.requests_per_second
        self._adapter = adapter
        self._engine = engine
        self._recipients = recipients
        self._secrets = secrets
        self._clock = clock
        self._parts: dict[tuple[int, int], list[ChannelSend]] = {}
        self._may_repeat = account.policy.send == "at_least_once" or is_idempotent(adapter)

    def wants(self, event: RowMapping) -> bool:
        """Take public messages to the customer whose channel account is this one.

        The log gives a reply the account of the message that it answers, or of the customer's last one.
        Imported history and tests are left out.
        """
        self._recipients.see(event)
        return (
            event["event_type"] == "message.created"
            and event["channel_account"] == self.account.account_id
            and event["participant_role"] in SENDERS
            and event["visibility"] == "public"
            and event["source"] != CHANNEL_SOURCE
            and not event["is_test"]
            and not is_history(event)
        )

    def load(self, events: Sequence[RowMapping]) -> None:
        """Read the recipients of these events, and what is known of earlier sends: mostly nothing."""
        places = [(event["shard"], event["position"]) for event in events]
        self._parts = {place: [] for place in places} | list_parts_of(
            self._engine, self.account.account_id, places
        )

        for conversation_id in {event["conversation_id"] for event in events}:
            with suppress(UnreadableStateError):
                self._recipients.find(self.account.account_id, conversation_id)

    def is_loaded(self, event: RowMapping) -> bool:
        """Return whether `load` has read everything: a reply to a message needs more."""
        place = event["shard"], event["position"]
        return (
            place in self._parts
            and event["in_reply_to"] is None
            and self._recipients.is_known(self.account.account_id, event["conversation_id"])
        )

    def _list_parts(self, event: RowMapping) -> list[ChannelSend]:
        place = event["shard"], event["position"]
        if place in self._parts:
            return self._parts.pop(place)
        found = list_parts_of(self._engine, self.account.account_id, [place])
        return found.get(place, [])

    def ordering_key(self, event: Mapping[str, Any] | RowMapping) -> str:
        """Order messages within their conversation."""
        return str(event["conversation_id"] or "")

    def prepare(self, event: RowMapping, attempt: int) -> Send | Skip | Retry:
        """Build the requests of the parts that are left.

        A part in state `sending` was going out when the process died: it is unknown, or is repeated.
        Retry if no key decrypts the secrets of the account.
        """
        try:
            account = open_account(self._secrets, self.account)
        except UnreadableSecretError as error:
            return Retry(error.detail)
        known = self._list_parts(event)
        journal = self._journal(event, known)
        states = {each.state for each in known}
        if states & {"failed", "unknown"}:
            return Send(journal)  # a person decides
        first = sum(each.state == "sent" for each in known)
        if "sending" in states and not self._may_repeat:
            return Send(
                journal, first=first, verdict=Unknown("the process ended while it was sent")
            )
        rendered = self._render(event, journal, account)
        if isinstance(rendered, Unsendable):
            return Send(journal, first=first, verdict=Rejected(rendered.reason, rendered.code))
        journal.parts = len(rendered)
        requests = [prepared(each, account) for each in rendered[first:]]
        return Send(journal, requests, first)

    def _journal(self, event: RowMapping, known: list[ChannelSend]) -> SendJournal:
        attempt = max((each.attempt for each in known), default=1)
        name = f"send/{self.account.account_id}/{event['source']}/{event['event_id']}/{attempt}"
        parts = known[0].parts if known else 1
        return SendJournal(
            self.account, event, attempt, str(uuid5(NAMESPACE, name)), parts, self._clock
        )

    def _render(
        self, event: RowMapping, journal: SendJournal, account: Account
    ) -> list[OutboundRequest] | Unsendable:
        try:
            recipient = self._recipients.find(account.account_id, event["conversation_id"])
        except UnreadableStateError:
            return Unsendable("the stored state of the conversation is damaged")
        if recipient is None:
            return Unsendable("no address of the customer is known on this account")
        now, contact_id = self._clock(), recipient.contact_id
        is_decided = journal.attempt > 1  # a person has it sent again
        if not is_decided and is_loop(self._engine, self.account, event, contact_id, now):
            return Unsendable(loop_guard.REASON, loop_guard.CODE)
        message = outbound_message(self._engine, event, recipient, journal.reference, now)
        rendered = self._adapter.render(message, recipient.person, account)
        return rendered if isinstance(rendered, Unsendable) else list(rendered)

    def interpret(self, result: EgressResult) -> Interpretation:
        """Return what the provider's answer means. Without one, the request may have been read."""
        if result.status is None:
            reason = result.error or "no answer"
            return Retry(reason) if result.is_unsent or self._may_repeat else Unknown(reason)
        answer = Answer(status=result.status, headers=result.headers, body=result.body)
        match self._adapter.interpret(answer):
            case channels.Sent(provider_id):
                return Delivered(provider_id)
            case channels.Retry(reason, after):
                return Retry(reason, after, is_throttled=result.status == HTTP_TOO_MANY)
            case channels.Rejected(reason, code):
                return Rejected(reason, code)
            case channels.Unknown(reason):
                return Retry(reason) if self._may_repeat else Unknown(reason)
