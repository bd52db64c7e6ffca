"""A system of the organisation's own: calls and requests signed by Standard Webhooks, with one small JSON body.

`docs/channels/webhook.md` documents the body.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from ingest.channels import addresses
from ingest.channels.account_values import newest_secret, secrets_of
from ingest.channels.base import (
    Account,
    Address,
    Answer,
    Call,
    Challenge,
    ChangeAuthor,
    DeletionItem,
    EditItem,
    Field,
    HttpRequest,
    Inbound,
    Interpretation,
    MessageItem,
    OtherItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    ReactionItem,
    ReceiptItem,
    Rejected,
    Retry,
    Sent,
    TypingItem,
    Unknown,
    UnreadableCallError,
    UnreadableItem,
    Unsendable,
)
from ingest.channels.standard_webhook import signature
from ingest.contract import to_micros
from ingest.events.payloads import Attachment
from ingest.events.types import ReceiptStatus

Key = Annotated[str, Meta(min_length=1, max_length=512)]
Instant = Annotated[datetime, Meta(tz=True)]

RETRIED = frozenset({401, 403, 404, 408, 425, 429})
"""Statuses after which the receiver has not taken a message, and which a person or time can repair."""


class Sender(Struct, kw_only=True, omit_defaults=True):
    """The person: at least one of `id`, `phone` and `email`."""

    id: Key | None = None
    phone: Key | None = None
    email: Key | None = None
    name: str | None = None
    attributes: dict[str, Any] = {}

    def person(self, account: Account) -> Person | None:
        """Return the person, or None if nothing names one. An id is unique within the account's address."""
        found: list[Address] = []
        if self.id is not None:
            found.append(addresses.external_id(self.id, account.address))
        if self.phone is not None:
            found.append(addresses.phone(self.phone))
        if self.email is not None:
            found.append(addresses.email(self.email))
        if not found:
            return None
        return Person(addresses=tuple(found), name=self.name, attributes=self.attributes)


class _Part(Struct, kw_only=True, tag_field="type"):
    id: Key
    sender: Sender | None = msgspec.field(default=None, name="from")
    at: Instant | None = None
    channel: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")] | None = None
    thread: list[Key] = []
    is_test: bool = False

    def common(self, account: Account) -> dict[str, Any]:
        """Return the fields that every item has."""
        return {
            "provider_id": self.id,
            "person": None if self.sender is None else self.sender.person(account),
            "happened_at": None if self.at is None else to_micros(self.at),
            "channel": self.channel,
            "thread": tuple(self.thread),
            "is_test": self.is_test,
        }


class _Message(_Part, tag="message"):
    author: Literal["customer", "agent", "bot", "system"] = "customer"
    author_name: str | None = None
    text: str | None = None
    attachments: list[Attachment] = []
    in_reply_to: Key | None = None
    reference: Key | None = None
    payload: dict[str, Any] = {}


class _Edit(_Part, tag="edit"):
    message: Key
    text: str
    author: ChangeAuthor = "customer"


class _Deletion(_Part, tag="deletion"):
    message: Key
    author: ChangeAuthor = "customer"


class _Reaction(_Part, tag="reaction"):
    message: Key
    reaction: Annotated[str, Meta(max_length=64)] | None = None
    author: ChangeAuthor = "customer"


class _Receipt(_Part, tag="receipt"):
    message: Key
    status: ReceiptStatus
    code: str | None = None
    reason: str | None = None
    reference: Key | None = None


class _Typing(_Part, tag="typing"):
    is_typing: bool = True


class _Other(_Part, tag="other"):
    kind: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
    text: str | None = None
    data: dict[str, Any] = {}


class _Body(Struct):
    items: Annotated[list[msgspec.Raw], Meta(max_length=1_000)]


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_part = msgspec.json.Decoder(
    _Message | _Edit | _Deletion | _Reaction | _Receipt | _Typing | _Other
).decode


class _Taken(Struct):
    id: Key | None = None


