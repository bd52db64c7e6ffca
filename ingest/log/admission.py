"""What is decided at commit: is an event allowed, its sequence, its session, what follows from it.

Pure: neither reads a clock nor touches a store. States change by `folds.apply` alone.
"""

from typing import Any
from uuid import uuid5

from ingest.contract import NAMESPACE
from ingest.errors import (
    ConversationClosedError,
    ConversationExistsError,
    EventRejectedError,
    HandoffStateError,
    StaleEpochError,
    UnknownParticipantError,
    VersionMismatchError,
)
from ingest.log import control, durations
from ingest.log.drafts import Command, Draft, settable
from ingest.log.folds import EDITS, apply, create
from ingest.log.rows import Row, add_to_payload, payload_of, server_row
from ingest.log.rules import SESSION_RULE_VERSION, Due, Rules, next_due
from ingest.log.state import BOT, HUMAN, Conversation

PASSIVE = frozenset(
    {
        "conversation.updated", "conversation.state_changed", "conversation.resolved",
        "participant.updated", "participant.left", "participant.read_advanced",
        "message.edited", "message.deleted", "message.reacted", "message.submitted",
        "message.delivered", "message.read", "message.failed",
        "handoff.expired", "handoff.closed", "session.ended", "feedback.requested", "feedback.submitted", "typing.started", "typing.stopped",
    }
)  # fmt: skip
"""These fall into the session that is open, and open none: a receipt of tomorrow is no visit."""


def admit(
    draft: Draft, row: Row, state: Conversation | None, rules: Rules, command: Command | None = None
) -> tuple[list[Row], Conversation]:
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
        add_to_payload(row, was_stale=True)
    _complete(row, state)
    rows = _place(row, state, rules, is_late=is_late)
    state.due_at = due.at if (due := next_due(state, rules)) is not None else None
    return rows, state


def _identify(row: Row, state: Conversation) -> None:
    """Fill in what the conversation knows: who it was, where, whether it counts."""
    if row.participant_id is not None:
        known = state.participants.get(row.participant_id)
        if known is not None:
            row.participant_role = row.participant_role or known.participant_role
            row.contact_id = row.contact_id or known.contact_id
        if row.participant_role is None and row.event_type in control.OF_AGENTS:
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


def _refuse(row: Row, state: Conversation, rules: Rules, command: Command | None) -> None:
    """Raise what stands against the event, whatever it is, or against the command alone."""
    if row.event_type in ("conversation.created", "conversation.updated"):
        _check_settable(row)
    if command is None:
        return
    if row.event_type == "message.created":
        _refuse_message(row, state, command)
        return
    if row.event_type in EDITS:
        _refuse_edit(row, state, command)
    if row.event_type == "bot.turn_failed":
        _refuse_stale(state, command)
    if row.event_type == "session.ended" and state.session_id is None:
        raise EventRejectedError("no session is open")
    if row.event_type.startswith("handoff."):
        _refuse_handoff(row, state, rules)


def _check_settable(row: Row) -> None:
    given = settable(payload_of(row))
    for name in ("inactive_after", "closed_after"):
        if text := getattr(given, name):
            durations.check(text, name)


def _refuse_handoff(row: Row, state: Conversation, rules: Rules) -> None:
    if state.state == "closed":
        raise ConversationClosedError("this conversation is closed: nobody can take it over")
    _refuse_taker(row)
    reason = control.refusal(row, state)
    if reason is None and control.is_offered_to_another(row, state):
        reason = "this handoff is offered to another agent"
    if reason is not None:
        raise HandoffStateError(reason, "$.handoff_id")
    given = payload_of(row).get("reason")
    allowed = rules.handoff_reasons
    if row.event_type == "handoff.requested" and allowed and given not in allowed:
        raise EventRejectedError(
            "not one of the reasons that this installation has", "$.payload.reason"
        )


