"""The API's states and the warehouse's rows agree on every column that both have, for random histories."""

import random
from collections.abc import Iterator
from itertools import chain, groupby
from typing import Any

import pytest

from ingest.contract import from_micros
from ingest.events import handoff_state, message_state, projections
from ingest.events.conversation_state import HUMAN, Conversation, Member, decode_conversation
from ingest.events.message_state import Message, decode_message
from ingest.events.stored_event import StoredEvent
from tests.factories import Clock, Record

pytestmark = pytest.mark.long

CONVERSATIONS = 60
EVENTS = 25
PEOPLE = (
    ("ada", "customer"),
    ("eve", "customer"),
    ("helper", "bot"),
    ("mira", "agent"),
    ("tom", "agent"),
)
EVE = {"participant_id": "eve", "participant_role": "customer"}
RECEIPTS = ("unconfirmed", "submitted", "delivered", "read", "failed")
Event = dict[str, Any]


def random_history(chosen: random.Random, number: int) -> Iterator[Event]:
    """Yield the facts of one conversation, in an order that clients may send."""
    conversation = {"conversation_id": f"c{number}"}
    yield conversation | {
        "event_type": "conversation.created",
        "channel": chosen.choice(("web", "sms", "email")),
        "channel_account": chosen.choice((None, "a1")),
        "contact_id": chosen.choice((None, "contact-0")),
        "is_test": chosen.random() < 0.1,
        "payload": {"participants": [EVE]} if chosen.random() < 0.5 else {"subject": "first"},
    }
    handoff_id = "h0"
    for step in range(EVENTS):
        name, role = chosen.choice(PEOPLE)
        if name == "ada" and number % 2:
            name = "eve"  # who may leave no other customer behind
        who = {"participant_id": name, "participant_role": role}
        if chosen.random() < 0.2:
            who["contact_id"] = f"contact-{name}"
        event = _random_event(chosen, number)
        if event["event_type"] == "handoff.requested":
            handoff_id = f"h{step + 1}"
        if event["event_type"] == "control.taken":
            who = {"participant_id": "tom", "participant_role": "agent"}
        if event["event_type"] == "participant.left":
            name = chosen.choice(("eve", "zoe"))
            who = {"participant_id": name, "participant_role": "customer"}
        if event["event_type"] == "participant.read_advanced" and chosen.random() < 0.5:
            who = EVE
        if event["event_type"].startswith("handoff."):
            event["handoff_id"] = handoff_id
        yield conversation | who | event


def _random_event(chosen: random.Random, number: int) -> Event:
    message = {"message_id": f"m{chosen.randrange(6)}"}
    match chosen.randrange(22):
        case 0 | 1 | 2 | 3:
            visibility = chosen.choice(("public", "public", "internal"))
            return {
                "event_type": "message.created",
                "text": f"text {chosen.random()}",
                "channel_account": chosen.choice((None, "a2")),
                "visibility": visibility,
                **(message if chosen.random() < 0.8 else {}),
            }
        case 4:
            text = f"edit {chosen.random()}"
            return {"event_type": "message.edited", "text": text, **message}
        case 5:
            return {"event_type": "message.deleted", **message}
        case 6 | 12 | 13 | 14 | 15:
            attempt = {"attempt": chosen.choice((1, 1, 1, 2))}
            status = chosen.choice(RECEIPTS)
            return {"event_type": f"message.{status}", "payload": attempt, **message}
        case 7:
            name = chosen.choice(("resolved", "reopened"))
            by = {"resolved_by": chosen.choice(("bot", "agent", "customer"))}
            return {
                "event_type": f"conversation.{name}",
                "payload": by if name == "resolved" and chosen.random() < 0.6 else None,
            }
        case 17:
            return {"event_type": "control.taken"}
        case 18 | 19 | 20:
            return {"event_type": "participant.left"}
        case 16 | 21:
            horizon = {"sequence": chosen.randrange(40)}
            return {"event_type": "participant.read_advanced", "payload": horizon}
        case 8:
            to = chosen.choice(("active", "inactive", "inactive", "closed"))
            return {"event_type": "conversation.state_changed", "payload": {"to": to}}
        case 9:
            key = {"conversation_key": f"key-{number}"} if chosen.random() < 0.5 else {}
            payload = {"subject": chosen.choice(("second", "third"))} | key
            return {"event_type": "conversation.updated", "payload": payload}
        case _:
            steps = (
                "requested",
                "requested",
                "queued",
                "assigned",
                "accepted",
                "declined",
                "expired",
                "returned",
                "closed",
            )
            return {"event_type": f"handoff.{chosen.choice(steps)}"}


