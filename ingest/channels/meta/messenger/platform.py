"""The adapter that Messenger and Instagram share: one webhook format, one Send API."""

from collections.abc import Iterator, Sequence
from functools import partial

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
    Retry,
    Unsendable,
)
from ingest.channels.meta.body import each, read_entries
from ingest.channels.meta.graph import API_URL, interpret_graph_answer
from ingest.channels.meta.messenger import names
from ingest.channels.meta.messenger.inbound import AddressOf, read_entry
from ingest.channels.meta.messenger.outbound import Limits, requests
from ingest.channels.meta.signature import (
    ACCESS_TOKEN,
    APP_SECRET,
    REDELIVERY,
    VERIFY_TOKEN,
    answer_challenge,
    check_signature,
    signed_call,
)


class MessengerPlatform:
    """One product of the platform. A subclass names it; an account's `address` is the page's or account's id."""

    provider: str
    title: str
    channels: tuple[str, ...]
    inbound_kinds: tuple[str, ...]
    webhook_object: str
    limits: Limits
    options: tuple[Field, ...] = (API_URL,)
    secrets: tuple[Field, ...] = (APP_SECRET, VERIFY_TOKEN, ACCESS_TOKEN)
    redelivery = REDELIVERY

    def __init__(self, address_of: AddressOf) -> None:
        self._address_of = address_of

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Answer the check of the URL with the same bytes."""
        return answer_challenge(call, account)

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check `X-Hub-Signature-256`. The scheme has no time, so `now` is not used."""
        check_signature(call, account)

    def parse(self, call: Call, account: Account) -> Iterator[Inbound]:
        """Yield every item of every entry. Raises UnreadableCallError."""
        entries = read_entries(call.body, self.webhook_object)
        return each(entries, partial(read_entry, self._address_of))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[HttpRequest] | Unsendable:
        """Return texts, then media by URL; outside the 24-hour window only with a tag in `template`."""
        return requests(message, person, account, self.limits)

    def interpret(self, answer: Answer) -> Interpretation:
        """Read the message's id or the error code."""
        return interpret_graph_answer(answer)

    def name_request(self, person: Person, account: Account) -> HttpRequest | None:
        """Return the request that asks for a person's name, or None."""
        return names.name_request(person, account, self.limits)

    def read_name(self, answer: Answer) -> str | Retry | None:
        """Return the name in an answer of the User Profile API."""
        return names.read_name(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return a call signed with the newest app secret."""
        return signed_call(body, content_type, account)
