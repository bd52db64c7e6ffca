"""Handoff and control: who may speak, and how control passes on.

A handoff is requested, waits in a queue, is assigned, accepted or declined, and ends when control
returns or the handoff is closed. A conversation has at most one open handoff and one owner of control.
"""

from ingest.events import payloads
from ingest.events.conversation_state import BOT, HUMAN, NO_OWNER, Control, Conversation, Handoff
from ingest.events.stored_event import StoredEvent, decode_payload_as
from ingest.events.types import WAITING, rules_of


def rejection_reason(event: StoredEvent, state: Conversation) -> str | None:
    """Return why this handoff event does not fit the open handoff; None if it fits."""
    current = state.handoff
    if event.event_type == "handoff.requested":
        waits = current is not None and current.status in WAITING
        return "a handoff is open already" if waits else None
    if current is None:
        return "no handoff is open"
    if event.handoff_id != current.handoff_id:
        return "another handoff is open"
    rule = rules_of(event.event_type).handoff
    if rule is not None and current.status not in rule.statuses:
        return f"this handoff is {current.status} already"
    return None


def is_assigned_to_other(event: StoredEvent, state: Conversation) -> bool:
    """Return whether an agent answers a handoff that is assigned to another agent."""
    rule = rules_of(event.event_type).handoff
    return (
        rule is not None
        and rule.answers_assignment
        and state.handoff is not None
        and state.handoff.status == "assigned"
        and state.handoff.participant_id not in (None, event.participant_id)
    )


def apply_handoff(state: Conversation, event: StoredEvent) -> None:
    """Project a handoff event onto the conversation. A step that does not fit changes nothing.

    A request always counts: the newest request is the open handoff.
    """
    is_request = event.event_type == "handoff.requested"
    if not is_request and rejection_reason(event, state) is not None:
        return
    if is_request and state.state == "closed":
        return
    match event.event_type:
        case "handoff.requested":
            payload = decode_payload_as(event, payloads.HandoffStep)
            state.handoff = Handoff(
                handoff_id=event.handoff_id or "",
                status="requested",
                requested_at=event.happened_at,
                since=event.happened_at,
                reason=None if payload is None else payload.reason,
                queue=event.queue,
            )
        case "handoff.returned" | "handoff.closed" | "handoff.expired":
            state.handoff = None
        case _ if state.handoff is not None:
            _apply_step(state.handoff, event)


def _apply_step(handoff: Handoff, event: StoredEvent) -> None:
    handoff.queue = event.queue or handoff.queue
    handoff.since = event.happened_at
    match event.event_type:
        case "handoff.queued" | "handoff.declined":
            handoff.status, handoff.participant_id = "queued", None
        case "handoff.assigned":
            handoff.status, handoff.participant_id = "assigned", event.participant_id
        case "handoff.accepted":
            handoff.status, handoff.participant_id = "accepted", event.participant_id
        case "handoff.transferred":
            payload = decode_payload_as(event, payloads.HandoffTransferred)
            agent = None if payload is None else payload.to_participant_id
            handoff.status = "queued" if agent is None else "assigned"
            handoff.participant_id = agent


def has_control(event: StoredEvent, state: Conversation) -> bool:
    """Return whether the event's participant is the human who has control."""
    return state.controlling_agent == event.participant_id is not None


def next_control(event: StoredEvent, state: Conversation) -> Control | None:
    """Return who has control after this event; None if control does not change.

    An agent has control from the acceptance on, also while they transfer the handoff to a colleague.
    When they leave or stay disconnected, control passes on with their handoff.
    """
    current = state.control
    owner, participant_id = current.owner, current.participant_id
    match event.event_type:
        case "handoff.accepted":
            owner, participant_id = HUMAN, event.participant_id
        case "handoff.returned":
            owner, participant_id = BOT, None
        case "handoff.closed" | "handoff.expired" if current.owner == HUMAN:
            owner, participant_id = (BOT if state.has_role("bot") else NO_OWNER), None
        case _ if rules_of(event.event_type).abandon_reason and has_control(event, state):
            # The handoff waits in the queue for another human, or it has returned to the bot.
            owner, participant_id = (BOT if state.handoff is None else HUMAN), None
    if (owner, participant_id) == (current.owner, current.participant_id):
        return None
    return Control(owner, participant_id, current.epoch + 1)


def apply_control_change(state: Conversation, event: StoredEvent) -> None:
    """Project `control.changed`."""
    payload = decode_payload_as(event, payloads.ControlChanged)
    if payload is not None:
        state.control = Control(payload.owner, payload.participant_id, payload.epoch)


def assign_initial_control(state: Conversation, event: StoredEvent) -> None:
    """Give control to the first bot or agent. No event says so, because control had no owner before.

    Only a creation, or the event of a bot or an agent, brings one. A conversation may have thousands of customers.
    """
    may_bring = event.participant_role in ("bot", "agent") or state.last_sequence == 1
    if may_bring and state.control.owner == NO_OWNER and state.control.epoch == 1:
        owner = BOT if state.has_role("bot") else HUMAN if state.has_role("agent") else NO_OWNER
        state.control = Control(owner)
