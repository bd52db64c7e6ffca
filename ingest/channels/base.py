"""The seam between a provider and the log: pure functions, no I/O, no clock.

An adapter verifies a call of its provider and reads it as items. It also writes a message as a request to
the provider, and says what the answer means. It knows no conversation, no contact and no state.
The API's channel intake makes events of the items; the destination `channel` sends the requests.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from ingest.events.payloads import Attachment
from ingest.events.types import ReceiptStatus

AddressKind = Literal[
    "phone",
    "email",
    "bsuid",
    "parent_bsuid",
    "page_scoped_id",
    "instagram_id",
    "slack_user",
    "telegram_user",
    "line_user",
    "external_id",
]
"""What kind of name an address is. `value` is in the form that `ingest.channels.addresses` gives it."""


class Address(Struct, frozen=True):
    """A name by which a provider knows a person. `scope`: what it is unique in, such as a page or a workspace."""

    kind: AddressKind
    value: str
    scope: str = ""


class Call(Struct, frozen=True, kw_only=True):
    """An HTTP request of a provider. `headers` are lower case; `url` is the public one, with its query."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


class Account(Struct, frozen=True, kw_only=True):
    """A number, page, inbox or workspace of the organisation: what an adapter may know of it.

    `address`: our own side (`+49…`, a page id, `help@shop.example`). `options` and `secrets` are those that
    the adapter declares; a secret has several values during a rotation, the newest first.
    """

    account_id: str
    provider: str
    channel: str
    address: str
    options: Mapping[str, str] = {}
    secrets: Mapping[str, Sequence[str]] = {}


class Field(Struct, frozen=True):
    """An option or a secret of an account: its name, and where a person finds it."""

    name: str
    meaning: str
    is_required: bool = True


class InvalidSignatureError(Exception):
    """The call is not proven to be the provider's: 401. The message says why, and has no part of the call."""


class UnreadableCallError(Exception):
    """The call is the provider's, but its body cannot be read at all: kept as rejected."""


class Challenge(Struct, frozen=True):
    """The answer to the call by which a provider checks the URL."""

    status: int
    body: bytes
    content_type: str = "text/plain"


class Person(Struct, frozen=True, kw_only=True):
    """Who wrote, as this call names them; the first address is the one to answer to."""

    addresses: tuple[Address, ...]
    name: str | None = None
    attributes: Mapping[str, Any] = {}


class Item(Struct, frozen=True, kw_only=True):
    """Common fields of what a call reports.

    `provider_id`: the provider's id of this fact. The event's id is derived from it, so a redelivery is a
    duplicate. `person`: the customer on the other side, also where our side wrote. `happened_at`: the
    provider's clock, microseconds since 1970. `channel`: if it differs from the account's. `thread`: keys of
    the conversation, best first (a Slack thread, a Telegram chat, the Message-IDs a mail refers to).
    """

    provider_id: str
    person: Person | None
    happened_at: int | None = None
    channel: str | None = None
    thread: tuple[str, ...] = ()
    is_test: bool = False


class MessageItem(Item, frozen=True, kw_only=True):
    """A message. `provider_id` is the id by which statuses, edits and replies name it.

    `author`: the customer, an agent in the provider's own app (an echo), a bot, or the system (automatic
    mail). `client_reference`: the reference that our own send carried, if the provider returns it.
    `payload`: further fields of the event's payload.
    """

    author: Literal["customer", "agent", "bot", "system"] = "customer"
    author_name: str | None = None
    text: str | None = None
    attachments: tuple[Attachment, ...] = ()
    in_reply_to: str | None = None
    client_reference: str | None = None
    payload: Mapping[str, Any] = {}


ChangeAuthor = Literal["customer", "agent", "bot"]
"""Who changed a message: the customer, an agent in the provider's own app, or a bot."""


class EditItem(Item, frozen=True, kw_only=True):
    """The message `message` has a new text."""

    message: str
    text: str
    author: ChangeAuthor = "customer"
    payload: Mapping[str, Any] = {}


class DeletionItem(Item, frozen=True, kw_only=True):
    """The message `message` was deleted."""

    message: str
    author: ChangeAuthor = "customer"


class ReactionItem(Item, frozen=True, kw_only=True):
    """Someone reacted to the message `message`; None removes the reaction."""

    message: str
    reaction: str | None
    author: ChangeAuthor = "customer"


class ReceiptItem(Item, frozen=True, kw_only=True):
    """The delivery state of a message that we sent. `code` and `reason` are the provider's.

    `client_reference`: the reference that our send carried, if the provider returns it. It finds a message
    whose send had no answer. `is_also_marked`: the provider reports this state with a WatermarkItem too, so
    the message gets it once, whichever comes first.
    """

    message: str
    status: ReceiptStatus
    code: str | None = None
    reason: str | None = None
    client_reference: str | None = None
    is_also_marked: bool = False


class WatermarkItem(Item, frozen=True, kw_only=True):
    """The person received or read every message that we sent up to `until`, microseconds since 1970."""

    status: Literal["delivered", "read"]
    until: int


class TypingItem(Item, frozen=True, kw_only=True):
    """The person started or stopped typing."""

    is_typing: bool


class AddressChangeItem(Item, frozen=True, kw_only=True):
    """A person's address `old` is now `new`."""

    old: Address
    new: Address


