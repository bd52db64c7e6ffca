"""Accounts, people and mails for the tests of mail."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from ingest.channels.base import (
    Account,
    Address,
    Call,
    ChannelAdapter,
    Inbound,
    MailRequest,
    MessageItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    Unsendable,
)

NOW = 1_780_000_000_000_000
ADA = Person(addresses=(Address("email", "ada@example.org"),), name="Ada")
OUR_ADDRESS = "help@shop.example"


def ecdsa_key_pair() -> tuple[str, str]:
    """Return a public and a private key as SendGrid writes them."""
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return base64.b64encode(public).decode(), pem.decode()


def rsa_key() -> str:
    """Return a private key as PEM."""
    private = rsa.generate_private_key(65537, 2048)
    return private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def make_account(provider: str = "email", **rest: Any) -> Account:
    secrets = {"webhook_password": ["open"], "signing_key": ["key-1"]}
    given: dict[str, Any] = {"address": OUR_ADDRESS, "secrets": secrets, **rest}
    return Account(account_id="inbox", provider=provider, channel="email", **given)


def make_call(
    body: bytes, content_type: str = "message/rfc822", headers: Mapping[str, str] | None = None
) -> Call:
    return Call(
        method="POST",
        url="https://shop.example/v1/channels/x",
        headers={"content-type": content_type, **(headers or {})},
        query={},
        body=body,
    )


def make_mail(text: str | bytes = "Hello", **headers: str) -> bytes:
    """Return a mail; `_` in a header's name becomes `-`, and a header with an empty value is left out."""
    given = {
        "From": "Ada <ada@example.org>",
        "To": OUR_ADDRESS,
        "Subject": "An order",
        "Date": "Mon, 4 May 2026 10:00:00 +0200",
        "Message-ID": "<1@example.org>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = [f"{name}: {value}" for name, value in given.items() if value]
    body = text if isinstance(text, bytes) else text.encode()
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def make_message(**rest: Any) -> OutboundMessage:
    return OutboundMessage(**{"reference": "send-1", "now": NOW, "text": "Good day", **rest})


def items_of(adapter: ChannelAdapter, call: Call, account: Account) -> Sequence[Inbound]:
    return list(adapter.parse(call, account))


def rendered(adapter: ChannelAdapter, account: Account, **rest: Any) -> OutboundRequest:
    """Return the one request that sends a message to Ada."""
    sent = adapter.render(make_message(**rest), ADA, account)
    assert not isinstance(sent, Unsendable)
    (request,) = sent
    return request


def rendered_mail(adapter: ChannelAdapter, account: Account, **rest: Any) -> bytes:
    """Return the bytes of the mail that sends a message to Ada."""
    request = rendered(adapter, account, **rest)
    assert isinstance(request, MailRequest)
    return request.content


def only_message(items: Sequence[Inbound]) -> MessageItem:
    (message,) = (each for each in items if isinstance(each, MessageItem))
    return message
