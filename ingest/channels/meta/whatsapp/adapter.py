"""WhatsApp Cloud API (Meta): webhooks in, the `/messages` API out.

Source: Meta's «WhatsApp Business Platform: Webhooks», «Business-scoped user IDs» and «Messages API».
"""

from collections.abc import Iterator, Sequence
from functools import partial

from ingest.channels.account_values import api_url
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    Inbound,
    Interpretation,
    OutboundMessage,
    OutboundRequest,
    Person,
    Unsendable,
)
from ingest.channels.meta.body import each, read_entries
from ingest.channels.meta.graph import API_URL, GRAPH_FACEBOOK, interpret_graph_answer
from ingest.channels.meta.signature import (
    ACCESS_TOKEN,
    APP_SECRET,
    REDELIVERY,
    VERIFY_TOKEN,
    answer_challenge,
    check_signature,
    signed_call,
)
from ingest.channels.meta.whatsapp.inbound import read_entry
from ingest.channels.meta.whatsapp.media import MEDIA
from ingest.channels.meta.whatsapp.outbound import requests


class WhatsAppCloud:
    """A number on Meta's own WhatsApp platform. People without a visible number are known by their BSUID."""

    provider = "whatsapp_cloud"
    title = "WhatsApp Cloud API"
    channels: tuple[str, ...] = ("whatsapp",)
    options: tuple[Field, ...] = (
        Field("phone_number_id", "WhatsApp Manager > Phone numbers > the number's id"),
        Field("list_button", "label of the button that opens a list; `Options`", is_required=False),
        MEDIA,
        API_URL,
    )
    secrets: tuple[Field, ...] = (APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN)
    inbound_kinds: tuple[str, ...] = (
        *("text", "image", "audio", "video", "document", "sticker", "location", "contacts"),
        *("reaction", "order", "button", "button_reply", "list_reply", "flow reply", "edit"),
        *("deletion", "echo", "status", "change of number or user id", "unsupported", "error"),
    )
    redelivery = REDELIVERY

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Answer the check of the URL with the same bytes."""
        return answer_challenge(call, account)

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check `X-Hub-Signature-256`. The scheme has no time, so `now` is not used."""
        check_signature(call, account)

    def parse(self, call: Call, account: Account) -> Iterator[Inbound]:
        """Yield every item of every change. Raises UnreadableCallError."""
        entries = read_entries(call.body, "whatsapp_business_account")
        return each(entries, partial(read_entry, api_url(account, GRAPH_FACEBOOK)))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return texts, then media by link or uploaded; a template outside the 24-hour window."""
        return requests(message, person, account)

    def interpret(self, answer: Answer) -> Interpretation:
        """Read the message's id or the error code."""
        return interpret_graph_answer(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return a call signed with the newest app secret."""
        return signed_call(body, content_type, account)


ADAPTER = WhatsAppCloud()