def write_history(record: Record, clock: Clock) -> None:
    """Write and load random conversations."""
    chosen = random.Random(random.randrange(10**9))  # noqa: S311
    streams = [list(random_history(chosen, number)) for number in range(CONVERSATIONS)]
    for step in range(EVENTS + 1):
        clock.forward(minutes=chosen.choice((1, 5, 20, 600)))
        record.write([stream[step] for stream in streams], at_once=100)
        if chosen.random() < 0.3:
            record.run_due()
    record.seal()
    record.load()


def test_states_and_rows_agree(record: Record, clock: Clock) -> None:
    write_history(record, clock)
    assert list(conversation_differences(record)) == []
    assert list(message_differences(record)) == []
    assert list(receipt_differences(record)) == []
    assert list(handoff_differences(record)) == []
    assert list(control_differences(record)) == []


def final(state: Conversation, to: str) -> str:
    """Return the next state; closed is final."""
    return "closed" if state.state == "closed" else to


CHANGED_RULES: dict[str, tuple[Any, str, Any]] = {
    "the contact stays that of the creation": (projections, "_set_contact", lambda *_: None),
    "a read horizon stays where it is": (projections, "_advance_read", lambda *_: None),
    "who leaves has read nothing": (
        projections,
        "_remove_member",
        lambda state, participant_id: state.participants.pop(participant_id, None),
    ),
    "a message is not counted": (projections, "_apply_message", lambda *_: None),
    "every receipt counts": (message_state, "_supersedes", lambda *_: True),
    "a conversation is never resolved": (
        projections,
        "_set_state",
        lambda state, to: setattr(state, "state", final(state, to.replace("resolved", "active"))),
    ),
    "a handoff is never open": (handoff_state, "apply_handoff", lambda *_: None),
    "control never passes": (handoff_state, "apply_control_change", lambda *_: None),
}


