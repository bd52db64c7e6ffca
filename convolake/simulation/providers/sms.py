"""SMS as Twilio's «Webhook request», «Message resource» and «Outbound message status» describe it."""

import json
from collections.abc import Mapping
from urllib.parse import parse_qs, urlencode

from convolake.simulation.plan import DAY, Customer, Message, Receipt, Status
from convolake.simulation.providers.base import API_URL, FORM, WEBHOOK_URL, Body, Taken

NUMBER = "+493055500200"
ACCOUNT = "AC0f5b1c2d3e4f5a6b7c8d9e0f1a2b3c4d"
FAILURE_CODE = "30003"


class Sms:
    """A number at Twilio. Its calls have no times; the URL of a status carries the reference of the send."""

    adapter = "twilio"
    channel = "sms"
    statuses: tuple[Status, ...] = ("sent", "delivered", "failed")
    echoes = False
    marks: frozenset[Status] = frozenset()
    has_times = False
    can_hide_numbers = False
    session_seconds = DAY
    address = NUMBER
    failure_code = FAILURE_CODE
    secrets: Mapping[str, str] = {"auth_token": "simulated-auth-token"}

    def options(self, provider_url: str, webhook_url: str) -> Mapping[str, str]:
        """Name the account, the stand-in, and the webhook, whose URL is signed."""
        return {"account_sid": ACCOUNT, API_URL: provider_url, WEBHOOK_URL: webhook_url}

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        """Return the form of an incoming message."""
        return _form(
            ToCountry="DE", MessageSid=provider_id, SmsSid=provider_id, SmsMessageSid=provider_id,
            AccountSid=ACCOUNT, From=f"+{customer.phone}", To=NUMBER, Body=message.text,
            SmsStatus="received", NumSegments="1", NumMedia="0", ApiVersion="2010-04-01",
        )  # fmt: skip

    def status(self, customer: Customer, receipt: Receipt, send: Taken, provider_id: str) -> Body:
        """Return the form of a status, to the URL that the send named."""
        form = _form(
            MessageSid=provider_id, SmsSid=provider_id, MessageStatus=receipt.status,
            SmsStatus=receipt.status, AccountSid=ACCOUNT, From=NUMBER, To=send.recipient,
            ApiVersion="2010-04-01", **{"ErrorCode": FAILURE_CODE} if receipt.status == "failed" else {},
        )  # fmt: skip
        return Body(form.content, FORM, send.reference or None)

    def inbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as Twilio writes them."""
        return f"SM{customer.user_id:0>16}{place:016x}"

    def outbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as Twilio writes them."""
        return f"SMffff{customer.user_id:0>12}{place:016x}"

    def read_send(self, path: str, body: bytes) -> Taken:
        """Read a form of the Messages resource."""
        form = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json" or form["From"] != NUMBER:
            raise ValueError("not a message of this account and number")
        return Taken(form["To"], form["Body"], form["StatusCallback"])

    def send_answer(self, send: Taken, provider_id: str) -> bytes:
        """Return the resource that was created."""
        return json.dumps({"sid": provider_id, "status": "queued", "to": send.recipient}).encode()

    def recipient(self, customer: Customer) -> str:
        """Return the number."""
        return f"+{customer.phone}"

    def addresses(self, customer: Customer) -> frozenset[str]:
        """Return the number."""
        return frozenset({f"phone:+{customer.phone}"})


def _form(**fields: str) -> Body:
    return Body(urlencode(fields).encode(), FORM)
