"""What is decided at commit: whether an event is allowed, and what the conversation knows of it.

Pure: neither reads a clock nor touches a store. States change by `folds.apply` alone.
"""

from ingest.errors import (
    ConversationClosedError,
    ConversationExistsError,
    EventRejectedError,
    HandoffStateError,
    StaleEpochError,
    UnknownParticipantError,
    VersionMismatchError,
)
from ingest.events import durations, handoff_state
from ingest.events.conversation_state import HUMAN, Conversation
from ingest.events.draft import Command, Draft, parse_conversation_fields
from ingest.events.effects import append_with_effects
from ingest.events.projections import VERSIONED_TYPES, create
from ingest.events.stored_event import StoredEvent, decode_payload, merge_payload
from ingest.events.timers import LifecyclePolicy, next_timer


def decide(
    draft: Draft,
    row: StoredEvent,
    state: Conversation | None,
    rules: LifecyclePolicy,
    command: Command | None = None,
) -> tuple[list[StoredEvent], Conversation]:
    """Rows that `draft` becomes (server events around it included) and the state after them.

    `row` is the draft's own row as far as the door could fill it (`receive`); it is completed
    here. `state` is changed in place; what was due before has been done (`run_timers`).
    Raises EventRejectedError or a child of it, and then has changed nothing.
    """
    if state is None:
        state = create(row)
    elif draft.event_type == "conversation.created":
        raise ConversationExistsError(
            "a conversation with this id exists already", "$.conversation_id"
        )
    if command is not None and row.event_type in _OF_MEMBERS:
        _refuse_stranger(row, state)
    _identify(row, state)
    _refuse(row, state, rules, command)
    is_late = _is_late(row, state)
    if command is None and is_late:
        merge_payload(row, was_stale=True)
    _complete(row, state)
    rows = append_with_effects(row, state, rules, is_late=is_late)
    state.next_timer_at = due.at if (due := next_timer(state, rules)) is not None else None
    return rows, state


def _identify(row: StoredEvent, state: Conversation) -> None:
    """Fill in what the conversation knows: who it was, where, whether it counts."""
    if row.participant_id is not None:
        known = state.participants.get(row.participant_id)
        if known is not None:
            row.participant_role = row.participant_role or known.participant_role
            row.contact_id = row.contact_id or known.contact_id
        if row.participant_role is None and row.event_type in handoff_state.AGENT_TYPES:
            row.participant_role = "agent"
        if row.participant_role is None:
            raise EventRejectedError(
                "this participant is not in the conversation; let it join, or give participant_role",
                "$.participant_id",
            )
    row.channel = row.channel or state.channel
    row.channel_account = row.channel_account or state.channel_account
    row.is_test = row.is_test or state.is_test
    if row.event_type == "message.created" and row.message_id is None:
        row.message_id = row.event_id


def _refuse(
    row: StoredEvent, state: Conversation, rules: LifecyclePolicy, command: Command | None
) -> None:
    """Raise what stands against the event, whatever it is, or against the command alone."""
    if row.event_type in ("conversation.created", "conversation.updated"):
        _check_settable(row)
    if command is None:
        return
    if row.event_type == "message.created":
        _refuse_message(row, state, command)
        return
    if row.event_type in VERSIONED_TYPES:
        _refuse_edit(row, state, command)
    if row.event_type == "bot.turn_failed":
        _refuse_stale(state, command)
    if row.event_type == "session.ended" and state.session_id is None:
        raise EventRejectedError("no session is open")
    if row.event_type.startswith("handoff."):
        _refuse_handoff(row, state, rules)


def _check_settable(row: StoredEvent) -> None:
    given = parse_conversation_fields(decode_payload(row))
    for name in ("inactive_after", "closed_after"):
        if text := getattr(given, name):
            durations.validate_duration(text, name)


def _refuse_handoff(row: StoredEvent, state: Conversation, rules: LifecyclePolicy) -> None:
    if state.state == "closed":
        raise ConversationClosedError("this conversation is closed: nobody can take it over")
    _refuse_taker(row)
    reason = handoff_state.refusal_reason(row, state)
    if reason is None and handoff_state.is_assigned_to_other(row, state):
        reason = "this handoff is offered to another agent"
    if reason is not None:
        raise HandoffStateError(reason, "$.handoff_id")
    given = decode_payload(row).get("reason")
    allowed = rules.handoff_reasons
    if row.event_type == "handoff.requested" and allowed and given not in allowed:
        raise EventRejectedError(
            "not one of the reasons that this installation has", "$.payload.reason"
        )


def _refuse_taker(row: StoredEvent) -> None:
    if row.event_type in handoff_state.AGENT_TYPES and row.participant_id is None:
        raise EventRejectedError("name the agent", "$.participant_id")
    if row.event_type in handoff_state.STAFF_ONLY_TYPES and row.participant_role in (
        "customer",
        "bot",
    ):
        raise EventRejectedError(
            f"a {row.participant_role} does not take or pass on a handoff", "$.participant_id"
        )


def _refuse_edit(row: StoredEvent, state: Conversation, command: Command) -> None:
    if command.version is not None and command.version != state.version:
        raise VersionMismatchError("it was changed since; read it again, then send your change")
    if state.state == "closed" and row.event_type.startswith("conversation."):
        raise ConversationClosedError("this conversation is closed, and closed is final")


_OF_MEMBERS = frozenset({"participant.updated", "participant.left", "participant.read_advanced"})


def _refuse_stranger(row: StoredEvent, state: Conversation) -> None:
    if row.participant_id not in state.participants:
        raise UnknownParticipantError(
            "this participant is not in the conversation", "participant_id"
        )


def _refuse_message(row: StoredEvent, state: Conversation, command: Command) -> None:
    if state.state == "closed":
        raise ConversationClosedError(
            "this conversation is closed; a customer's message opens its successor"
        )
    if row.participant_role != "bot" or row.visibility == "internal":
        return
    if command.control_epoch is None:
        raise EventRejectedError(
            "a bot gives the control_epoch that it saw; the conversation has it", "$.control_epoch"
        )
    _refuse_stale(state, command)


def _refuse_stale(state: Conversation, command: Command) -> None:
    if state.control.owner == HUMAN or command.control_epoch != state.control.epoch:
        raise StaleEpochError(
            "control has passed on since; read the conversation before the bot speaks again",
            "$.control_epoch",
        )


def _is_late(row: StoredEvent, state: Conversation) -> bool:
    """Whether a fact came when it could not have been commanded any more."""
    if state.state == "closed" and row.event_type.startswith(("conversation.", "handoff.")):
        return True
    if row.event_type == "message.created":
        is_bots = row.participant_role == "bot" and row.visibility == "public"
        return state.state == "closed" or (is_bots and state.control.owner == HUMAN)
    is_step = row.event_type.startswith("handoff.") and row.event_type != "handoff.requested"
    return is_step and handoff_state.refusal_reason(row, state) is not None


def _complete(row: StoredEvent, state: Conversation) -> None:
    """Note what it was before, where an event says what it becomes."""
    match row.event_type:
        case "conversation.state_changed" | "conversation.resolved" | "conversation.reopened":
            merge_payload(row, **{"from": state.state})
        case "conversation.updated":
            names = parse_conversation_fields(decode_payload(row)).__struct_fields__
            before = {name: getattr(state, name) for name in names if name in decode_payload(row)}
            merge_payload(row, before=before)