@pytest.mark.parametrize("rule", CHANGED_RULES)
def test_control_a_rule_that_changes_on_one_side_is_found(
    record: Record, clock: Clock, monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    monkeypatch.setattr(*CHANGED_RULES[rule])
    write_history(record, clock)
    found = chain(
        conversation_differences(record),
        message_differences(record),
        receipt_differences(record),
        handoff_differences(record),
        control_differences(record),
    )
    assert list(found) != []


def states(record: Record) -> Iterator[Conversation]:
    for row in record.log("select projection from conversations"):
        yield decode_conversation(row["projection"])


def conversation_differences(record: Record) -> Iterator[str]:
    rows = {row["conversation_id"]: row for row in record.query("select * from conversations")}
    for state in states(record):
        row = rows.pop(state.conversation_id)
        for name, expected in _conversation_columns(state).items():
            if row[name] != expected:
                yield f"{state.conversation_id}: {name} is {row[name]!r}, not {expected!r}"
    yield from (f"{conversation_id} has no state" for conversation_id in rows)


def _conversation_columns(state: Conversation) -> dict[str, Any]:
    return {
        "channel": state.channel,
        "channel_account": state.channel_account,
        "contact_id": state.contact_id,
        "conversation_key": state.conversation_key,
        "subject": state.subject,
        "predecessor_id": state.predecessor_id,
        "successor_id": state.successor_id,
        "is_test": state.is_test,
        "created_at": from_micros(state.created_at).replace(tzinfo=None),
        "latest_at": from_micros(state.latest_at).replace(tzinfo=None),
        "state": state.state,
        "event_count": state.last_sequence,
        "message_count": state.message_count,
        "session_count": state.session_number,
    }


def message_differences(record: Record) -> Iterator[str]:
    found = (
        decode_message(row["projection"]) for row in record.log("select projection from messages")
    )
    changed = {(each.conversation_id, each.message_id): each for each in found}
    assert len(changed) > 50, "too few messages change"
    created = {
        (row["conversation_id"], row["message_id"]): row["text"]
        for row in record.log("select * from events where event_type = 'message.created'")
    }
    readers = {
        state.conversation_id: state.left_readers | state.participants for state in states(record)
    }
    for row in record.query("select * from messages"):
        key = row["conversation_id"], row["message_id"]
        state = changed.get(key) or Message(*key)
        columns = _message_columns(state, created[key], row)
        if _is_read(readers[row["conversation_id"]], row):
            columns["read_at"] = row["read_at"] or "a time"
        elif not state.receipts:
            columns["read_at"] = None
        for name, expected in columns.items():
            if row[name] != expected:
                yield f"{key}: {name} is {row[name]!r}, not {expected!r}"


def receipt_differences(record: Record) -> Iterator[str]:
    """Compare how far the delivery of each message came, for each recipient."""
    found = (
        decode_message(row["projection"]) for row in record.log("select projection from messages")
    )
    expected = {
        (each.conversation_id, each.message_id, participant_id): receipt.status
        for each in found
        for participant_id, receipt in each.receipts.items()
    }
    assert "unknown" in expected.values()
    rows = record.query("select * from receipts")
    statuses = {
        (row["conversation_id"], row["message_id"], row["participant_id"]): row["status"]
        for row in rows
    }
    for key in expected.keys() | statuses.keys():
        if expected.get(key) != statuses.get(key):
            yield f"{key}: {statuses.get(key)!r}, not {expected.get(key)!r}"


def _is_read(readers: dict[str, Member], row: Event) -> bool:
    """Return whether the read horizon of another participant covers a message, also of one who left."""
    return any(
        member.read_sequence >= row["sequence"]
        for participant_id, member in readers.items()
        if participant_id != row["participant_id"]
        and (row["visibility"] == "public" or member.participant_role != "customer")
    )


def _message_columns(state: Message, text: str, row: Event) -> dict[str, Any]:
    statuses = {each.status for each in state.receipts.values()}
    columns = {
        "text": None if state.is_deleted else state.text if state.is_edited else text,
        "is_edited": state.is_edited,
        "is_deleted": state.is_deleted,
        "failed_at": (row["failed_at"] or "a time") if "failed" in statuses else None,
    }
    for status in ("read", "delivered"):
        if status in statuses:
            columns[f"{status}_at"] = row[f"{status}_at"] or "a time"
    return columns


def handoff_differences(record: Record) -> Iterator[str]:
    """Compare the outcome of each handoff with what the API's state was after each event."""
    expected: dict[tuple[str, str], str] = {}
    for events in streams(record):
        expected |= outcomes_of(events)
    yield from (f"no handoff is {each}" for each in OFTEN - set(expected.values()))
    rows = record.query("select conversation_id, handoff_id, outcome from handoffs")
    found = {(row["conversation_id"], row["handoff_id"]): row["outcome"] for row in rows}
    for key in expected.keys() | found.keys():
        if expected.get(key) != found.get(key):
            yield f"{key} is {found.get(key)}, not {expected.get(key)}"


OFTEN = {"accepted", "abandoned", "superseded", "cancelled"}
"""Outcomes that every run has."""


def streams(record: Record) -> Iterator[list[StoredEvent]]:
    """Yield the events of each conversation, in order."""
    rows = record.log(
        "select * from events where conversation_id is not null order by conversation_id, sequence"
    )
    for _, of in groupby(rows, key=lambda row: str(row["conversation_id"])):
        yield [
            StoredEvent(**{name: row[name] for name in StoredEvent.__struct_fields__}) for row in of
        ]


def outcomes_of(events: list[StoredEvent]) -> dict[tuple[str, str], str]:
    """Follow the API's state event by event: the first end of a wait is its outcome, unless an agent accepts."""
    state, found = projections.create(events[0]), dict[tuple[str, str], str]()
    for event in events:
        waited = None if state.handoff is None else state.handoff.handoff_id
        projections.apply(state, event)
        handoff, cid = state.handoff, state.conversation_id
        if waited is not None and found[cid, waited] in ("waiting", "declined"):
            is_over = handoff is None or handoff.handoff_id != waited
            has_customer = state.has_role("customer")
            end = _end_of_wait(event, is_over, has_customer=has_customer)
            found[cid, waited] = end or found[cid, waited]
        if handoff is not None and handoff.status == "accepted":
            found[cid, handoff.handoff_id] = "accepted"
        elif handoff is not None:
            found.setdefault((cid, handoff.handoff_id), "waiting")
    return found


def _end_of_wait(event: StoredEvent, is_over: bool, *, has_customer: bool) -> str | None:
    """Return what an event makes of a wait, None for no change."""
    if "was_stale" in (event.payload or ""):
        return None
    is_customer = event.participant_role == "customer"
    match event.event_type:
        case "participant.left" if is_customer and not has_customer:
            return "abandoned"
        case "conversation.resolved":
            return "cancelled"
        case "handoff.declined" if not is_over:
            return "declined"
        case "handoff.requested" if is_over:
            return "superseded"
        case "handoff.expired" if is_over:
            return "expired"
        case "handoff.closed" if is_over and is_customer:
            return "abandoned"
    return "cancelled" if is_over else None


def control_differences(record: Record) -> Iterator[str]:
    """Compare who has control with the span of control that lasts."""
    lasting = {
        row["conversation_id"]: (row["owner"], row["agent_id"])
        for row in record.query("select * from control_spans where ended_sequence is null")
    }
    for state in states(record):
        expected = None if state.state == "closed" else _control(state)
        found = lasting.get(state.conversation_id)
        if found != expected:
            yield f"{state.conversation_id}: {found} has control, not {expected}"


def _control(state: Conversation) -> tuple[str, str | None]:
    control = state.control
    if control.participant_id is not None:
        return "agent", control.participant_id
    is_waiting = state.handoff is not None and state.handoff.status != "accepted"
    if is_waiting or (control.owner == HUMAN and control.epoch > 1):
        return "queue", None
    # With epoch 1, an agent came before any bot and any handoff.
    return ("agent" if control.owner == HUMAN else control.owner), None