class StandardWebhook:
    """The generic signed webhook."""

    provider = "webhook"
    title = "Signed webhook (Standard Webhooks)"
    channels = ("api", "web", "app")
    options = (
        Field("url", "where messages to customers go, as signed requests", is_required=False),
    )
    secrets = (
        Field("signing_secret", "`whsec_…`, shared, or `whpk_…`, the sender's public key"),
        Field(
            "sending_secret",
            "`whsec_…` or `whsk_…` that signs messages to customers; `signing_secret` if there is none",
            is_required=False,
        ),
    )
    inbound_kinds = ("message", "edit", "deletion", "reaction", "receipt", "typing", "other")
    redelivery = "The sender repeats a call with the same ids until it gets 200."

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return None: there is no such call."""
        return None

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check the signature. Raises InvalidSignatureError."""
        secrets = secrets_of(account, "signing_secret")
        signature.verify(call.headers, call.body, secrets, now)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items. Raises UnreadableCallError."""
        try:
            body = _decode_body(call.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise UnreadableCallError('the body is not {"items": […]} in JSON') from None
        return [self._read(raw, account) for raw in body.items]

    def _read(self, raw: msgspec.Raw, account: Account) -> Inbound:
        try:
            return _to_item(_decode_part(raw), account)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return UnreadableItem(reason="an item is not as documented", raw=bytes(raw))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return one signed request with the whole message."""
        url = account.options.get("url")
        if not url:
            return Unsendable("the account has no option `url`")
        secret = newest_secret(account, "sending_secret") or newest_secret(
            account, "signing_secret"
        )
        if not secret:
            return Unsendable("the account has no secret")
        body = msgspec.json.encode(_outbound(message, person))
        # An id without a full stop, also if the reference has one.
        call_id = f"msg_{hashlib.sha256(message.reference.encode()).hexdigest()[:32]}"
        try:
            headers = signature.sign(call_id, message.now // 1_000_000, body, secret)
        except ValueError as error:
            return Unsendable(str(error))
        return [
            HttpRequest(
                url=url, headers=[("content-type", "application/json"), *headers], body=body
            )
        ]

    def interpret(self, answer: Answer) -> Interpretation:
        """Read 2xx as sent; `{"id": …}` in its body is the id that receipts name."""
        if 200 <= answer.status < 300:
            try:
                return Sent(msgspec.json.decode(answer.body or b"{}", type=_Taken).id)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                return Sent(None)
        after = answer.headers.get("retry-after", "")
        if answer.status in RETRIED:
            is_number = after.isascii() and after.isdigit() and len(after) < len("1000000")
            return Retry(f"status {answer.status}", int(after) if is_number else None)
        if answer.status >= 500:
            return Unknown(f"status {answer.status}")
        return Rejected(f"status {answer.status}", str(answer.status))

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return a signed call. Raises ValueError if the account has only a public key."""
        call_id = f"msg_{hashlib.sha256(body).hexdigest()[:32]}"
        secret = newest_secret(account, "signing_secret")
        headers = signature.sign(call_id, now // 1_000_000, body, secret)
        return Call(
            method="POST",
            url="",
            headers=dict([("content-type", content_type), *headers]),
            query={},
            body=body,
        )


def _to_item(part: _Part, account: Account) -> Inbound:
    common = part.common(account)
    match part:
        case _Message():
            return MessageItem(
                **common,
                author=part.author,
                author_name=part.author_name,
                text=part.text,
                attachments=tuple(part.attachments),
                in_reply_to=part.in_reply_to,
                client_reference=part.reference,
                payload=part.payload,
            )
        case _Edit():
            return EditItem(**common, message=part.message, text=part.text, author=part.author)
        case _Deletion():
            return DeletionItem(**common, message=part.message, author=part.author)
        case _Reaction():
            return ReactionItem(
                **common, message=part.message, reaction=part.reaction, author=part.author
            )
        case _Typing():
            return TypingItem(**common, is_typing=part.is_typing)
        case _Receipt():
            return ReceiptItem(
                **common,
                message=part.message,
                status=part.status,
                code=part.code,
                reason=part.reason,
                client_reference=part.reference,
            )
        case _Other():
            return OtherItem(**common, kind=part.kind, text=part.text, data=part.data)
    raise msgspec.ValidationError("an item of another type")


def _outbound(message: OutboundMessage, person: Person) -> Mapping[str, Any]:
    """Return the body of a message to a customer: what is empty is left out."""
    fields = {
        "type": "message",
        "reference": message.reference,
        "to": [msgspec.to_builtins(each) for each in person.addresses],
        "text": message.text,
        "subject": message.subject,
        "attachments": msgspec.to_builtins(message.attachments),
        "quick_replies": msgspec.to_builtins(message.quick_replies),
        "buttons": msgspec.to_builtins(message.buttons),
        "in_reply_to": message.in_reply_to,
        "thread": list(message.thread),
        "is_automatic": message.is_automatic,
    }
    return {name: value for name, value in fields.items() if value}


ADAPTER = StandardWebhook()
