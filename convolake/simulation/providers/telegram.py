"""Telegram as the page «Bot API» describes it."""

import json
from collections.abc import Mapping
from typing import Any

from convolake.simulation.plan import DAY, Customer, Message, Receipt, Status
from convolake.simulation.providers.base import API_URL, JSON, Body, Taken

TOKEN = "700000001:simulated-bot-token"  # noqa: S105
OUTBOUND = 1_000_000
"""Messages of one chat are counted together: those of the bot are the numbers from here on."""


class Telegram:
    """A bot in private chats. Telegram reports nothing about a message after it took it."""

    adapter = "telegram"
    channel = "telegram"
    statuses: tuple[Status, ...] = ()
    echoes = False
    marks: frozenset[Status] = frozenset()
    has_times = True
    can_hide_numbers = False
    session_seconds = DAY
    address = "simulated_shop_bot"
    failure_code = ""
    secrets: Mapping[str, str] = {"secret_token": "simulated-secret-token", "bot_token": TOKEN}

    def options(self, provider_url: str, webhook_url: str) -> Mapping[str, str]:
        """Name the stand-in."""
        return {API_URL: provider_url}

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        """Return an update with a text."""
        chat, _, number = provider_id.partition("/")
        person = {"id": int(chat), "first_name": customer.name}
        said: dict[str, Any] = {
            "message_id": int(number),
            "from": {**person, "is_bot": False, "language_code": "de"},
            "chat": {**person, "type": "private"},
            "date": message.at,
            "text": message.text,
        }
        update_id = int(chat) * 10_000 + int(number)
        return Body(json.dumps({"update_id": update_id, "message": said}).encode(), JSON)

    def status(self, customer: Customer, receipt: Receipt, send: Taken, provider_id: str) -> Body:
        """Raise NotImplementedError: there are no statuses."""
        raise NotImplementedError("Telegram sends no statuses")

    def inbound_id(self, customer: Customer, place: int) -> str:
        """Return chat and number: a number is unique in its chat only."""
        return f"{customer.user_id}/{place}"

    def outbound_id(self, customer: Customer, place: int) -> str:
        """Return chat and number."""
        return f"{customer.user_id}/{OUTBOUND + place}"

    def read_send(self, path: str, body: bytes) -> Taken:
        """Read the method `sendMessage`."""
        fields = json.loads(body)
        if path != f"/bot{TOKEN}/sendMessage":
            raise ValueError("not a sendMessage of this bot")
        return Taken(str(fields["chat_id"]), fields["text"], "")

    def send_answer(self, send: Taken, provider_id: str) -> bytes:
        """Return the message that was sent."""
        chat, _, number = provider_id.partition("/")
        result = {"message_id": int(number), "chat": {"id": int(chat), "type": "private"}}
        return json.dumps({"ok": True, "result": {**result, "text": send.text}}).encode()

    def recipient(self, customer: Customer) -> str:
        """Return the chat, which has the id of the user."""
        return customer.user_id

    def addresses(self, customer: Customer) -> frozenset[str]:
        """Return the user."""
        return frozenset({f"telegram_user:{customer.user_id}"})
