"""Vonage: the Messages API in both directions, and inbound calls of the older SMS API."""

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
from ingest.channels.vonage import inbound, outbound, signature


class VonageAdapter:
    """Messages of Vonage, one number or sender an account."""

    provider = "vonage"
    title = "Vonage"
    channels: tuple[str, ...] = ("sms", "whatsapp", "viber", "messenger", "rcs")
    options: tuple[Field, ...] = (
        Field("api_key", "API key, on the first page of the dashboard"),
        Field("application_id", "application that has the private key, for sending", False),
        Field(
            "signature_method",
            "of the SMS API: md5hash (default), md5, sha1, sha256 or sha512",
            False,
        ),
        Field("webhook_url", "public URL of this account's webhook; statuses go there", False),
        Field("api_url", f"base URL of the API, {outbound.API_URL} by default", False),
    )
    secrets: tuple[Field, ...] = (
        Field("signature_secret", "Signature secret, under API settings"),
        Field("private_key", "private key of the application, as PEM", False),
        Field("api_secret", "API secret; for sending without an application", False),
    )
    inbound_kinds: tuple[str, ...] = (
        "text",
        "image",
        "audio",
        "video",
        "file",
        "sticker",
        "vcard",
        "location",
        "reply",
        "button",
        "order",
        "reaction",
        "status",
        "SMS",
        "SMS receipt",
    )
    redelivery = (
        "Vonage repeats a call without a 2xx answer for 24 hours; `message_uuid` stays the same."
    )

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: Vonage does not check the URL."""
        return None

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check the token or the field `sig`. A call with neither is invalid. Raises InvalidSignatureError."""
        signature.verify(call, account, now)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the one item of a call. Raises UnreadableCallError."""
        return inbound.parse(call, account)

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[HttpRequest] | Unsendable:
        """Return a request for each part of the text, and for each attachment."""
        return outbound.render(message, person, account)

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what the Messages API answers."""
        return outbound.interpret(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return a POST of a body, signed with the newest signature secret."""
        return signature.sign(body, content_type, account, now)


ADAPTER = VonageAdapter()
