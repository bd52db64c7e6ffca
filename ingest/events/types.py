"""Event types: the one place that states the rules of each type.

Every other module derives its sets from here. A new type is safe by default: it opens no session,
gives no conversation a new version, and its text and payload are not shown to customers.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import msgspec
from msgspec import Struct

from ingest.contract import Visibility
from ingest.events import payloads, review_payloads

Stream = Literal["conversation", "contact", "review", "audit", "privacy", "delivery", "ephemeral"]
Writer = Literal["client", "dashboard", "server"]
ReceiptStatus = Literal["unknown", "submitted", "delivered", "read", "failed"]
HandoffStatus = Literal["requested", "queued", "assigned", "accepted"]

WAITING: tuple[HandoffStatus, ...] = ("requested", "queued", "assigned")
OPEN: tuple[HandoffStatus, ...] = (*WAITING, "accepted")


@dataclass(frozen=True)
class HandoffRule:
    """When a handoff event may happen, and whom it names.

    `statuses`: the statuses of the open handoff that allow the event; empty: no handoff is open.
    `staff_only`: a customer or a bot cannot do this.
    `joins`: the named participant joins the conversation.
    `answers_assignment`: only the agent to whom the handoff is assigned may send it as a command.
    """

    statuses: tuple[HandoffStatus, ...] = ()
    staff_only: bool = False
    joins: bool = True
    answers_assignment: bool = False


@dataclass(frozen=True, kw_only=True)
class EventType:
    """The rules of one type of event.

    `requires`: columns that must not be null. `visibility`: the visibility of every event of the type,
    unless `public`, which the producer may narrow. `opens_session`: starts a session if none is open.
    `visible_to_customer`: customers see text and payload. `is_version`: gives the conversation a new
    version. `is_commandable`: a client's command may cause it although only the server writes it.
    `requires_member`: a command needs the participant in the conversation. `refers_to_message`: waits
    for its message if the message has not arrived. `receipt`: the delivery state that it reports.
    `requires_text`: a deleted message does not take it. `names_agent`: the participant is an agent, in the conversation or not.
    `abandon_reason`: if its participant is the agent in control, the handoff passes on for this reason.
    `is_reserved`: no part of Convolake writes it yet.
    """

    name: str
    stream: Stream
    meaning: str
    payload: type[Struct] = payloads.Payload
    writer: Writer = "client"
    requires: tuple[str, ...] = ()
    visibility: Visibility = "public"
    opens_session: bool = False
    visible_to_customer: bool = False
    is_version: bool = False
    is_commandable: bool = False
    requires_member: bool = False
    refers_to_message: bool = False
    receipt: ReceiptStatus | None = None
    handoff: HandoffRule | None = None
    requires_text: bool = False
    names_agent: bool = False
    abandon_reason: str | None = None
    is_reserved: bool = False

    @cached_property
    def about(self) -> str:
        """The noun of the name: `conversation`, `message`, `handoff` and so on."""
        return self.name.partition(".")[0]

    @cached_property
    def is_stored(self) -> bool:
        """Whether the log stores it unless a setting says otherwise."""
        return self.stream != "ephemeral"

    @cached_property
    def requires_payload(self) -> bool:
        """Whether the payload struct has a required field."""
        return any(field.required for field in msgspec.structs.fields(self.payload))

    @property
    def is_deliverable(self) -> bool:
        """Whether a destination may receive it."""
        return self.stream in ("conversation", "contact")


def _conversation(
    name: str,
    meaning: str,
    payload: type[Struct],
    *requires: str,
    abandon_reason: str | None = None,
    **rules: bool,
) -> EventType:
    return EventType(
        name=name,
        stream="conversation",
        meaning=meaning,
        payload=payload,
        requires=requires,
        opens_session=rules.get("opens_session", False),
        is_version=rules.get("is_version", False),
        requires_member=rules.get("requires_member", False),
        abandon_reason=abandon_reason,
    )


def _message(
    name: str,
    meaning: str,
    payload: type[Struct],
    *requires: str,
    receipt: ReceiptStatus | None = None,
    requires_text: bool = False,
) -> EventType:
    is_creation = name == "message.created"
    return EventType(
        name=name,
        stream="conversation",
        meaning=meaning,
        payload=payload,
        requires=("participant_id",) if is_creation else ("message_id", *requires),
        opens_session=is_creation,
        visible_to_customer=True,
        refers_to_message=not is_creation,
        requires_text=requires_text,
        receipt=receipt,
    )


def _handoff(
    name: str,
    meaning: str,
    rule: HandoffRule,
    payload: type[Struct] = payloads.HandoffStep,
    *,
    opens_session: bool = True,
    names_agent: bool = False,
) -> EventType:
    return EventType(
        name=name,
        stream="conversation",
        meaning=meaning,
        payload=payload,
        requires=("handoff_id",),
        opens_session=opens_session,
        handoff=rule,
        names_agent=names_agent,
    )


def _bot(name: str, meaning: str, payload: type[Struct]) -> EventType:
    return EventType(
        name=name, stream="conversation", meaning=meaning, payload=payload, opens_session=True
    )


def _feedback(name: str, meaning: str, payload: type[Struct]) -> EventType:
    return EventType(
        name=name,
        stream="conversation",
        meaning=meaning,
        payload=payload,
        visible_to_customer=True,
    )


def _server(
    name: str,
    meaning: str,
    payload: type[Struct],
    *,
    is_commandable: bool = False,
    abandon_reason: str | None = None,
) -> EventType:
    return EventType(
        name=name,
        stream="conversation",
        meaning=meaning,
        payload=payload,
        writer="server",
        visibility="internal",
        is_commandable=is_commandable,
        abandon_reason=abandon_reason,
    )


def _contact(name: str, meaning: str, payload: type[Struct]) -> EventType:
    return EventType(
        name=name, stream="contact", meaning=meaning, payload=payload, requires=("contact_id",)
    )


def _internal(
    stream: Stream,
    name: str,
    meaning: str,
    payload: type[Struct] = payloads.Payload,
    writer: Writer = "dashboard",
) -> EventType:
    return EventType(
        name=name,
        stream=stream,
        meaning=meaning,
        payload=payload,
        writer=writer,
        visibility="internal",
        requires=("participant_id",) if stream == "audit" else (),
        is_commandable=stream in ("review", "audit"),
        is_reserved=stream == "privacy",
    )


_ALL = (
    _conversation(
        "conversation.created",
        "a conversation starts; payload.participants take part in it",
        payloads.ConversationCreated,
        "channel",
        opens_session=True,
        is_version=True,
    ),
    _conversation(
        "conversation.updated",
        "fields of a conversation changed",
        payloads.ConversationFields,
        is_version=True,
    ),
    _conversation(
        "conversation.state_changed",
        "payload.to: active, inactive or closed",
        payloads.StateChanged,
        is_version=True,
    ),
    _conversation(
        "conversation.resolved",
        "the demand is met; payload.resolved_by, payload.is_confirmed",
        payloads.Resolved,
        is_version=True,
    ),
    _conversation(
        "conversation.reopened",
        "the demand is open again",
        payloads.WithReason,
        opens_session=True,
        is_version=True,
    ),
    _conversation(
        "participant.joined",
        "a participant joined",
        payloads.ParticipantDescribed,
        "participant_id",
        "participant_role",
        opens_session=True,
        is_version=True,
    ),
    _conversation(
        "participant.updated",
        "attributes of a participant changed",
        payloads.ParticipantDescribed,
        "participant_id",
        is_version=True,
        requires_member=True,
    ),
    _conversation(
        "participant.left",
        "a participant left; the last customer ends the session",
        payloads.WithReason,
        "participant_id",
        abandon_reason="agent_left",
        is_version=True,
        requires_member=True,
    ),
    _conversation(
        "participant.read_advanced",
        "a participant read up to payload.sequence",
        payloads.ReadAdvanced,
        "participant_id",
        requires_member=True,
    ),
    _server(
        "participant.disconnected",
        "the agent in control closed the last WebSocket",
        payloads.Payload,
    ),
    _server(
        "participant.connected",
        "the agent in control opened a WebSocket again",
        payloads.Payload,
    ),
    _message(
        "message.created",
        "a message; payload.modified_by: the hooks that changed its text",
        payloads.MessageCreated,
    ),
    _message(
        "message.edited",
        "the message has a new text",
        payloads.WithReason,
        "text",
        requires_text=True,
    ),
    _message(
        "message.deleted",
        "the text is removed; the message stays as a tombstone",
        payloads.WithReason,
    ),
    _message(
        "message.reacted",
        "a participant reacted to the message",
        payloads.Reacted,
        "participant_id",
        requires_text=True,
    ),
    _message(
        "message.unconfirmed",
        "perhaps handed to the channel: its answer was lost; payload.reason",
        payloads.Receipt,
        receipt="unknown",
    ),
    _message("message.submitted", "handed to the channel", payloads.Receipt, receipt="submitted"),
    _message(
        "message.delivered",
        "reached the recipient's device",
        payloads.Receipt,
        receipt="delivered",
    ),
    _message("message.read", "the recipient saw it", payloads.Receipt, receipt="read"),
    _message(
        "message.failed",
        "could not be delivered; payload.error_code",
        payloads.Receipt,
        receipt="failed",
    ),
    _handoff("handoff.requested", "a human is requested; payload.reason", HandoffRule()),
    _handoff("handoff.queued", "waits in a queue", HandoffRule(WAITING)),
    _handoff(
        "handoff.assigned",
        "offered to an agent",
        HandoffRule(WAITING, staff_only=True, joins=False),
        names_agent=True,
    ),
    _handoff(
        "handoff.accepted",
        "an agent accepted it",
        HandoffRule(WAITING, staff_only=True, answers_assignment=True),
        names_agent=True,
    ),
    _handoff(
        "handoff.declined",
        "an agent declined it",
        HandoffRule(WAITING, staff_only=True, joins=False, answers_assignment=True),
        names_agent=True,
    ),
    _handoff(
        "handoff.expired", "no agent accepted it in time", HandoffRule(WAITING), opens_session=False
    ),
    _handoff(
        "handoff.transferred",
        "passed on to another agent or queue",
        HandoffRule(OPEN, staff_only=True),
        payloads.HandoffTransferred,
    ),
    _handoff("handoff.returned", "control returned to the bot", HandoffRule(OPEN)),
    _handoff(
        "handoff.closed",
        "the handoff ended; the server's payload.reason: resolved or customer_left while it waited, "
        "conversation_closed",
        HandoffRule(OPEN),
        opens_session=False,
    ),
    EventType(
        name="control.taken",
        stream="conversation",
        meaning="an agent took control, from the bot or from another agent; payload.reason",
        payload=payloads.WithReason,
        requires=("participant_id",),
        opens_session=True,
        names_agent=True,
    ),
    _server(
        "control.released",
        "the agent in control was disconnected for the time of a setting; payload.reason",
        payloads.WithReason,
        abandon_reason="agent_disconnected",
    ),
    _bot("bot.turn_started", "the bot started to work on a response", payloads.Payload),
    _bot("bot.tool_called", "the bot, or an agent's desk, called a tool", payloads.ToolCalled),
    _bot(
        "bot.turn_completed",
        "the bot finished; payload.nlu, payload.model_call",
        payloads.TurnCompleted,
    ),
    _bot(
        "bot.turn_failed",
        "the bot could not respond; payload.reason, webhook_failed: it was not reached",
        payloads.WithReason,
    ),
    _feedback("feedback.requested", "a rating was requested", payloads.Payload),
    _feedback(
        "feedback.submitted", "a rating was given; payload.score", payloads.FeedbackSubmitted
    ),
    _server("session.started", "a session starts", payloads.SessionStarted),
    _server(
        "session.ended",
        "a session ends; payload.reason: timeout, max_length, participant_left, conversation_closed, explicit",
        payloads.WithReason,
        is_commandable=True,
    ),
    _server("control.changed", "control has a new owner", payloads.ControlChanged),
    _contact("contact.created", "a person", payloads.ContactDescribed),
    _contact("contact.updated", "attributes of a person changed", payloads.ContactDescribed),
    _contact("contact.linked", "an address belongs to this person", payloads.ContactLinked),
    _contact(
        "contact.unlinked",
        "an address is no longer this person's; it stays known as a former one",
        payloads.ContactUnlinked,
    ),
    _contact(
        "contact.merge_proposed",
        "a call named addresses of two contacts; a person decides whether they are one",
        payloads.ContactMergeProposed,
    ),
    _contact(
        "contact.merge_declined",
        "the two contacts of a proposal are two people; they are not proposed again",
        payloads.ContactMergeDeclined,
    ),
    _contact("contact.merged", "two contacts are one person", payloads.ContactMerged),
    _contact("contact.unmerged", "the merge was wrong", payloads.ContactUnmerged),
    _internal(
        "review",
        "scorecard.published",
        "a version of a scorecard; it never changes",
        review_payloads.ScorecardPublished,
    ),
    _internal(
        "review",
        "review.sampled",
        "conversations were drawn for review; payload.sample_id",
        review_payloads.ReviewSampled,
    ),
    _internal(
        "review",
        "review.item_replaced",
        "a conversation left a sample; payload.reason",
        review_payloads.ReviewItemReplaced,
    ),
    _internal(
        "review",
        "review.submitted",
        "a reviewer judged a conversation; its event_id is the review's id",
        review_payloads.ReviewSubmitted,
    ),
    _internal("review", "review.disputed", "a review is disputed", review_payloads.ReviewDisputed),
    _internal(
        "review", "review.resolved", "the dispute is settled", review_payloads.ReviewResolved
    ),
    _internal(
        "review",
        "review.acknowledged",
        "the reviewed person has read the review",
        review_payloads.ReviewAcknowledged,
    ),
    _internal(
        "audit",
        "transcript.viewed",
        "a user of the dashboard opened a transcript; written before it is shown",
        payloads.TranscriptViewed,
    ),
    _internal(
        "audit",
        "transcript.searched",
        "a user searched conversations; payload.filters",
        payloads.TranscriptSearched,
    ),
    _internal(
        "audit",
        "transcript.exported",
        "a user downloaded rows as a file",
        payloads.TranscriptExported,
    ),
    _internal(
        "audit",
        "warehouse.queried",
        "a user ran an SQL query; payload.sql",
        payloads.WarehouseQueried,
    ),
    _internal(
        "audit",
        "rejected_event.opened",
        "a user read rejected events as they came; payload.rejected_id of one of them",
        payloads.RejectedEventOpened,
    ),
    _internal("privacy", "data.erased", "a person's data was erased", writer="server"),
    _internal(
        "delivery",
        "webhook.attempted",
        "a delivery was attempted",
        payloads.DeliveryAttempt,
        "server",
    ),
    _internal(
        "delivery",
        "webhook.delivered",
        "a delivery succeeded",
        payloads.DeliveryAttempt,
        "server",
    ),
    _internal(
        "delivery",
        "webhook.dead_lettered",
        "the dispatcher gave a delivery up",
        payloads.DeliveryAttempt,
        "server",
    ),
    EventType(name="typing.started", stream="ephemeral", meaning="a participant is typing"),
    EventType(name="typing.stopped", stream="ephemeral", meaning="a participant stopped typing"),
)

EVENT_TYPES: dict[str, EventType] = {each.name: each for each in _ALL}
"""Every event type except `custom.<name>`, which clients may write in the conversation stream."""

_CUSTOM = re.compile(r"custom(\.[a-z][a-z0-9_]{0,63}){1,2}\Z")
"""`custom.<name>`, and `custom.<provider>.<kind>` for what a provider reports and no type describes."""

CUSTOM = EventType(
    name="custom.<name>",
    stream="conversation",
    meaning="an event of the client's own type",
    opens_session=True,
    visible_to_customer=True,
)
UNKNOWN = EventType(
    name="unknown", stream="conversation", meaning="a type that this version does not know"
)
"""The rules of a stored event of a later version."""


@lru_cache(maxsize=4096)
def find_event_type(name: str) -> EventType | None:
    """Return the type called `name`, or None if there is none."""
    return EVENT_TYPES.get(name) or (CUSTOM if _CUSTOM.match(name) else None)


@lru_cache(maxsize=4096)
def rules_of(name: str) -> EventType:
    """Return the rules of a stored event's type; those of UNKNOWN for a type of a later version."""
    return find_event_type(name) or UNKNOWN


def personal_fields(event_type: EventType) -> list[str]:
    """Return the paths in the payload that may hold personal data, such as `participants[].attributes`."""
    return list(_personal(msgspec.inspect.type_info(event_type.payload), ""))


def _personal(info: msgspec.inspect.Type, path: str) -> Iterator[str]:
    if isinstance(info, msgspec.inspect.Metadata):
        if (info.extra or {}).get(payloads.PERSONAL):
            yield path
        else:
            yield from _personal(info.type, path)
    elif isinstance(info, msgspec.inspect.UnionType):
        for each in info.types:
            yield from _personal(each, path)
    elif isinstance(info, msgspec.inspect.ListType):
        yield from _personal(info.item_type, f"{path}[]")
    elif isinstance(info, msgspec.inspect.StructType):
        for field in info.fields:
            yield from _personal(field.type, f"{path}.{field.encode_name}".removeprefix("."))
