"""Payload structs: the typed fields of each event type's `payload`.

Fields that a struct does not name are stored as they are and mean nothing to the log. A field marked
`personal` may hold personal data; export and erasure find it through the mark.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from ingest.contract import Role

ID_PATTERN = r"^[!-\-/-~][!-~]{0,511}\Z"
"""Visible ASCII, at most 512 bytes, not beginning with a dot. Compared byte for byte: case counts, and ASCII
has one Unicode form. Email (`<…@…>`), WhatsApp (`wamid…=`), Matrix (`!room:server`) and phone (`+49…`) ids
are valid as they are.
"""
Id = Annotated[str, Meta(pattern=ID_PATTERN)]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]

PERSONAL = "personal"
"""Mark of a field that may hold personal data."""

PersonalText = Annotated[str, Meta(extra={PERSONAL: True})]
PersonalFields = Annotated[dict[str, Any], Meta(extra={PERSONAL: True})]
PersonalAny = Annotated[Any, Meta(extra={PERSONAL: True})]
"""A field whose name a client may use for something else: it is marked, and not checked."""

Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Attempt = Annotated[int, Meta(ge=1, le=2**31 - 1)]


class Payload(Struct, kw_only=True, omit_defaults=True):
    """A payload without typed fields."""


class Participant(Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A participant as a client names it."""

    participant_id: Id
    participant_role: Role
    contact_id: Id | None = None
    attributes: PersonalFields = {}


Label = Annotated[str, Meta(min_length=1, max_length=64)]


class ConversationFields(Payload):
    """Fields of a conversation that a client may set."""

    conversation_key: Id | None = None
    subject: Annotated[str, Meta(max_length=512, extra={PERSONAL: True})] | None = None
    attributes: PersonalFields | None = None
    labels: Annotated[list[Label], Meta(max_length=64)] | None = None
    priority: Literal["low", "normal", "high", "urgent"] | None = None
    inactive_after: str | None = None
    closed_after: str | None = None
    hand_off_on_bot_failure: bool | None = None
    session_attributes: PersonalFields | None = None


ThreadKeys = Annotated[
    list[Annotated[str, Meta(min_length=1, max_length=998, extra={PERSONAL: True})]],
    Meta(max_length=100),
]
"""Names that a provider gives a thread: Message-IDs, a Slack thread. 998: the longest line of a mail."""
BindingKeys = Annotated[list[Id], Meta(max_length=100)]
"""Keys of a channel account that lead its next message to the conversation (`ingest.identity`)."""


class ConversationCreated(ConversationFields):
    """Fields and participants of a new conversation, and the keys by which its channel account finds it."""

    participants: list[Participant] = []
    thread: ThreadKeys = []
    bindings: BindingKeys = []


class WithReason(Payload):
    """The producer's reason."""

    reason: PersonalText | None = None


class StateChanged(WithReason, kw_only=True):
    """The new state of a conversation."""

    to: Literal["active", "inactive", "closed"]


class Resolved(WithReason):
    """Who met the demand, and whether the customer confirmed it."""

    resolved_by: Literal["bot", "agent", "customer"] | None = None
    is_confirmed: bool = False


class ParticipantDescribed(Payload):
    """Attributes of a participant; from `unread_sequence` on everything is unread.

    `bindings`: keys by which the participant's channel account finds the conversation.
    """

    attributes: PersonalFields | None = None
    unread_sequence: Count | None = None
    bindings: BindingKeys = []


class ReadAdvanced(Payload):
    """The read horizon."""

    sequence: Count


class Attachment(Payload):
    """A file that another service stores."""

    url: PersonalText | None = None
    content_type: str | None = None
    size: Count | None = None
    name: PersonalText | None = None


class Understanding(Payload):
    """What a bot understood of a customer's message."""

    intent: str | None = None
    confidence: float | None = None
    is_fallback: bool | None = None


class MessageCreated(Payload):
    """Attachments of a message, what a bot understood, the hooks that modified its text.

    `thread`: names of the thread, by which its channel account finds the conversation again.
    """

    attachments: list[Attachment] = []
    author_name: PersonalAny = None
    original_text: PersonalAny = None
    """The text in the provider's own notation."""

    email: PersonalAny = None
    """Fields of a mail: subject, Message-ID, addresses, and the original text if it quotes others."""

    whatsapp: PersonalAny = None
    meta: PersonalAny = None
    """Fields of the provider that Convolake has no column for."""

    automatic: Any = None
    """Why a mail counts as sent by a program, such as `delivery_report`; it gets no answer."""

    nlu: Understanding | None = None
    modified_by: list[str] = []
    thread: ThreadKeys = []