def _refuse_taker(row: Row) -> None:
    if row.event_type in control.OF_AGENTS and row.participant_id is None:
        raise EventRejectedError("name the agent", "$.participant_id")
    if row.event_type in control.BY_AGENTS and row.participant_role in ("customer", "bot"):
        raise EventRejectedError(
            f"a {row.participant_role} does not take or pass on a handoff", "$.participant_id"
        )


def _refuse_edit(row: Row, state: Conversation, command: Command) -> None:
    if command.version is not None and command.version != state.version:
        raise VersionMismatchError("it was changed since; read it again, then send your change")
    if state.state == "closed" and row.event_type.startswith("conversation."):
        raise ConversationClosedError("this conversation is closed, and closed is final")


_OF_MEMBERS = frozenset({"participant.updated", "participant.left", "participant.read_advanced"})


def _refuse_stranger(row: Row, state: Conversation) -> None:
    if row.participant_id not in state.participants:
        raise UnknownParticipantError(
            "this participant is not in the conversation", "participant_id"
        )


def _refuse_message(row: Row, state: Conversation, command: Command) -> None:
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


def _is_late(row: Row, state: Conversation) -> bool:
    """Whether a fact came when it could not have been commanded any more."""
    if state.state == "closed" and row.event_type.startswith(("conversation.", "handoff.")):
        return True
    if row.event_type == "message.created":
        is_bots = row.participant_role == "bot" and row.visibility == "public"
        return state.state == "closed" or (is_bots and state.control.owner == HUMAN)
    is_step = row.event_type.startswith("handoff.") and row.event_type != "handoff.requested"
    return is_step and control.refusal(row, state) is not None


def _complete(row: Row, state: Conversation) -> None:
    """Note what it was before, where an event says what it becomes."""
    match row.event_type:
        case "conversation.state_changed" | "conversation.resolved" | "conversation.reopened":
            add_to_payload(row, **{"from": state.state})
        case "conversation.updated":
            names = settable(payload_of(row)).__struct_fields__
            before = {name: getattr(state, name) for name in names if name in payload_of(row)}
            add_to_payload(row, before=before)


def _place(row: Row, state: Conversation, rules: Rules, *, is_late: bool) -> list[Row]:
    """Sequence and session for the row, with the events of the server that it causes."""
    rows: list[Row] = []
    is_creation = row.event_type == "conversation.created"
    is_note = row.event_type == "message.created" and row.visibility == "internal"
    starts = (
        state.session_id is None
        and state.state != "closed"
        and row.event_type not in PASSIVE
        and not is_note
    )
    if starts and not is_creation:
        rows.append(_start_session(row, state, rules))
    state_before = state.state
    row.session_id = (
        session_id_of(state.conversation_id, state.session_number + 1)
        if starts and is_creation
        else state.session_id
    )
    _append(rows, row, state)
    if starts and is_creation:
        # A conversation's first event is its creation, also where that opens its first session.
        rows.append(_start_session(row, state, rules))
    if row.event_type == "message.created":
        if state.state != state_before:
            _append(rows, _awoken(row, state, state_before), state)
    elif not is_late:
        _follow(rows, row, state)
    return rows


def _follow(rows: list[Row], row: Row, state: Conversation) -> None:
    """What the server adds after an event."""
    if (owner := control.wanted(row, state)) is not None:
        payload = {"from": state.control.owner, "owner": owner.owner, "epoch": owner.epoch}
        if owner.participant_id is not None:
            payload["participant_id"] = owner.participant_id
        _append(rows, _caused("control.changed", row, state, payload), state)
    if (
        row.event_type == "bot.turn_failed"
        and state.hand_off_on_bot_failure
        and _may_hand_off(state)
    ):
        asked = _caused(
            "handoff.requested", row, state, {"reason": "bot_failed"}, visibility="public"
        )
        asked.handoff_id = asked.event_id
        _append(rows, asked, state)
    if state.state == "closed" and state.handoff is not None:
        given_up = _caused(
            "handoff.closed", row, state, {"reason": "conversation_closed"}, visibility="public"
        )
        given_up.handoff_id = state.handoff.handoff_id
        _append(rows, given_up, state)
        _follow(rows, given_up, state)
    reason = _session_end(row, state)
    if reason is not None and state.session_id is not None:
        _append(rows, _caused("session.ended", row, state, {"reason": reason}), state)


