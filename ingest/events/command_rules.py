"""Which commands the state of a conversation allows. Pure: no clock and no store.

A fact is never rejected by these rules; `is_stale` flags one that a command would break.
"""

from ingest.errors import EventRejectedError, HookFailedError, VersionMismatchError
from ingest.events import handoff_state
from ingest.events.conversation_errors import (
    ConversationClosedError,
    HandoffStateError,
    NotInControlError,
    RoleConflictError,
    StaleEpochError,
    UnknownParticipantError,
)
from ingest.events.conversation_state import HUMAN, Conversation
from ingest.events.draft import Command
from ingest.events.stored_event import StoredEvent, decode_payload
from ingest.events.timers import LifecyclePolicy
from ingest.events.types import EventType, HandoffRule

CHANGED_SINCE = "it changed; read it again, then send your change"


def check_command(
    event: StoredEvent,
    state: Conversation,
    rules: EventType,
    policy: LifecyclePolicy,
    command: Command,
) -> None:
    """Raise the reason why the state rejects a command. The event has its participant's role."""
    if event.event_type == "message.created":
        _check_message(event, state, command)
        return
    if rules.is_version:
        _check_edit(state, rules, command)
    match event.event_type:
        case "bot.turn_failed":
            _check_control(event, state, command)
        case "participant.joined":
            _check_role(event, state)
        case "session.ended" if state.session_id is None:
            raise EventRejectedError("no session is open")
        case "control.taken":
            _check_taking(event, state)
    if rules.handoff is not None:
        _check_handoff(event, state, rules, rules.handoff, policy)


def check_participant(
    event: StoredEvent, state: Conversation, rules: EventType, command: Command
) -> None:
    """Raise the reason why a participant cannot send this command."""
    is_member = event.participant_id in state.participants
    if rules.requires_member and not is_member:
        raise UnknownParticipantError(
            "this participant is not in the conversation", "participant_id"
        )
    if command.skipped_hooks and is_member:
        raise HookFailedError(
            "the participant joined at the same moment, before hooks could run; send it again"
        )


def is_stale(event: StoredEvent, state: Conversation, rules: EventType) -> bool:
    """Return whether the state would reject this event as a command."""
    if state.state == "closed" and rules.about in ("conversation", "handoff", "control"):
        return True
    if event.event_type == "message.created":
        is_bot_message = event.participant_role == "bot" and event.visibility == "public"
        return state.state == "closed" or (is_bot_message and state.control.owner == HUMAN)
    if event.event_type == "control.taken":
        return event.participant_role != "agent"
    is_step = rules.handoff is not None and event.event_type != "handoff.requested"
    return is_step and handoff_state.rejection_reason(event, state) is not None


def _may_speak(event: StoredEvent, state: Conversation) -> bool:
    """Return whether control allows a public message: a human's control excludes bots and other agents."""
    control = state.control
    if control.owner != HUMAN or event.participant_role not in ("bot", "agent"):
        return True
    is_owner = control.participant_id in (None, event.participant_id)
    return event.participant_role == "agent" and is_owner


def _check_message(event: StoredEvent, state: Conversation, command: Command) -> None:
    if state.state == "closed":
        raise ConversationClosedError(
            "this conversation is closed; a customer's message opens its successor"
        )
    is_public = event.visibility == "public"
    if event.participant_role == "bot" and is_public and command.control_epoch is None:
        raise EventRejectedError(
            "a bot gives the control_epoch that it saw; the conversation has it", "$.control_epoch"
        )
    _check_control(event, state, command)


def _check_control(event: StoredEvent, state: Conversation, command: Command) -> None:
    """Check an epoch that was sent; a public message also needs control."""
    if command.control_epoch not in (None, state.control.epoch):
        raise StaleEpochError(
            "control has changed; read the conversation before you send again", "$.control_epoch"
        )
    if event.visibility == "internal" and event.event_type == "message.created":
        return
    if _may_speak(event, state):
        return
    control = state.control
    owner = control.participant_id or "a human"
    todo = (
        "wait until control returns to the bot"
        if event.participant_role == "bot"
        else "take control first, with POST …/control/take"
    )
    raise NotInControlError(
        f"{owner} has control; {todo}",
        "$.participant_id",
        control={
            "owner": control.owner,
            "participant_id": control.participant_id,
            "epoch": control.epoch,
        },
    )


def _check_taking(event: StoredEvent, state: Conversation) -> None:
    if state.state == "closed":
        raise ConversationClosedError("this conversation is closed; it takes no owner of control")
    if event.participant_role != "agent":
        raise EventRejectedError("only an agent takes control", "$.participant_id")


def _check_role(event: StoredEvent, state: Conversation) -> None:
    if state.state == "closed":
        raise ConversationClosedError("this conversation is closed; it takes no participants")
    member = state.participants.get(event.participant_id or "")
    if member is not None and member.participant_role != event.participant_role:
        raise RoleConflictError(
            f"this participant is a {member.participant_role} here, and a role does not change; "
            "join with another participant_id",
            "$.participant_role",
        )


def _check_handoff(
    event: StoredEvent,
    state: Conversation,
    rules: EventType,
    rule: HandoffRule,
    policy: LifecyclePolicy,
) -> None:
    if state.state == "closed":
        raise ConversationClosedError("this conversation is closed; it takes no handoff")
    if rules.names_agent and event.participant_id is None:
        raise EventRejectedError("name the agent", "$.participant_id")
    if rule.staff_only and event.participant_role in ("customer", "bot"):
        raise EventRejectedError(
            f"a {event.participant_role} cannot accept or transfer a handoff", "$.participant_id"
        )
    reason = handoff_state.rejection_reason(event, state)
    if reason is None and handoff_state.is_assigned_to_other(event, state):
        reason = "this handoff is assigned to another agent"
    if reason is not None:
        raise HandoffStateError(reason, "$.handoff_id")
    allowed = policy.handoff_reasons
    given = decode_payload(event).get("reason")
    if event.event_type == "handoff.requested" and allowed and given not in allowed:
        raise EventRejectedError(
            "not one of the reasons that this installation allows", "$.payload.reason"
        )


def _check_edit(state: Conversation, rules: EventType, command: Command) -> None:
    if command.version is not None and command.version != state.version:
        raise VersionMismatchError(CHANGED_SINCE)
    if state.state == "closed" and rules.about == "conversation":
        raise ConversationClosedError("this conversation is closed, and closed is final")
