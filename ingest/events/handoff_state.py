"""Handoff and control: who may speak for us, and how that passes on.

A handoff is asked for, waits in a queue, is offered, taken or refused, and ends when control
goes back or the matter is closed. There is one at a time, and one owner of control at a time.
"""

from typing import Any

from ingest.events.conversation_state import BOT, HUMAN, NO_OWNER, Control, Conversation, Handoff
from ingest.events.stored_event import StoredEvent, decode_payload
from ingest.events.timers import WAITING_STATUSES

OPEN_STATUSES = (*WAITING_STATUSES, "accepted")
ALLOWED_STATUSES: dict[str, tuple[str, ...]] = {
    "handoff.queued": WAITING_STATUSES,
    "handoff.assigned": WAITING_STATUSES,
    "handoff.accepted": WAITING_STATUSES,
    "handoff.declined": WAITING_STATUSES,
    "handoff.expired": WAITING_STATUSES,
    "handoff.transferred": OPEN_STATUSES,
    "handoff.returned": OPEN_STATUSES,
    "handoff.closed": OPEN_STATUSES,
}
"""In which status of its handoff an event may come; `handoff.requested` comes when none is open."""

AGENT_TYPES = frozenset({"handoff.assigned", "handoff.accepted", "handoff.declined"})
"""Whom these name is an agent, whether in the conversation or not. Accepting lets them in."""

STAFF_ONLY_TYPES = frozenset({*AGENT_TYPES, "handoff.transferred"})
"""Neither a customer nor a bot does these."""

ASSIGNMENT_TYPES = frozenset({"handoff.assigned", "handoff.declined"})
"""Whom these name is not in the conversation yet, and perhaps never will be."""


def refusal_reason(row: StoredEvent, state: Conversation) -> str | None:
    """Why this event of a handoff comes too late, or too early; None if it comes in time."""
    now = state.handoff
    if row.event_type == "handoff.requested":
        waits = now is not None and now.status in WAITING_STATUSES
        return "a handoff is under way already" if waits else None
    if now is None:
        return "no handoff is under way"
    if row.handoff_id != now.handoff_id:
        return "another handoff is under way"
    if now.status not in ALLOWED_STATUSES[row.event_type]:
        return f"this handoff is {now.status} already"
    return None


def is_assigned_to_other(row: StoredEvent, state: Conversation) -> bool:
    """Whether somebody answers for a colleague; only a command is refused for it."""
    return (
        row.event_type in ("handoff.accepted", "handoff.declined")
        and state.handoff is not None
        and state.handoff.status == "assigned"
        and state.handoff.participant_id not in (None, row.participant_id)
    )


def apply_handoff(state: Conversation, row: StoredEvent) -> None:
    """Follow an event of a handoff; a step that came out of time changes nothing.

    A request counts whenever it comes: the newest demand is the one that is under way.
    """
    if row.event_type != "handoff.requested" and refusal_reason(row, state) is not None:
        return
    if row.event_type == "handoff.requested" and state.state == "closed":
        return
    payload = decode_payload(row)
    match row.event_type:
        case "handoff.requested":
            state.handoff = Handoff(
                handoff_id=row.handoff_id or "",
                status="requested",
                requested_at=row.happened_at,
                since=row.happened_at,
                reason=_text(payload.get("reason")),
                queue=row.queue,
            )
        case "handoff.returned" | "handoff.closed" | "handoff.expired":
            state.handoff = None
        case _:
            _move(state.handoff, row, payload)


def _move(handoff: Handoff | None, row: StoredEvent, payload: dict[str, Any]) -> None:
    if handoff is None:
        return
    handoff.queue = row.queue or handoff.queue
    match row.event_type:
        case "handoff.queued":
            handoff.status, handoff.participant_id = "queued", None
        case "handoff.assigned":
            handoff.status, handoff.participant_id = "assigned", row.participant_id
        case "handoff.accepted":
            handoff.status, handoff.participant_id = "accepted", row.participant_id
        case "handoff.declined":
            handoff.status, handoff.participant_id = "queued", None
        case "handoff.transferred":
            agent = _text(payload.get("to_participant_id"))
            handoff.status = "queued" if agent is None else "assigned"
            handoff.participant_id = agent
    handoff.since = row.happened_at


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def next_control(row: StoredEvent, state: Conversation) -> Control | None:
    """Who is to have control after this event in time; None if that stays as it is.

    A human has it from the acceptance on, also while they pass the matter to a colleague.
    """
    now = state.control
    owner, who = now.owner, now.participant_id
    match row.event_type:
        case "handoff.accepted":
            owner, who = HUMAN, row.participant_id
        case "handoff.returned":
            owner, who = BOT, None
        case "handoff.closed" | "handoff.expired" if now.owner == HUMAN:
            owner, who = (BOT if state.has_role("bot") else NO_OWNER), None
    if (owner, who) == (now.owner, now.participant_id):
        return None
    return Control(owner, who, now.epoch + 1)


def apply_control_change(state: Conversation, row: StoredEvent) -> None:
    """Fold `control.changed`."""
    payload = decode_payload(row)
    state.control = Control(payload["owner"], payload.get("participant_id"), payload["epoch"])


def assign_initial_control(state: Conversation) -> None:
    """Whoever is there first has control: no event says so, for nobody had it before."""
    if state.control.owner == NO_OWNER and state.control.epoch == 1:
        owner = BOT if state.has_role("bot") else HUMAN if state.has_role("agent") else NO_OWNER
        state.control = Control(owner)
