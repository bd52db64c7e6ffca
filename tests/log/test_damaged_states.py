"""A state that cannot be read: it is projected again, or only its own conversation is unavailable."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from convolake.verify import verify
from ingest.log.storage.state_reader import UnreadableState, unreadable_states
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.conversation_calls import read, run_due_timers, send
from tests.factories import Clock, Record, damage, make_conversation, make_event

DAMAGE = {
    "a value of a wrong type": "update {table} set projection = x'9301c0c3'",
    "a cut-off state": "update {table} set projection = substr(projection, 1, 9)",
    "an empty state": "update {table} set projection = x''",
}
"""SQLite only: PostgreSQL writes bytes in another way, and decodes the same states."""

pytestmark = pytest.mark.sqlite


@pytest.fixture(autouse=True)
def _forget_damaged_states() -> Iterator[None]:
    yield
    unreadable_states.repaired.clear()
    unreadable_states.lost.clear()


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_state_is_read_from_its_events(
    opened: TestClient, settings: Settings, statement: str
) -> None:
    send(opened, "POST", "/c1/messages", participant_id="ada", text="x", message_id="m1")
    send(opened, "PATCH", "/c1/messages/m1", text="y", participant_id="ada")
    send(opened, "POST", "//contacts", contact_id="eve", attributes={"plan": "pro"})
    paths = ["/c1", "", "/c1/messages", "/c1/messages/m1", "/c1/participants", "//contacts/eve"]
    before = [read(opened, path) for path in paths]
    for table in ("conversations", "messages", "contacts"):
        damage(settings, statement.format(table=table))
    assert [read(opened, path) for path in paths] == before
    assert unreadable_states.repaired == {
        UnreadableState("conversation", "c1"),
        UnreadableState("message", "c1/m1"),
        UnreadableState("contact", "eve"),
    }
    assert opened.get("/readyz").json() == {
        "status": "ok",
        "detail": "damaged states: 3 repaired, 0 not; run `convolake verify`",
    }
    assert 'convolake_damaged_states{outcome="repaired"} 3.0' in opened.get("/metrics").text


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
def test_the_writer_repairs_damaged_states(record: Record, statement: str) -> None:
    record.write([*make_conversation(), make_event(event_id="first", message_id="m1")])
    reaction = {"event_type": "message.reacted", "message_id": "m1"}
    record.write(
        [make_event(**reaction, event_id="r1", participant_id="ada", payload={"reaction": "+"})]
    )
    for table in ("conversations", "messages"):
        damage(record.settings, statement.format(table=table))
    assert "every state can be read" in failed_checks(record)
    answers = record.write([
        make_event(event_id="second"),
        make_event(**reaction, event_id="r2", participant_id="helper", payload={"reaction": "-"}),
    ])  # fmt: skip
    assert [each.status for each in answers] == ["accepted", "accepted"]
    assert "every state can be read" not in failed_checks(record)


def test_timers_of_a_repaired_state_still_fire(record: Record, clock: Clock) -> None:
    record.write(make_conversation())
    damage(record.settings, DAMAGE["an empty state"].format(table="conversations"))
    clock.forward(days=2)
    record.run_due()
    assert event_types(record, "session.ended") == ["c1"]


def test_a_lost_state_stops_only_its_own_conversation(record: Record, clock: Clock) -> None:
    record.write([*make_conversation(), *make_conversation(conversation_id="good")])
    lose(record, "c1")
    answers = record.write([
        make_event(event_id="lost"),
        make_event(event_id="kept", conversation_id="good"),
    ])  # fmt: skip
    assert [each.status for each in answers] == ["rejected", "accepted"]
    assert answers[0].error is not None
    assert answers[0].error.code == "unreadable_state"
    assert unreadable_states.lost == {UnreadableState("conversation", "c1")}
    clock.forward(days=2)
    record.run_due()
    assert event_types(record, "session.ended") == ["good"]
    assert "every state can be read" in failed_checks(record)
    record.run_due()  # it is not due again before an hour is over
    checks = record.log("select next_check_at from conversations where conversation_id = 'c1'")
    assert checks == [{"next_check_at": clock() + 3_600 * 1_000_000}]


def test_a_damaged_message_does_not_affect_messages_of_the_same_id_elsewhere(
    record: Record,
) -> None:
    message = {"event_type": "message.reacted", "message_id": "m1", "participant_id": "ada"}
    for name in ("c1", "good"):
        record.write(make_conversation(conversation_id=name))
        record.write([
            make_event(event_id=f"{name}-m", conversation_id=name, message_id="m1"),
            make_event(**message, event_id=f"{name}-r", payload={}) | {"conversation_id": name},
        ])  # fmt: skip
    damage(record.settings, "update messages set projection = x'' where conversation_id = 'c1'")
    again = make_event(**message, event_id="again", payload={}) | {"conversation_id": "good"}
    assert [each.status for each in record.write([again])] == ["accepted"]
    assert not unreadable_states.repaired


def test_a_lost_message_or_contact_rejects_only_its_own_events_of_a_batch(record: Record) -> None:
    record.write(make_conversation())
    record.write(
        [
            make_event(event_id="m", message_id="m1"),
            make_event(
                "message.reacted", participant_id="ada", message_id="m1", payload={"reaction": "x"}
            ),
            {"event_type": "contact.created", "contact_id": "eve", "payload": {"attributes": {}}},
        ]
    )
    for table in ("messages", "contacts"):
        damage(record.settings, f"update {table} set projection = x''")
    damage(
        record.settings,
        "update events set payload = '{' where event_type in ('message.reacted', 'contact.created')",
    )
    answers = record.write(
        [
            make_event("message.edited", event_id="e2", message_id="m1", text="y", payload={}),
            {"event_type": "contact.updated", "contact_id": "eve", "payload": {"attributes": {}}},
            make_event(event_id="kept"),
        ]
    )
    assert [each.status for each in answers] == ["rejected", "rejected", "accepted"]
    assert [each.error.code for each in answers if each.error] == ["unreadable_state"] * 2


def test_a_lost_state_is_left_out_of_the_list_and_answers_503(
    opened: TestClient, settings: Settings
) -> None:
    for number in range(4):
        send(opened, "POST", "", conversation_id=f"d{number}", channel="web")
    damage(settings, "delete from events where conversation_id = 'd2'")
    damage(settings, "update conversations set projection = x'' where conversation_id = 'd2'")
    answer = opened.get("/v1/conversations/d2")
    assert (answer.status_code, answer.json()["code"]) == (503, "unreadable_state")
    seen: list[str] = []
    page: dict[str, Any] = {"cursor": None, "has_more": True}
    while page["has_more"]:
        given = {"cursor": page["cursor"]} if page["cursor"] else {}
        page = read(opened, "", limit=2, **given)
        seen += [each["conversation_id"] for each in page["items"]]
    assert seen == ["d3", "d1", "d0", "c1"]
    send(opened, "POST", "/d1/participants", participant_id="bo", participant_role="customer")
    run_due_timers(opened)
    assert "1 not" in opened.get("/readyz").json()["detail"]


def lose(record: Record, conversation_id: str) -> None:
    """Damage a state and delete the events that it could be projected from."""
    damage(record.settings, f"delete from events where conversation_id = '{conversation_id}'")
    damage(
        record.settings,
        f"update conversations set projection = x'' where conversation_id = '{conversation_id}'",
    )


def failed_checks(record: Record) -> list[str]:
    verdict = run_in_adbc_process(verify, record.settings)
    return [check.name for check in verdict.checks if not check.ok]


def event_types(record: Record, event_type: str) -> list[str]:
    """Return the conversations of the stored events of this type."""
    rows = record.log(f"select conversation_id from events where event_type = '{event_type}'")
    return [row["conversation_id"] for row in rows]