def _awoken(row: Row, state: Conversation, before: str) -> Row:
    """What a message made of the state, told as an event of its own."""
    if before == "resolved":
        payload = {"from": before, "reason": "message"}
        return _caused("conversation.reopened", row, state, payload, visibility="public")
    payload = {"from": before, "to": state.state, "reason": "message"}
    return _caused("conversation.state_changed", row, state, payload, visibility="public")


def _may_hand_off(state: Conversation) -> bool:
    return state.handoff is None and state.control.owner == BOT


def _session_end(row: Row, state: Conversation) -> str | None:
    if row.event_type == "conversation.state_changed" and state.state == "closed":
        return "conversation_closed"
    if (
        row.event_type == "participant.left"
        and row.participant_role == "customer"
        and not state.has("customer")
    ):
        return "participant_left"
    return None


def _append(rows: list[Row], row: Row, state: Conversation) -> None:
    row.sequence = state.last_sequence + 1
    apply(state, row)
    rows.append(row)


def session_id_of(conversation_id: str, number: int) -> str:
    """Id of a conversation's first, second … session."""
    return str(uuid5(NAMESPACE, f"session/{conversation_id}/{number}"))


def _start_session(row: Row, state: Conversation, rules: Rules) -> Row:
    number = state.session_number + 1
    payload: dict[str, Any] = {
        "number": number,
        "rule_version": SESSION_RULE_VERSION,
        "timeout_seconds": rules.session_timeout(state.channel) // 1_000_000,
    }
    if rules.session_carries_over and state.session_attributes:
        payload["attributes"] = state.session_attributes
    started = _caused("session.started", row, state, payload)
    started.session_id = session_id_of(state.conversation_id, number)
    started.sequence = state.last_sequence + 1
    apply(state, started)
    return started


def _caused(
    event_type: str,
    cause: Row,
    state: Conversation,
    payload: dict[str, Any],
    visibility: str = "internal",
) -> Row:
    return server_row(
        event_type,
        state.conversation_id,
        state.last_sequence + 1,
        happened_at=cause.happened_at,
        received_at=cause.received_at,
        payload=payload,
        session_id=state.session_id,
        channel=state.channel,
        channel_account=state.channel_account,
        caused_by=cause.event_id,
        visibility=visibility,
        is_test=state.is_test,
    )


def run_timers(state: Conversation, rules: Rules, until: int, received_at: int) -> list[Row]:
    """Events that were due at or before `until` in the conversation's own time, in order.

    Each happened when it was due, however late it is written.
    """
    rows: list[Row] = []
    while (due := next_due(state, rules)) is not None and due.at <= until:
        rows += _happen(due, state, received_at)
    state.due_at = None if due is None else due.at
    return rows


def _happen(due: Due, state: Conversation, received_at: int) -> list[Row]:
    rows: list[Row] = []
    payload: dict[str, Any] = {"reason": due.reason}
    if due.event_type == "conversation.state_changed":
        payload = {"from": state.state, "to": due.reason, "reason": "timer"}
    row = server_row(
        due.event_type,
        state.conversation_id,
        state.last_sequence + 1,
        happened_at=due.at,
        received_at=received_at,
        payload=payload,
        session_id=state.session_id,
        channel=state.channel,
        channel_account=state.channel_account,
        visibility="internal" if due.event_type == "session.ended" else "public",
        is_test=state.is_test,
        handoff_id=state.handoff.handoff_id
        if state.handoff and due.event_type == "handoff.expired"
        else None,
        queue=state.handoff.queue
        if state.handoff and due.event_type == "handoff.expired"
        else None,
    )
    _append(rows, row, state)
    _follow(rows, row, state)
    return rows
