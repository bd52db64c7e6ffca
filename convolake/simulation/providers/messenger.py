"""Messenger as Meta's «Webhook Events Reference» and «Send API» describe it."""

import json
from collections.abc import Mapping
from typing import Any

from convolake.simulation.plan import DAY, Customer, Message, Receipt, Status
from convolake.simulation.providers.base import API_URL, JSON, Body, Taken

PAGE = "104567890123456"
MILLISECONDS = 1_000
"""In a second."""

MICROSECONDS = 1_000
"""In a millisecond."""


class Messenger:
    """A page. Meta echoes each message of the page, and marks up to which time all are delivered or read."""

    adapter = "messenger"
    channel = "messenger"
    statuses: tuple[Status, ...] = ("sent", "delivered", "read")
    echoes = True
    marks: frozenset[Status] = frozenset({"delivered", "read"})
    has_times = True
    can_hide_numbers = False
    session_seconds = DAY
    address = PAGE
    failure_code = ""
    secrets: Mapping[str, str] = {
        "app_secret": "simulated app secret",
        "verify_token": "simulated-verify-token",
        "access_token": "simulated-page-token",
    }

    def options(self, provider_url: str, webhook_url: str) -> Mapping[str, str]:
        """Name the stand-in."""
        return {API_URL: provider_url}

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        """Return a text of the customer."""
        said = {"mid": provider_id, "text": message.text}
        return _call(customer.user_id, PAGE, message.at, message=said)

    def status(self, customer: Customer, receipt: Receipt, send: Taken, provider_id: str) -> Body:
        """Return the echo of a message, or a mark of delivery or reading."""
        if receipt.status == "sent":
            echo = {
                "mid": provider_id,
                "text": send.text,
                "is_echo": True,
                "app_id": 1517776481860111,
            }
            metadata = {"metadata": send.reference} if send.reference else {}
            return _call(PAGE, customer.user_id, receipt.at, message={**echo, **metadata})
        marked_at = max(receipt.at * MILLISECONDS, -(-send.mark_at // MICROSECONDS))
        mark: dict[str, Any] = {"watermark": marked_at}
        if receipt.status == "delivered":
            delivery = {"mids": [provider_id], **mark}
            return _call(customer.user_id, PAGE, receipt.at, delivery=delivery)
        return _call(customer.user_id, PAGE, receipt.at, read=mark)

    def inbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as Messenger writes them."""
        return f"m_in{customer.user_id}-{place}"

    def outbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as Messenger writes them."""
        return f"m_out{customer.user_id}-{place}"

    def read_send(self, path: str, body: bytes) -> Taken:
        """Read a text of the Send API."""
        fields = json.loads(body)
        if path != "/me/messages" or fields["messaging_type"] != "RESPONSE":
            raise ValueError("not an answer of this page")
        message = fields["message"]
        return Taken(fields["recipient"]["id"], message["text"], message["metadata"])

    def send_answer(self, send: Taken, provider_id: str) -> bytes:
        """Return the ids of person and message."""
        return json.dumps({"recipient_id": send.recipient, "message_id": provider_id}).encode()

    def recipient(self, customer: Customer) -> str:
        """Return the person's id on the page."""
        return customer.user_id

    def addresses(self, customer: Customer) -> frozenset[str]:
        """Return the person's id on the page."""
        return frozenset({f"page_scoped_id:{customer.user_id}"})


def _call(sender: str, recipient: str, at: int, **event: Any) -> Body:
    sides = {"sender": {"id": sender}, "recipient": {"id": recipient}}
    messaging = {**sides, "timestamp": at * MILLISECONDS, **event}
    entry = {"id": PAGE, "time": at * MILLISECONDS, "messaging": [messaging]}
    return Body(json.dumps({"object": "page", "entry": [entry]}).encode(), JSON)
