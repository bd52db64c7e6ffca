"""An account and a body or two of each provider, for the contract. A new provider adds a line to both."""

from msgspec.json import encode

from ingest.channels.base import Account
from ingest.channels.registry import ADAPTERS
from tests.channels.conftest import SECRET, message
from tests.channels.mail_factories import ecdsa_key_pair, make_mail, rsa_key
from tests.channels.meta_bodies import status, whatsapp_statuses, with_text

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


PUBLIC_KEY, PRIVATE_KEY = ecdsa_key_pair()

SECRETS: dict[str, dict[str, str]] = {
    "webhook": {"signing_secret": SECRET, "sending_secret": SECRET},
    "vonage": {
        "private_key": rsa_key(),
        "signature_secret": "a secret of 32 bytes or more, as JWT asks",
    },
    "sendgrid": {"public_key": PUBLIC_KEY, "replay_key": PRIVATE_KEY},
}
"""Valid secrets by provider; others get a word."""

NOWHERE = "http://127.0.0.1:1"
"""Where nothing listens: no test asks a real provider for a name."""

OPTIONS: dict[str, dict[str, str]] = {
    "whatsapp_cloud": {"phone_number_id": "555"},
    "twilio": {"account_sid": "AC1"},
    "vonage": {"api_key": "abcd1234", "application_id": "a-1", "signature_method": "sha256"},
    "webhook": {"url": "https://shop.example/hook"},
    "email": {"smtp_host": "mail.shop.example"},
    "mailgun": {"domain": "shop.example"},
    **{each: {"api_url": NOWHERE} for each in ("slack", "messenger", "instagram", "line")},
}

_META_PAGE = {
    "id": "77",
    "time": 1790000000000,
    "messaging": [
        {
            "sender": {"id": "91"},
            "recipient": {"id": "77"},
            "timestamp": 1790000000000,
            "message": {"mid": "m_1", "text": "Hello"},
        },
        {"sender": {"id": "91"}, "recipient": {"id": "77"}, "read": {"watermark": 1790000000001}},
    ],
}
_SLACK = {
    "type": "event_callback",
    "team_id": "T1",
    "event_id": "Ev1",
    "event": {"type": "message", "channel": "D1", "user": "U1", "text": "Hi", "ts": "1790000000.000100"},
}  # fmt: skip
_TELEGRAM = {
    "update_id": 1,
    "message": {
        "message_id": 5,
        "date": 1790000000,
        "chat": {"id": 23, "type": "private", "first_name": "Ada"},
        "from": {"id": 23, "is_bot": False, "first_name": "Ada"},
        "text": "Hi",
    },
}
_LINE = {
    "destination": "U0",
    "events": [
        {
            "type": "message",
            "webhookEventId": "01H",
            "timestamp": 1790000000000,
            "mode": "active",
            "deliveryContext": {"isRedelivery": False},
            "source": {"type": "user", "userId": "U1"},
            "message": {"type": "text", "id": "1", "text": "Hi"},
        }
    ],
}
_VONAGE = {
    "message_uuid": "4dbeeeb1-e30d-4a7d-8f47-22fc2a8d1f5d",
    "channel": "sms",
    "from": "4915112345678",
    "to": "493055500100",
    "timestamp": "2026-09-22T12:00:00Z",
    "message_type": "text",
    "text": "Hi",
}
_POSTMARK = {
    "FromFull": {"Email": "ada@example.org", "Name": "Ada"},
    "To": "help@shop.example",
    "Subject": "Order",
    "MessageID": "22c74902-a0c1-4511-804f-341342852c90",
    "Date": "Mon, 21 Sep 2026 14:00:00 +0000",
    "TextBody": "Hello",
    "Headers": [],
}
_SENDGRID = [
    {"event": "bounce", "email": "ada@example.org", "timestamp": 1790000000, "sg_event_id": "e1", "sg_message_id": "m1.f"}
]  # fmt: skip
_WEBHOOK = {"items": [message(), {"type": "receipt", "id": "s", "message": "m", "status": "read"}]}

BODIES: dict[str, list[tuple[str, bytes]]] = {
    "whatsapp_cloud": [
        (JSON, encode(with_text("Hi"))),
        (JSON, encode(whatsapp_statuses(status("read")))),
    ],
    "messenger": [(JSON, encode({"object": "page", "entry": [_META_PAGE]}))],
    "instagram": [(JSON, encode({"object": "instagram", "entry": [_META_PAGE]}))],
    "twilio": [
        (FORM, b"From=%2B4915112345678&To=%2B493055500100&Body=Hi&MessageSid=SM1&NumMedia=0"),
        (FORM, b"MessageSid=SM2&MessageStatus=delivered&From=%2B493055500100&To=%2B4915112345678"),
    ],
    "vonage": [(JSON, encode(_VONAGE))],
    "slack": [(JSON, encode(_SLACK)), (FORM, b"command=%2Fhelp&text=a&user_id=U1&team_id=T1")],
    "telegram": [(JSON, encode(_TELEGRAM))],
    "line": [(JSON, encode(_LINE))],
    "email": [("message/rfc822", make_mail())],
    "sendgrid": [(JSON, encode(_SENDGRID))],
    "mailgun": [(FORM, b"from=a@b.de&body-plain=x")],
    "postmark": [(JSON, encode(_POSTMARK))],
    "webhook": [(JSON, encode(_WEBHOOK))],
}
"""Media types and bodies by provider."""


def make_account(provider: str) -> Account:
    """Return an account with every secret that the provider declares."""
    adapter = ADAPTERS[provider]
    given = SECRETS.get(provider, {})
    return Account(
        account_id="a1",
        provider=provider,
        channel=adapter.channels[0],
        address="help@shop.example" if "email" in adapter.channels else "+15550001111",
        options=OPTIONS.get(provider, {}),
        secrets={
            each.name: [given.get(each.name, "secret-word-of-the-test")] for each in adapter.secrets
        },
    )
