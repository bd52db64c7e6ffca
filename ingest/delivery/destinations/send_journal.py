"""What the log keeps of the send of one message: a row for each part, and the receipts of the message."""

from sqlalchemy import RowMapping

from ingest.accounts.provider_messages import record_sent
from ingest.accounts.registry import ChannelAccount
from ingest.accounts.sends import ChannelSend, SendState, put_send
from ingest.clock import Clock
from ingest.delivery.destinations.base import (
    Delivered,
    Disabled,
    Interpretation,
    Record,
    Rejected,
    Retry,
    Unknown,
)
from ingest.delivery.destinations.receipts import failed, submitted, unconfirmed


class SendJournal:
    """The journal of one message of one account. `reference` names the send to the provider."""

    def __init__(
        self,
        account: ChannelAccount,
        event: RowMapping,
        attempt: int,
        reference: str,
        parts: int,
        clock: Clock,
    ) -> None:
        """`attempt` counts what a person had sent again after a failure. `clock` gives microseconds."""
        self._account = account
        self._event = event
        self.attempt = attempt
        self._clock = clock
        self.reference = reference
        self.parts = parts

    def begin(self, part: int) -> Record:
        """Return the record that a part goes out."""
        return Record(put_send(self._send(part, "sending")))

    def end(self, part: int, outcome: Interpretation) -> Record:
        """Return the record of a part's outcome, with the receipt if it is the message's outcome too."""
        channel = self._event["channel"]
        match outcome:
            case Delivered(provider_id):
                return self._sent(self._send(part, "sent", provider_id=provider_id), channel)
            case Rejected(reason, code):
                send = self._send(part, "failed", reason, code)
                return Record(put_send(send), [failed(send, channel)])
            case Unknown(reason):
                send = self._send(part, "unknown", reason)
                return Record(put_send(send), [unconfirmed(send, channel)])
            case Retry(reason) | Disabled(reason):
                return Record(put_send(self._send(part, "waiting", reason)))

    def _sent(self, send: ChannelSend, channel: str) -> Record:
        statements = put_send(send)
        if send.provider_id is not None:
            statements.append(
                record_sent(
                    send.account_id,
                    send.provider_id,
                    send.conversation_id,
                    send.message_id,
                    send.at,
                )
            )
        is_last = send.part + 1 == send.parts
        return Record(statements, [submitted(send, channel)] if is_last else ())

    def _send(
        self,
        part: int,
        state: SendState,
        reason: str | None = None,
        code: str | None = None,
        provider_id: str | None = None,
    ) -> ChannelSend:
        event = self._event
        return ChannelSend(
            account_id=self._account.account_id,
            shard=event["shard"],
            position=event["position"],
            part=part,
            parts=self.parts,
            reference=self.reference,
            conversation_id=event["conversation_id"],
            message_id=event["message_id"],
            state=state,
            attempt=self.attempt,
            at=self._clock(),
            provider_id=provider_id,
            code=code,
            reason=reason,
        )