class Reacted(Payload):
    """A reaction; null or an empty string removes it."""

    reaction: Annotated[str, Meta(max_length=64)] | None = None


class Receipt(WithReason):
    """The delivery attempt that a receipt belongs to, and the provider's id of the message.

    `thread`: keys by which a reply names the message.
    """

    attempt: Attempt = 1
    error_code: str | int | None = None
    provider_message_id: str | None = None
    thread: ThreadKeys = []


class HandoffStep(WithReason):
    """A step of a handoff."""

    text: PersonalText | None = None


class HandoffTransferred(HandoffStep):
    """The agent who receives the handoff; without one it goes to the queue."""

    to_participant_id: Id | None = None


class ModelCall(Payload):
    """A call of a language model. The warehouse leaves out a number that is none; an event is not lost for it.

    `cached_tokens` are part of `input_tokens`, `reasoning_tokens` of `output_tokens`. `latency_seconds`: until the
    answer was complete; `first_chunk_seconds`: until its first part came.
    """

    model: str | None = None
    provider: Any = None
    input_tokens: Any = None
    output_tokens: Any = None
    cached_tokens: Any = None
    reasoning_tokens: Any = None
    latency_seconds: Any = None
    first_chunk_seconds: Any = None
    finish_reason: Any = None
    error: PersonalAny = None


class TurnCompleted(Payload):
    """What a bot understood, and the model call that produced its answer."""

    nlu: Understanding | None = None
    model_call: ModelCall | None = None


class ToolCalled(Payload):
    """The tool that a bot or an agent's desk called."""

    tool: str | None = None


class FeedbackSubmitted(Payload):
    """A rating; `scale` is the highest possible score."""

    score: float | None = None
    scale: float | None = None
    comment: PersonalText | None = None


class Act(Payload):
    """What a user of the dashboard does: the role, and the network address of the browser or of a proxy before it."""

    role: Name
    address: PersonalText | None = None


class TranscriptViewed(Act, kw_only=True):
    """The transcript that is opened; `is_unmasked`: with personal data."""

    conversation_id: Id
    is_unmasked: bool = False


class TranscriptSearched(Act, kw_only=True):
    """The words and filters of a search."""

    filters: PersonalFields = {}


class TranscriptExported(Act, kw_only=True):
    """The file: its name, its format, its number of rows, and the filters that chose them."""

    export: Label
    format: Name
    row_count: Count
    filters: PersonalFields = {}


class WarehouseQueried(Act, kw_only=True):
    """The SQL text of a query."""

    sql: PersonalText


class RejectedEventOpened(Act, kw_only=True):
    """The rejected event that is opened; without an id the list of the newest ones."""

    rejected_id: Count | None = None


class SessionStarted(Payload):
    """Number and rule of a session."""

    number: Count
    rule_version: Count
    timeout_seconds: Count
    attributes: PersonalFields = {}


class ControlChanged(Payload):
    """The new owner of control, and its epoch."""

    owner: Literal["bot", "human", "none"]
    epoch: Count
    participant_id: Id | None = None


class ContactDescribed(Payload):
    """Attributes of a contact."""

    attributes: PersonalFields | None = None


AddressText = Annotated[str, Meta(min_length=1, max_length=256, extra={PERSONAL: True})]
Scope = Annotated[str, Meta(max_length=256)]


class ContactLinked(Payload):
    """An address of a contact, in its normal form; `scope`: what it is unique in.

    An older event has no kind: it follows from the channel.
    """

    channel: Name
    address: AddressText
    kind: Name | None = None
    scope: Scope = ""


class ContactUnlinked(Payload):
    """An address that is no longer the contact's."""

    address: AddressText
    kind: Name
    scope: Scope = ""
    reason: PersonalText | None = None


class SharedAddress(Payload):
    """An address by which two contacts were found to be one person."""

    address: AddressText
    kind: Name
    scope: Scope = ""


class ContactMergeProposed(Payload):
    """The other contact that may be the same person, and the addresses of one call that named both."""

    other_contact_id: Id
    addresses: Annotated[list[SharedAddress], Meta(max_length=100)] = []


class ContactMerged(Payload):
    """The contact that this one was merged into, and the user who decided it."""

    into: Id
    decided_by: Id | None = None


class ContactMergeDeclined(Payload):
    """The other contact that is another person, and the user who decided it."""

    other_contact_id: Id
    decided_by: Id | None = None


class ContactUnmerged(Payload):
    """The user who decided it."""

    decided_by: Id | None = None


class DeliveryAttempt(Payload):
    """One delivery of an event to a webhook."""

    webhook_id: str
    position: Count
    attempt: Attempt
    status: int | None = None
    error: str | None = None
    seconds: float = 0.0
