"""WhatsApp Cloud as Meta's «Webhooks reference» and «Business-scoped user IDs» describe it."""

import json
from collections.abc import Mapping
from typing import Any

from convolake.simulation.plan import DAY, Customer, Message, Receipt, Status
from convolake.simulation.providers.base import API_URL, JSON, Body, Taken

NUMBER, NUMBER_ID = "493055500100", "106540352242922"
FAILURE_CODE = "131026"


class WhatsApp:
    """A business number. A customer who hides the phone number has the business-scoped user id alone."""

    adapter = "whatsapp_cloud"
    channel = "whatsapp"
    statuses: tuple[Status, ...] = ("sent", "delivered", "read", "failed")
    echoes = False
    marks: frozenset[Status] = frozenset()
    has_times = True
    can_hide_numbers = True
    session_seconds = DAY
    address = f"+{NUMBER}"
    failure_code = FAILURE_CODE
    secrets: Mapping[str, str] = {
        "app_secret": "simulated app secret",
        "verify_token": "simulated-verify-token",
        "access_token": "simulated-access-token",
    }

    def options(self, provider_url: str, webhook_url: str) -> Mapping[str, str]:
        """Name the number and the stand-in."""
        return {"phone_number_id": NUMBER_ID, API_URL: provider_url}

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        """Return a text in a change of the field `messages`."""
        sender = {"from_user_id": _user_id(customer)}
        profile: dict[str, Any] = {"profile": {"name": customer.name}}
        profile["user_id"] = _user_id(customer)
        if message.shows_number:
            sender["from"] = profile["wa_id"] = customer.phone
        said = {"id": provider_id, "timestamp": str(message.at), "type": "text"}
        text = {"text": {"body": message.text}}
        return _call(contacts=[profile], messages=[{**sender, **said, **text}])

    def status(self, customer: Customer, receipt: Receipt, send: Taken, provider_id: str) -> Body:
        """Return a status; its recipient is named as the send named it."""
        status: dict[str, Any] = {
            "id": provider_id,
            "status": receipt.status,
            "timestamp": str(receipt.at),
            "recipient_user_id": _user_id(customer),
        }
        if send.recipient == customer.phone:
            status["recipient_id"] = customer.phone
        if send.reference:
            status["biz_opaque_callback_data"] = send.reference
        if receipt.status == "failed":
            status["errors"] = [{"code": int(FAILURE_CODE), "title": "Message undeliverable"}]
        return _call(statuses=[status])

    def inbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as WhatsApp writes them."""
        return f"wamid.{customer.user_id}.IN.{place}=="

    def outbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as WhatsApp writes them."""
        return f"wamid.{customer.user_id}.OUT.{place}=="

    def read_send(self, path: str, body: bytes) -> Taken:
        """Read a text of the Messages API."""
        fields = json.loads(body)
        if path != f"/{NUMBER_ID}/messages" or fields["type"] != "text":
            raise ValueError("not a text to this number's messages")
        recipient = fields.get("to") or fields["recipient"]
        return Taken(recipient, fields["text"]["body"], fields["biz_opaque_callback_data"])

    def send_answer(self, send: Taken, provider_id: str) -> bytes:
        """Return the id of the message."""
        contacts = [{"input": send.recipient, "wa_id": send.recipient}]
        answer = {"messaging_product": "whatsapp", "contacts": contacts}
        return json.dumps({**answer, "messages": [{"id": provider_id}]}).encode()

    def recipient(self, customer: Customer) -> str:
        """Return the number where it was ever shown, or else the user id."""
        return customer.phone if customer.has_shown_number else _user_id(customer)

    def addresses(self, customer: Customer) -> frozenset[str]:
        """Return the user id, and the number if it was shown once."""
        number = {f"phone:+{customer.phone}"} if customer.has_shown_number else set()
        return frozenset({f"bsuid:{_user_id(customer)}", *number})


def _user_id(customer: Customer) -> str:
    return f"DE.{customer.user_id}"


def _call(**value: Any) -> Body:
    metadata = {"display_phone_number": NUMBER, "phone_number_id": NUMBER_ID}
    change = {
        "field": "messages",
        "value": {"messaging_product": "whatsapp", "metadata": metadata, **value},
    }
    body = {
        "object": "whatsapp_business_account",
        "entry": [{"id": "102290129340398", "changes": [change]}],
    }
    return Body(json.dumps(body).encode(), JSON)
