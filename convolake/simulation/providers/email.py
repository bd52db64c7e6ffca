"""Email as Postmark's «Parse an email», «Email API» and «Delivery» and «Bounce webhook» describe it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import format_datetime, parseaddr
from typing import Any
from uuid import UUID

from convolake.simulation.plan import DAY, Customer, Message, Receipt, Status
from convolake.simulation.providers.base import API_URL, JSON, Body, Taken

INBOX, INBOX_HASH = "help@shop.example", "451d9b70cf9364d23ff6f9d51d870251"
REFERENCE = "convolake_reference"
"""Name of the reference in the metadata of a mail."""

HARD_BOUNCE = 1
QUOTE = "\n\nOn {date}, Shop <help@shop.example> wrote:\n> Thank you for your mail.\n>\n> We look into it.\n"
"""What a mail program adds below the new text of a reply."""


class Email:
    """An inbox at Postmark. Each customer writes in one thread, and quotes the shop from the second mail on."""

    adapter = "postmark"
    channel = "email"
    statuses: tuple[Status, ...] = ("delivered", "failed")
    echoes = False
    marks: frozenset[Status] = frozenset()
    has_times = True
    can_hide_numbers = False
    session_seconds = 3 * DAY
    address = INBOX
    failure_code = str(HARD_BOUNCE)
    secrets: Mapping[str, str] = {
        "webhook_password": "simulated-password",
        "server_token": "simulated-server-token",
    }

    def options(self, provider_url: str, webhook_url: str) -> Mapping[str, str]:
        """Name the stand-in."""
        return {API_URL: provider_url}

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        """Return an inbound mail."""
        date = format_datetime(datetime.fromtimestamp(message.at, UTC))
        place = _place(provider_id)
        sender = {"Email": _address(customer), "Name": customer.name, "MailboxHash": ""}
        inbox = {"Email": INBOX, "Name": "", "MailboxHash": ""}
        return _json(
            FromName=customer.name, MessageStream="inbound", From=sender["Email"], FromFull=sender,
            To=INBOX, ToFull=[inbox], Cc="", CcFull=[], Bcc="", BccFull=[],
            OriginalRecipient=f"{INBOX_HASH}@inbound.postmarkapp.com", MailboxHash="", ReplyTo="", Tag="",
            Subject="Re: My order" if place > 1 else "My order",
            MessageID=str(UUID(int=int(customer.user_id) << 32 | place)), Date=date,
            TextBody=message.text + (QUOTE.format(date=date) if place > 1 else "\n"), HtmlBody="",
            StrippedTextReply="", Headers=_headers(customer, place), Attachments=[],
        )  # fmt: skip

    def status(self, customer: Customer, receipt: Receipt, send: Taken, provider_id: str) -> Body:
        """Return a delivery or a hard bounce."""
        at = datetime.fromtimestamp(receipt.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.0000000Z")
        metadata = {REFERENCE: send.reference} if send.reference else {}
        common = {"MessageID": provider_id, "Metadata": metadata, "MessageStream": "outbound"}
        if receipt.status == "delivered":
            return _json(
                **common, RecordType="Delivery", ServerID=23, Tag="", Recipient=send.recipient,
                DeliveredAt=at, Details="smtp;250 2.0.0 OK",
            )  # fmt: skip
        return _json(
            **common, RecordType="Bounce", ServerID=23, Tag="", ID=int(customer.user_id), Type="HardBounce",
            TypeCode=HARD_BOUNCE, Name="Hard bounce", Description="The server was unable to deliver your message.",
            Details="smtp;550 5.1.1 unknown user", Email=send.recipient, From=INBOX, BouncedAt=at,
            DumpAvailable=True, Inactive=True, CanActivate=True, Subject="Re: My order", Content="",
        )  # fmt: skip

    def inbound_id(self, customer: Customer, place: int) -> str:
        """Return a Message-ID of the customer's mail program."""
        return f"<{place}.{customer.user_id}@mail.example>"

    def outbound_id(self, customer: Customer, place: int) -> str:
        """Return an id as Postmark writes them."""
        return str(UUID(int=0xF << 124 | int(customer.user_id) << 32 | place))

    def read_send(self, path: str, body: bytes) -> Taken:
        """Read a single mail of the Email API."""
        fields = json.loads(body)
        if path != "/email" or parseaddr(fields["From"])[1] != INBOX:
            raise ValueError("not a mail of this inbox")
        recipient = parseaddr(fields["To"])[1]
        return Taken(recipient, fields["TextBody"], fields["Metadata"][REFERENCE])

    def send_answer(self, send: Taken, provider_id: str) -> bytes:
        """Return what Postmark says about a mail that it takes."""
        taken = {"ErrorCode": 0, "Message": "OK", "MessageID": provider_id, "To": send.recipient}
        return json.dumps({**taken, "SubmittedAt": "2026-09-07T08:00:00.0000000Z"}).encode()

    def recipient(self, customer: Customer) -> str:
        """Return the mail address."""
        return _address(customer)

    def addresses(self, customer: Customer) -> frozenset[str]:
        """Return the mail address."""
        return frozenset({f"email:{_address(customer)}"})


def _address(customer: Customer) -> str:
    return f"customer.{customer.user_id}@mail.example"


def _place(message_id: str) -> int:
    """Return which mail of its customer a Message-ID names, counted from 1."""
    return int(message_id.lstrip("<").partition(".")[0])


def _headers(customer: Customer, place: int) -> list[dict[str, str]]:
    """Return the headers that Postmark does not name apart; a reply names the mails before it."""
    ids = [f"<{each}.{customer.user_id}@mail.example>" for each in range(1, place + 1)]
    named = {"X-Spam-Status": "No", "MIME-Version": "1.0", "Message-ID": ids[-1]}
    if place > 1:
        named |= {"In-Reply-To": ids[-2], "References": " ".join(ids[:-1])}
    return [{"Name": name, "Value": value} for name, value in named.items()]


def _json(**fields: Any) -> Body:
    return Body(json.dumps(fields).encode(), JSON)
