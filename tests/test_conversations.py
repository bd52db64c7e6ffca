"""The conversation API as its users see it: resources, order, sessions, handoff, receipts."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import MINUTE, Clock, make_event

Call = Callable[..., Any]
PEOPLE = [
    {"participant_id": "ada", "participant_role": "customer"},
    {"participant_id": "helper", "participant_role": "bot"},
]


@pytest.fixture
def opened(api: TestClient) -> TestClient:
    """An API with a conversation `c1` of a customer and a bot."""
    send(api, "POST", "", conversation_id="c1", channel="web", participants=PEOPLE)
    return api


def send(
    api: TestClient, method: str, path: str, expect: int = 201, headers: Any = None, **body: Any
) -> dict[str, Any]:
    """One command to `/v1/conversations{path}`; paths of other resources begin with `//`."""
    url = f"/v1{path[1:]}" if path.startswith("//") else f"/v1/conversations{path}"
    response = api.request(method, url, json=body, headers=headers)
    assert response.status_code == expect, response.text
    found: dict[str, Any] = response.json()
    return found


def read(api: TestClient, path: str = "/c1", **params: Any) -> Any:
    url = f"/v1{path[1:]}" if path.startswith("//") else f"/v1/conversations{path}"
    response = api.get(url, params=params)
    assert response.status_code == 200, response.text
    return response.json()


def rejected(api: TestClient, method: str, path: str, status: int, **body: Any) -> str:
    return str(send(api, method, path, status, **body)["code"])


def types(api: TestClient, conversation_id: str = "c1") -> list[str]:
    events = read(api, f"/{conversation_id}/events", limit=100)["items"]
    assert [each["sequence"] for each in events] == list(range(1, len(events) + 1))
    return [each["event_type"] for each in events]


def post_message(
    api: TestClient, who: str = "ada", text: str = "hello", **rest: Any
) -> dict[str, Any]:
    return send(api, "POST", "/c1/messages", participant_id=who, text=text, **rest)


def stats_of(api: TestClient) -> dict[str, int]:
    sources = api.get("/v1/ingest-stats").json()["sources"]
    return next(each for each in sources if each["source"] == "local")


def run_due_timers(api: TestClient) -> None:
    """Run the timers that are due now instead of within a second."""
    app: Any = api.app
    portal = api.portal
    assert portal is not None
    portal.call(_run_due_timers, app._app)


async def _run_due_timers(app: Any) -> None:
    await app.state.context.writer.run_timers()


# --- resources ------------------------------------------------------------------------------


def test_a_conversation_keeps_its_attributes_and_is_found_by_its_key(api: TestClient) -> None:
    given: dict[str, Any] = {
        "conversation_key": "order-7",
        "subject": "Order 7",
        "attributes": {"order": 7},
        "labels": ["delivery"],
        "priority": "high",
        "inactive_after": "PT1H",
        "closed_after": "P3D",
    }
    send(api, "POST", "", conversation_id="c1", channel="web", **given)
    found = read(api)
    assert {name: found[name] for name in given} == given
    listed = read(api, "", conversation_key="order-7")["items"]
    assert [each["conversation_id"] for each in listed] == ["c1"]
    code = rejected(api, "POST", "", 409, channel="web", conversation_key="order-7")
    assert code == "conversation_exists"


def test_an_update_is_merged_and_records_the_previous_values(opened: TestClient) -> None:
    send(opened, "PATCH", "/c1", attributes={"order": 7, "vip": True})
    send(opened, "PATCH", "/c1", attributes={"vip": None}, subject="Order 7")
    found = read(opened)
    assert (found["attributes"], found["subject"]) == ({"order": 7}, "Order 7")
    last = read(opened, "/c1/events", order="desc")["items"][0]
    assert last["payload"]["before"] == {
        "subject": None,
        "attributes": {"order": 7, "vip": True},
    }


def test_the_second_of_two_concurrent_updates_gets_412(opened: TestClient) -> None:
    etag = opened.get("/v1/conversations/c1").headers["etag"]
    send(opened, "PATCH", "/c1", headers={"if-match": etag}, subject="first")
    lost = send(opened, "PATCH", "/c1", 412, headers={"if-match": etag}, subject="second")
    assert lost["code"] == "version_mismatch"
    assert read(opened)["subject"] == "first"
    post_message(opened)  # a message does not change the ETag
    etag = opened.get("/v1/conversations/c1").headers["etag"]
    send(opened, "PATCH", "/c1", headers={"if-match": etag}, subject="third")
    bad = send(opened, "PATCH", "/c1", 422, headers={"if-match": "x"}, subject="fourth")
    assert bad["field"] == "If-Match"
    send(opened, "PATCH", "/c1", 422, headers={"if-match": ""}, subject="fifth")


def test_a_participant_update_changes_the_etag_of_the_conversation(opened: TestClient) -> None:
    etag = {"if-match": opened.get("/v1/conversations/c1").headers["etag"]}
    send(opened, "PATCH", "/c1/participants/ada", headers=etag, attributes={"name": "Ada"})
    send(opened, "PATCH", "/c1/participants/ada", 412, headers=etag, attributes={"name": "Eve"})
    send(opened, "PATCH", "/c1", 412, headers=etag, subject="Order 7")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"priority": "someday"}, "$.priority"),
        ({"inactive_after": "PT30S"}, "$.payload.inactive_after"),
        ({"closed_after": "1 day"}, "$.payload.closed_after"),
        ({"labels": [""]}, "$.labels[0]"),
        ({"unknown": 1}, "$.unknown"),
    ],
)
def test_an_invalid_update_is_rejected_with_its_place(
    opened: TestClient, body: dict[str, Any], field: str
) -> None:
    assert send(opened, "PATCH", "/c1", 422, **body)["field"] == field


def test_participants_join_change_and_leave(opened: TestClient) -> None:
    send(opened, "POST", "/c1/participants", participant_id="mira", participant_role="agent")
    send(opened, "PATCH", "/c1/participants/mira", attributes={"name": "Mira"})
    people = {each["participant_id"]: each for each in read(opened, "/c1/participants")["items"]}
    assert people["mira"]["attributes"] == {"name": "Mira"}
    send(opened, "DELETE", "/c1/participants/mira")
    assert "mira" not in {p["participant_id"] for p in read(opened)["participants"]}
    assert rejected(opened, "DELETE", "/c1/participants/mira", 404) == "unknown_participant"
    send(opened, "DELETE", "/c1/participants/ada")
    assert types(opened)[-2:] == ["participant.left", "session.ended"]


def test_contacts_are_created_updated_and_linked(api: TestClient) -> None:
    send(api, "POST", "//contacts", contact_id="ada", attributes={"name": "Ada"})
    assert rejected(api, "POST", "//contacts", 409, contact_id="ada") == "contact_exists"
    send(api, "PATCH", "//contacts/ada", attributes={"language": "en"})
    send(api, "POST", "//contacts/ada/addresses", channel="email", address="ada@example.org")
    found = read(api, "//contacts/ada")
    assert found["attributes"] == {"name": "Ada", "language": "en"}
    assert found["addresses"] == [
        {"kind": "email", "address": "ada@example.org", "scope": "", "channel": "email"}
    ]
    assert rejected(api, "PATCH", "//contacts/bob", 404, attributes={}) == "unknown_contact"
    etag = {"if-match": '"1"'}
    assert send(api, "PATCH", "//contacts/ada", 412, headers=etag, attributes={})


def test_one_of_ten_concurrent_contact_updates_wins(api: TestClient) -> None:
    send(api, "POST", "//contacts", contact_id="ada")
    etag = {"if-match": api.get("/v1/contacts/ada").headers["etag"]}

    def edit(number: int) -> int:
        body = {"attributes": {"number": number}}
        return api.patch("/v1/contacts/ada", json=body, headers=etag).status_code

    with ThreadPoolExecutor(10) as pool:
        assert Counter(pool.map(edit, range(10))) == {201: 1, 412: 9}


def test_messages_have_attachments_and_choices(opened: TestClient) -> None:
    picture = {"url": "https://x.example/a.png", "content_type": "image/png", "size": 7}
    post_message(opened, attachments=[picture], quick_replies=[{"title": "Yes"}])
    found = read(opened, "/c1/messages")["items"][0]["payload"]
    assert found == {"attachments": [picture], "quick_replies": [{"title": "Yes"}]}
    bad = [{"url": "javascript:alert(1)", "content_type": "x"}]
    assert rejected(opened, "POST", "/c1/messages", 422, participant_id="ada", attachments=bad)


def test_a_message_has_its_last_edit_and_a_deleted_one_keeps_its_place(
    opened: TestClient,
) -> None:
    first, second = (
        post_message(opened, text="one")["message_id"],
        post_message(opened, text="two")["message_id"],
    )
    send(opened, "PATCH", f"/c1/messages/{first}", text="ONE")
    send(opened, "POST", f"/c1/messages/{first}/reactions", participant_id="helper", reaction="👍")
    send(opened, "DELETE", f"/c1/messages/{second}", reason="wrong chat")
    one, two = read(opened, "/c1/messages")["items"]
    assert (one["text"], one["is_edited"]) == ("ONE", True)
    assert one["reactions"] == [{"participant_id": "helper", "reaction": "👍"}]
    assert (two["text"], two["is_deleted"]) == (None, True)
    removal: dict[str, Any] = {"participant_id": "helper", "reaction": None}
    send(opened, "POST", f"/c1/messages/{first}/reactions", **removal)
    assert read(opened, f"/c1/messages/{first}")["reactions"] == []
    stale = send(
        opened, "PATCH", f"/c1/messages/{first}", 412, headers={"if-match": '"0"'}, text="x"
    )
    assert stale["code"] == "version_mismatch"
    unknown = send(opened, "PATCH", "/c1/messages/none", 404, headers={"if-match": '"0"'}, text="x")
    assert unknown["code"] == "unknown_message"


def test_pages_are_read_in_both_orders_and_between_two_sequences(opened: TestClient) -> None:
    for number in range(7):
        post_message(opened, text=str(number))
    seen: list[str] = []
    cursor = None
    while True:
        page = read(
            opened, "/c1/messages", order="desc", limit=3, **({"cursor": cursor} if cursor else {})
        )
        seen += [each["text"] for each in page["items"]]
        if (cursor := page["cursor"]) is None:
            break
    assert seen == list("6543210")
    between = read(opened, "/c1/events", after_sequence=2, before_sequence=5)["items"]
    assert [each["sequence"] for each in between] == [3, 4]


def test_internal_events_are_hidden_from_customers_but_keep_their_sequence(
    opened: TestClient,
) -> None:
    post_message(opened)
    post_message(opened, "helper", "a note", visibility="internal", control_epoch=1)
    everything = read(opened, "/c1/events")["items"]
    seen = read(opened, "/c1/events", view="customer")["items"]
    assert [each["sequence"] for each in seen] == [each["sequence"] for each in everything]
    hidden = [each for each in seen if each.get("withheld")]
    assert all(set(each) == {"sequence", "withheld"} for each in hidden)
    assert len(hidden) == sum(each["visibility"] == "internal" for each in everything) == 2
    shown, note = read(opened, "/c1/messages", view="customer")["items"]
    assert shown["text"] == "hello"
    assert set(note) == {"sequence", "withheld"}


# --- idempotency ----------------------------------------------------------------------------


def test_the_same_key_and_body_get_the_first_answer_again_byte_for_byte(
    opened: TestClient,
) -> None:
    body = {"participant_id": "ada", "text": "once"}
    url, headers = "/v1/conversations/c1/messages", {"idempotency-key": "k 1"}
    first = opened.post(url, json=body, headers=headers)
    again = opened.post(url, json=body, headers=headers)
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = opened.post(url, json=body | {"text": "twice"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "event_conflict")
    assert [each["text"] for each in read(opened, "/c1/messages")["items"]] == ["once"]


def test_a_create_with_the_same_idempotency_key_returns_the_same_conversation(
    api: TestClient,
) -> None:
    headers = {"idempotency-key": "open"}
    answers = {
        api.post("/v1/conversations", json={"channel": "web"}, headers=headers).content
        for _ in range(3)
    }
    assert len(answers) == 1
    assert len(read(api, "")["items"]) == 1


def test_a_hundred_concurrent_repeats_give_one_event_and_one_answer(opened: TestClient) -> None:
    body, headers = {"participant_id": "ada", "text": "once"}, {"idempotency-key": "storm"}
    url = "/v1/conversations/c1/messages"
    with ThreadPoolExecutor(20) as pool:
        sent = [pool.submit(opened.post, url, json=body, headers=headers) for _ in range(100)]
        answers = {each.result().content for each in sent}
    assert len(answers) == 1
    assert Counter(types(opened))["message.created"] == 1


def test_a_single_event_with_an_idempotency_key_is_replayed_like_any_write(
    opened: TestClient,
) -> None:
    event = {"event_type": "custom.seen", "conversation_id": "c1"}
    headers = {"idempotency-key": "k"}
    first, again = (opened.post("/v1/events", json=event, headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotent-replayed"] == "true"


def test_an_idempotency_key_and_an_event_id_exclude_each_other(opened: TestClient) -> None:
    body = {"participant_id": "ada", "text": "x", "event_id": "e1"}
    headers = {"idempotency-key": "k"}
    for url in ("/v1/conversations/c1/messages", "/v1/conversations/c1/participants/ada"):
        method = "POST" if url.endswith("messages") else "PATCH"
        given = body if method == "POST" else {"event_id": "e1"}
        answer = opened.request(method, url, json=given, headers=headers)
        assert (answer.status_code, answer.json()["field"]) == (422, "$.event_id")


# --- order ----------------------------------------------------------------------------------


def test_an_event_received_before_its_message_is_parked_and_released(opened: TestClient) -> None:
    early = [
        {"event_type": kind, "event_id": f"e-{kind}", "conversation_id": "c1", "message_id": "m1",
         "participant_id": "helper", "text": "edited"}
        for kind in ("message.delivered", "message.edited")
    ]  # fmt: skip
    first = opened.post("/v1/events", json=early).json()
    assert [each["status"] for each in first["results"]] == ["parked", "parked"]
    assert opened.post("/v1/events", json=early).json()["duplicate"] == 2
    assert "message.edited" not in types(opened)
    stats = stats_of(opened)
    assert (stats["parked"], stats["received"]) == (2, 5)
    post_message(opened, message_id="m1")
    assert types(opened)[-3:] == ["message.created", "message.delivered", "message.edited"]
    found = read(opened, "/c1/messages/m1")
    assert (found["text"], found["receipts"][0]["status"]) == ("edited", "delivered")
    again = opened.post("/v1/events", json=early).json()["results"]
    assert [each["sequence"] for each in again] == [4, 5]
    stats = stats_of(opened)
    assert (stats["parked"], stats["accepted"], stats["duplicate"]) == (0, 4, 4)


def test_an_expired_parked_event_is_rejected_with_its_reason(
    opened: TestClient, clock: Clock
) -> None:
    early = {"event_type": "message.read", "conversation_id": "c1", "message_id": "never"}
    assert opened.post("/v1/events", json=early).status_code == 202
    clock.forward(hours=25)
    run_due_timers(opened)
    (found,) = opened.get("/v1/rejected").json()["items"]
    assert (found["code"], found["detail"]) == (
        "unknown_message",
        "its message did not arrive in time",
    )
    stats = stats_of(opened)
    assert (stats["parked"], stats["rejected"]) == (0, 1)


# --- sessions -------------------------------------------------------------------------------


def test_a_session_ends_automatically_at_the_time_it_was_due(
    opened: TestClient, clock: Clock
) -> None:
    post_message(opened)
    last = clock()
    clock.forward(days=2)  # no process was running
    run_due_timers(opened)
    run_due_timers(opened)
    assert types(opened)[-2:] == ["message.created", "session.ended"]
    ended = read(opened, "/c1/events", order="desc")["items"][0]
    assert ended["payload"] == {"reason": "timeout"}
    assert micros(ended["happened_at"]) == last + 30 * MINUTE
    assert read(opened)["session_id"] is None


def micros(text: str) -> int:
    from datetime import datetime

    from ingest.contract import to_micros

    return to_micros(datetime.fromisoformat(text))


def test_an_imported_session_ends_at_its_next_event_or_after_the_import(
    opened: TestClient, clock: Clock
) -> None:
    def imported(event_id: str, happened_at: str) -> None:
        event = make_event(event_id=event_id, happened_at=happened_at, participant_role="customer")
        created = {"conversation_id": "old", "channel": "web", "happened_at": happened_at}
        events = [{"event_type": "conversation.created", "event_id": "old"} | created]
        body = [*(events if event_id == "e1" else []), event | {"conversation_id": "old"}]
        assert opened.post("/v1/events", json=body).status_code == 200

    imported("e1", "2029-03-01T10:00:00Z")
    clock.forward(minutes=14)
    run_due_timers(opened)
    imported("e2", "2029-03-01T10:29:00Z")  # the same session, from the next file
    assert types(opened, "old").count("session.started") == 1
    clock.forward(minutes=14)
    run_due_timers(opened)
    assert "session.ended" not in types(opened, "old")
    clock.forward(minutes=1)
    run_due_timers(opened)
    ended = read(opened, "/old/events", order="desc")["items"][0]
    assert (ended["event_type"], ended["happened_at"]) == ("session.ended", "2029-03-01T10:59:00Z")


def test_a_receipt_neither_extends_nor_starts_a_session(opened: TestClient, clock: Clock) -> None:
    message = post_message(opened)["message_id"]
    for _ in range(4):
        clock.forward(minutes=20)
        send(opened, "POST", f"/c1/messages/{message}/receipts", status="read")
    assert Counter(types(opened))["session.ended"] == 1
    assert Counter(types(opened))["session.started"] == 1


def test_after_an_explicit_session_end_the_next_message_starts_a_session(
    opened: TestClient,
) -> None:
    first = post_message(opened)["session_id"]
    send(opened, "POST", "/c1/session/end")
    assert rejected(opened, "POST", "/c1/session/end", 422) == "event_rejected"
    second = post_message(opened)["session_id"]
    assert first != second
    started = [
        e for e in read(opened, "/c1/events")["items"] if e["event_type"] == "session.started"
    ]
    assert [(e["payload"]["number"], e["payload"]["rule_version"]) for e in started] == [
        (1, 2),
        (2, 2),
    ]


# --- state ----------------------------------------------------------------------------------


def test_a_conversation_becomes_inactive_and_is_closed_when_due(
    opened: TestClient, clock: Clock
) -> None:
    send(opened, "PATCH", "/c1", inactive_after="PT1H", closed_after="PT3H")
    post_message(opened)
    clock.forward(hours=1)
    run_due_timers(opened)
    assert read(opened)["state"] == "inactive"
    post_message(opened)
    assert read(opened)["state"] == "active"
    clock.forward(days=1)
    run_due_timers(opened)
    assert read(opened)["state"] == "closed"
    changes = [e["payload"] for e in read(opened, "/c1/events", limit=100)["items"]
               if e["event_type"] == "conversation.state_changed"]  # fmt: skip
    assert changes == [
        {"from": "active", "to": "inactive", "reason": "timer"},
        {"from": "inactive", "to": "active", "reason": "message"},
        {"from": "active", "to": "inactive", "reason": "timer"},
        {"from": "inactive", "to": "closed", "reason": "timer"},
    ]


def test_a_customer_message_after_the_close_opens_a_linked_successor(
    opened: TestClient,
) -> None:
    send(opened, "POST", "/c1/state", to="closed", reason="done")
    assert rejected(opened, "PATCH", "/c1", 409, subject="x") == "conversation_closed"
    code = rejected(
        opened, "POST", "/c1/messages", 409, participant_id="helper", text="x", control_epoch=1
    )
    assert code == "conversation_closed"
    answer = post_message(opened, text="one more thing")
    successor = answer["conversation_id"]
    assert successor != "c1"
    assert post_message(opened, text="and another")["conversation_id"] == successor
    assert types(opened, successor) == [
        "conversation.created", "session.started", "message.created", "message.created",
    ]  # fmt: skip
    found = read(opened, f"/{successor}")
    assert found["predecessor_id"] == "c1"
    assert read(opened)["successor_id"] == successor
    assert [p["participant_id"] for p in found["participants"]] == ["ada", "helper"]


def test_a_customer_message_reopens_a_resolved_conversation_and_records_it(
    opened: TestClient,
) -> None:
    send(opened, "POST", "/c1/resolve", resolved_by="bot", is_confirmed=True)
    assert read(opened)["state"] == "resolved"
    last = read(opened, "/c1/events", order="desc")["items"][0]
    assert last["payload"] == {"resolved_by": "bot", "is_confirmed": True, "from": "active"}
    post_message(opened)
    assert read(opened)["state"] == "active"
    assert types(opened)[-2:] == ["message.created", "conversation.reopened"]


# --- handoff and control --------------------------------------------------------------------


def request_handoff(api: TestClient) -> str:
    asked = send(api, "POST", "/c1/handoffs", participant_id="helper", reason="too_hard")
    return str(asked["event_id"])


def step(api: TestClient, handoff: str, name: str, expect: int = 201, **body: Any) -> Any:
    return send(api, "POST", f"/c1/handoffs/{handoff}/{name}", expect, **body)


def join(api: TestClient, *agents: str) -> None:
    for agent in agents:
        send(api, "POST", "/c1/participants", participant_id=agent, participant_role="agent")


def test_a_bot_with_a_stale_epoch_cannot_post_under_human_control(opened: TestClient) -> None:
    join(opened, "mira")
    assert read(opened)["control"] == {"owner": "bot", "participant_id": None, "epoch": 1}
    handoff = request_handoff(opened)
    post_message(opened, "helper", "one moment", control_epoch=1)
    step(opened, handoff, "accept", participant_id="mira")
    assert read(opened)["control"] == {"owner": "human", "participant_id": "mira", "epoch": 2}
    late = {"participant_id": "helper", "text": "too late", "control_epoch": 1}
    assert rejected(opened, "POST", "/c1/messages", 409, **late) == "stale_epoch"
    assert opened.get("/v1/rejected").json()["items"][0]["code"] == "stale_epoch"
    fact = {"event_type": "message.created", "conversation_id": "c1",
            "participant_id": "helper", "text": "was said anyway"}  # fmt: skip
    opened.post("/v1/events", json=fact)
    assert read(opened, "/c1/messages")["items"][-1]["payload"] == {"was_stale": True}
    step(opened, handoff, "return", participant_id="mira")
    assert rejected(opened, "POST", "/c1/messages", 409, **late) == "stale_epoch"
    post_message(opened, "helper", "here again", control_epoch=3)


def test_a_bot_message_without_an_epoch_is_rejected(opened: TestClient) -> None:
    problem = send(opened, "POST", "/c1/messages", 422, participant_id="helper", text="x")
    assert problem["field"] == "$.control_epoch"


def test_one_of_two_concurrent_accepts_wins(opened: TestClient) -> None:
    join(opened, "mira", "jonas")
    handoff = request_handoff(opened)
    url = f"/v1/conversations/c1/handoffs/{handoff}/accept"
    with ThreadPoolExecutor(2) as pool:
        sent = [
            pool.submit(opened.post, url, json={"participant_id": who}) for who in ("mira", "jonas")
        ]
        statuses = sorted(each.result().status_code for each in sent)
    assert statuses == [201, 409]
    assert Counter(types(opened))["handoff.accepted"] == 1
    assert read(opened)["control"]["epoch"] == 2


def test_a_handoff_is_queued_offered_declined_transferred_and_closed(opened: TestClient) -> None:
    join(opened, "mira", "jonas")
    handoff = request_handoff(opened)
    assert rejected(opened, "POST", "/c1/handoffs", 409, reason="again") == "handoff_state"
    step(opened, handoff, "queue", queue="orders")
    step(opened, handoff, "assign", participant_id="mira")
    assert step(opened, handoff, "accept", 409, participant_id="jonas")["code"] == "handoff_state"
    step(opened, handoff, "decline", participant_id="mira")
    assert read(opened)["handoff"]["status"] == "queued"
    step(opened, handoff, "accept", participant_id="jonas")
    step(opened, handoff, "transfer", participant_id="jonas", to_participant_id="mira")
    assert read(opened)["handoff"]["participant_id"] == "mira"
    step(opened, handoff, "accept", participant_id="mira")
    assert read(opened)["control"]["participant_id"] == "mira"
    step(opened, handoff, "close", participant_id="mira")
    found = read(opened)
    assert (found["handoff"], found["control"]["owner"]) == (None, "bot")
    assert step(opened, handoff, "accept", 409, participant_id="mira")["code"] == "handoff_state"


def test_an_unaccepted_handoff_expires_when_due(opened: TestClient, clock: Clock) -> None:
    requested_at = clock()
    request_handoff(opened)
    clock.forward(days=5)
    run_due_timers(opened)
    expired = next(
        e for e in read(opened, "/c1/events")["items"] if e["event_type"] == "handoff.expired"
    )
    assert micros(expired["happened_at"]) == requested_at + 3 * 24 * 60 * MINUTE
    assert read(opened)["control"]["owner"] == "bot"


def test_a_failed_bot_turn_requests_a_human_if_the_conversation_says_so(
    opened: TestClient,
) -> None:
    failed = {"event_type": "bot.turn_failed", "conversation_id": "c1", "participant_id": "helper"}
    opened.post("/v1/events", json=failed)
    assert read(opened)["handoff"] is None
    send(opened, "PATCH", "/c1", hand_off_on_bot_failure=True)
    opened.post("/v1/events", json=failed)
    assert read(opened)["handoff"]["reason"] == "bot_failed"


def test_only_the_server_sets_a_successor(opened: TestClient) -> None:
    for successor in ("c1", "none"):
        event = {"event_type": "conversation.updated", "conversation_id": "c1",
                 "payload": {"successor_id": successor, "predecessor_id": successor}}  # fmt: skip
        assert opened.post("/v1/events", json=event).status_code == 201
    assert rejected(opened, "PATCH", "/c1", 422, successor_id="c1") == "invalid_request"
    send(opened, "POST", "/c1/state", to="closed")
    continued = post_message(opened)["conversation_id"]
    assert continued not in ("c1", "none")
    assert read(opened)["successor_id"] == continued
    assert read(opened)["predecessor_id"] is None


def test_an_agent_may_accept_a_handoff_without_joining_first(opened: TestClient) -> None:
    handoff = request_handoff(opened)
    step(opened, handoff, "assign", participant_id="tom")
    step(opened, handoff, "decline", participant_id="tom")
    step(opened, handoff, "accept", participant_id="mira")
    people = {each["participant_id"]: each for each in read(opened)["participants"]}
    assert "tom" not in people
    assert people["mira"]["participant_role"] == "agent"
    assert read(opened)["control"]["participant_id"] == "mira"


# --- receipts and the horizon ----------------------------------------------------------------


def test_a_receipt_has_its_highest_rank_in_any_order_of_arrival(
    opened: TestClient,
) -> None:
    message = post_message(opened, "helper", control_epoch=1)["message_id"]
    for status in ("read", "submitted", "delivered", "failed"):
        send(
            opened, "POST", f"/c1/messages/{message}/receipts", participant_id="ada", status=status
        )
    (receipt,) = read(opened, f"/c1/messages/{message}")["receipts"]
    assert (receipt["status"], receipt["participant_id"]) == ("read", "ada")
    assert Counter(types(opened))["message.submitted"] == 1


def test_failed_is_final_for_its_attempt_and_keeps_the_error_code(opened: TestClient) -> None:
    message = post_message(opened, "helper", control_epoch=1)["message_id"]
    path = f"/c1/messages/{message}"
    for body in (
        {"status": "failed", "error_code": "131047"},
        {"status": "delivered"},
        {"status": "submitted", "attempt": 2},
    ):
        send(opened, "POST", f"{path}/receipts", **body)
        found = read(opened, path)["receipts"][0]
        if body["status"] != "submitted":
            assert (found["status"], found["error_code"]) == ("failed", "131047")
    assert (found["status"], found["attempt"]) == ("submitted", 2)


def unread(api: TestClient) -> dict[str, int]:
    return {p["participant_id"]: p["unread_count"] for p in read(api, "/c1/participants")["items"]}


def test_the_read_horizon_never_falls_and_unread_counts_messages_of_others(
    opened: TestClient,
) -> None:
    for number in range(3):
        last = post_message(opened, text=str(number))["sequence"]
    post_message(opened, "helper", "a note", visibility="internal", control_epoch=1)
    assert unread(opened) == {"ada": 0, "helper": 3}
    send(opened, "POST", "/c1/participants/helper/read", sequence=last)
    send(opened, "POST", "/c1/participants/helper/read", sequence=1)
    assert unread(opened)["helper"] == 0
    send(opened, "POST", "/c1/participants/helper/unread", sequence=last)
    assert unread(opened)["helper"] == 1
    person = next(p for p in read(opened)["participants"] if p["participant_id"] == "helper")
    assert person["read_sequence"] == last


def test_an_older_horizon_does_not_undo_a_mark_as_unread(opened: TestClient) -> None:
    for _ in range(3):
        post_message(opened, "helper", control_epoch=1)
    last = read(opened)["last_sequence"]
    send(opened, "POST", "/c1/participants/ada/read", sequence=last)
    send(opened, "POST", "/c1/participants/ada/unread", sequence=last)
    send(opened, "POST", "/c1/participants/ada/read", sequence=1)
    assert unread(opened)["ada"] == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/c1/participants/ada/unread", {"sequence": 2**70}),
        ("/c1/participants/ada/read", {"sequence": 2**70}),
        (
            "/c1/messages",
            {
                "participant_id": "ada",
                "attachments": [
                    {"url": "https://a.example/b", "content_type": "image/png", "size": 2**70}
                ],
            },
        ),
        ("/c1/messages", {"participant_id": "helper", "text": "x", "control_epoch": 2**70}),
    ],
)
def test_a_number_too_large_for_the_store_is_rejected(
    opened: TestClient, path: str, body: dict[str, Any]
) -> None:
    assert opened.post(f"/v1/conversations{path}", json=body).status_code == 422
    assert post_message(opened)["status"] == "accepted"


def test_a_receipt_for_an_impossible_message_is_not_parked(opened: TestClient) -> None:
    path = "/v1/conversations/c1/messages/2%F3%9E%BC%9F/receipts"
    body = {"status": "delivered", "participant_id": "ada"}
    assert opened.post(path, json=body).status_code == 422


def test_a_receipt_by_its_own_route_may_arrive_before_its_message(opened: TestClient) -> None:
    send(opened, "POST", "/c1/messages/m7/receipts", 202, participant_id="ada", status="read")
    post_message(opened, "helper", message_id="m7", control_epoch=1)
    assert read(opened, "/c1/messages/m7")["receipts"][0]["status"] == "read"


def test_an_edit_without_a_text_is_rejected(opened: TestClient) -> None:
    post_message(opened, message_id="m1")
    edit = {"event_type": "message.edited", "conversation_id": "c1", "message_id": "m1"}
    assert opened.post("/v1/events", json=edit).status_code == 422
    assert read(opened, "/c1/messages/m1")["text"] == "hello"


# --- typing ---------------------------------------------------------------------------------


def test_typing_lists_every_participant_expires_and_is_not_stored(
    opened: TestClient, clock: Clock
) -> None:
    before = types(opened)
    for who, seconds in (("ada", 5), ("helper", 30)):
        opened.put(f"/v1/conversations/c1/typing/{who}", json={"seconds": seconds})
    typing = read(opened, "/c1/typing")["items"]
    assert [each["participant_id"] for each in typing] == ["ada", "helper"]
    clock.forward(seconds=6)
    assert [e["participant_id"] for e in read(opened, "/c1/typing")["items"]] == ["helper"]
    opened.delete("/v1/conversations/c1/typing/helper")
    assert read(opened, "/c1/typing")["items"] == []
    assert opened.put("/v1/conversations/c1/typing/ada", json={"seconds": 31}).status_code == 422
    assert opened.put("/v1/conversations/c1/typing/bob", json={}).status_code == 404
    assert types(opened) == before


# --- projections -----------------------------------------------------------------------------


def test_rebuilt_projections_are_the_same(opened: TestClient, settings: Settings) -> None:
    from ingest.events.timers import LifecyclePolicy
    from ingest.log.rebuild import rebuild_projections
    from ingest.log.storage.store import Store

    join(opened, "mira")
    handoff = request_handoff(opened)
    step(opened, handoff, "accept", participant_id="mira")
    message = post_message(opened)["message_id"]
    send(opened, "POST", f"/c1/messages/{message}/receipts", participant_id="mira", status="read")
    send(opened, "POST", "//contacts", contact_id="ada", attributes={"name": "Ada"})
    before = read(opened), read(opened, "/c1/messages"), read(opened, "//contacts/ada")
    engine = open_engine(settings.database_url)
    store = Store(engine)
    rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    store.close()
    engine.dispose()
    assert (read(opened), read(opened, "/c1/messages"), read(opened, "//contacts/ada")) == before


def test_the_list_finds_a_conversation_by_the_contact_of_its_customer(opened: TestClient) -> None:
    people = [
        {"participant_id": "mira", "participant_role": "agent", "contact_id": "staff"},
        {"participant_id": "eve", "participant_role": "customer", "contact_id": "eve-1"},
    ]
    send(opened, "POST", "", conversation_id="c2", channel="web", participants=people)
    assert read(opened, "/c2")["contact_id"] == "eve-1"
    joined: dict[str, Any] = {"participant_id": "ada", "participant_role": "customer"}
    send(opened, "POST", "/c1/participants", contact_id="ada-1", **joined)
    send(opened, "POST", "/c1/messages", participant_id="ada", text="hello")

    def found(contact_id: str) -> list[str]:
        return [
            each["conversation_id"] for each in read(opened, "", contact_id=contact_id)["items"]
        ]

    assert (found("eve-1"), found("ada-1"), found("staff")) == (["c2"], ["c1"], [])
