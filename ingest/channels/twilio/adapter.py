"""Twilio: SMS, MMS, WhatsApp, RCS and Messenger through Programmable Messaging, and Conversations."""

from collections.abc import Iterable, Sequence

from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    HttpRequest,
    Inbound,
    Interpretation,
    OutboundMessage,
    Person,
    Unsendable,
)
from ingest.channels.twilio import inbound, outbound, signature


class TwilioAdapter:
    """Programmable Messaging of Twilio, one number, sender or messaging service an account."""

    provider = "twilio"
    title = "Twilio"
    channels: tuple[str, ...] = ("sms", "whatsapp", "rcs", "messenger")
    options: tuple[Field, ...] = (
        Field("account_sid", "Account SID, on the first page of the console: `AC…`"),
        Field(
            "webhook_url",
            "public URL of this account's webhook, if a proxy hides it; statuses go there",
            False,
        ),
        Field("messaging_service_sid", "messaging service that chooses the sender: `MG…`", False),
        Field("api_url", f"base URL of the API, {outbound.API_URL} by default", False),
    )
    secrets: tuple[Field, ...] = (
        Field("auth_token", "Auth Token, on the first page of the console"),
        Field("shared_key", "secret of a webhook signing key (SharedKey)", False),
    )
    inbound_kinds: tuple[str, ...] = (
        "text",
        "media",
        "location",
        "button",
        "list reply",
        "referral",
        "opt-out",
        "status",
        "conversation message",
        "edit",
        "deletion",
    )
    accepted = Challenge(200, b"<Response/>", "text/xml")
    """Instructions for Twilio, none: it logs an error for an answer of another type."""

    redelivery = (
        "Twilio calls once, then the fallback URL; `#rc=5` in the URL asks for five more attempts."
    )

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: Twilio does not check the URL."""
        return None

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check X-Twilio-Signature. Raises InvalidSignatureError. Twilio signs no time, so `now` is unused."""
        signature.verify(call, account)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of a call: one of a form, one each of a list of events. Raises UnreadableCallError."""
        return inbound.parse(call, account)

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[HttpRequest] | Unsendable:
        """Return a request for each part of a message, at most 1,600 characters each."""
        return outbound.render(message, person, account)

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what the Messages resource answers."""
        return outbound.interpret(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return a POST of a body to the option `webhook_url`, signed with the newest auth token."""
        return signature.sign(body, content_type, account)


ADAPTER = TwilioAdapter()