class OtherItem(Item, frozen=True, kw_only=True):
    """What Convolake has no type for: the event `custom.<provider>_<kind>`, with `data` in its payload."""

    kind: str
    text: str | None = None
    data: Mapping[str, Any] = {}


class UnreadableItem(Struct, frozen=True, kw_only=True):
    """One item of a call that cannot be read. Kept as rejected with `raw`; the others of the call are not affected."""

    reason: str
    raw: bytes


Inbound = (
    MessageItem
    | EditItem
    | DeletionItem
    | ReactionItem
    | ReceiptItem
    | WatermarkItem
    | TypingItem
    | AddressChangeItem
    | OtherItem
    | UnreadableItem
)


class Choice(Struct, frozen=True):
    """A quick reply or a button of a message."""

    title: str
    value: str | None = None
    url: str | None = None


class OutboundMessage(Struct, frozen=True, kw_only=True):
    """A message to send. `reference`: a stable id of this send, the same at each attempt.

    `in_reply_to`: the provider's id of the message that it answers. `thread`: as in `Item`, newest last.
    `template`: what the provider needs outside its window. `last_inbound_at`, `now`: microseconds since 1970.
    """

    reference: str
    now: int
    text: str | None = None
    attachments: Sequence[Attachment] = ()
    quick_replies: Sequence[Choice] = ()
    buttons: Sequence[Choice] = ()
    in_reply_to: str | None = None
    thread: Sequence[str] = ()
    subject: str | None = None
    template: Mapping[str, Any] | None = None
    last_inbound_at: int | None = None
    is_automatic: bool = False


class HttpRequest(Struct, frozen=True, kw_only=True):
    """A request to a provider's HTTP API."""

    url: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    method: Literal["POST", "GET", "PUT", "DELETE"] = "POST"


class MailRequest(Struct, frozen=True, kw_only=True):
    """A mail to send over SMTP, complete with headers. `sender` and `recipients` are those of the envelope."""

    sender: str
    recipients: Sequence[str]
    content: bytes
    message_id: str


class File(Struct, frozen=True):
    """The content of an attachment, with a type and a name in any case."""

    content: bytes
    content_type: str
    name: str


class FileRequest(Struct, frozen=True, kw_only=True):
    """A request that has files in it: `build` makes it of the contents of `attachments`, in their order."""

    attachments: Sequence[Attachment]
    build: Callable[[Sequence[File]], "OutboundRequest | Unsendable"]


class UploadRequest(Struct, frozen=True, kw_only=True):
    """A file that the provider stores before the message: `then` makes what follows of the provider's answer.

    An upload sends nothing to the customer, so it may be repeated.
    """

    request: HttpRequest
    then: Callable[["Answer"], "OutboundRequest | Retry | Rejected"]


OutboundRequest = HttpRequest | MailRequest | FileRequest | UploadRequest


class Unsendable(Struct, frozen=True):
    """The provider would never accept this message; `code` is the provider's where it has one."""

    reason: str
    code: str | None = None


class Answer(Struct, frozen=True, kw_only=True):
    """A response of a provider. SMTP replies have a status too; `body` is then the reply's text."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Sent(Struct, frozen=True):
    """The provider took the message; `provider_id` is the id that statuses will name."""

    provider_id: str | None


class Retry(Struct, frozen=True):
    """The provider did not take it; another attempt may succeed. `after`: seconds that the provider asks for."""

    reason: str
    after: int | None = None


class Rejected(Struct, frozen=True):
    """The provider will never take it."""

    reason: str
    code: str | None = None


class Unknown(Struct, frozen=True):
    """The provider may have taken it."""

    reason: str


Interpretation = Sent | Retry | Rejected | Unknown


class ChannelAdapter(Protocol):
    """One provider. Every method gives the same result for the same arguments; none does I/O.

    The properties are plain attributes of the class. More are optional (`ingest/channels/registry.py`):
    `max_body_bytes`, `accepted`, the answer to a call that was taken, `is_idempotent`, `one_time_token` and
    the methods of `NameLookup`.
    """

    @property
    def provider(self) -> str:
        """Name in URLs and commands: `whatsapp_cloud`, `twilio`."""

    @property
    def title(self) -> str:
        """Name for people: `WhatsApp Cloud API`."""

    @property
    def channels(self) -> tuple[str, ...]:
        """Values of the column `channel`; the first is an account's default."""

    @property
    def options(self) -> tuple[Field, ...]:
        """What an account may set."""

    @property
    def secrets(self) -> tuple[Field, ...]:
        """What an account keeps secret."""

    @property
    def inbound_kinds(self) -> tuple[str, ...]:
        """The kinds of items that it reads, for the documentation: `text`, `image`, `status` and others."""

    @property
    def redelivery(self) -> str:
        """How the provider repeats calls, one sentence."""

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return the answer if the call checks our URL, or None. Raises InvalidSignatureError."""

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check over the raw bytes that the call is the provider's. `now`: microseconds since 1970.

        Raises InvalidSignatureError, and no other error, whatever the call has.
        """

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Yield the items of a verified call. Raises UnreadableCallError, and no other error."""

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return the requests that send a message, in order: several if it is too long for one."""

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what the provider's answer means. A lost answer is not asked about: it is Unknown."""

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call that the provider would send with this body: for `convolake replay` and tests.

        `now`: microseconds since 1970.
        """
