"""The list of open handoffs: those that wait for an agent, and those of one agent."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.events.timers import LifecyclePolicy
from ingest.log.rebuild import rebuild_projections
from ingest.log.storage.engine import open_engine
from ingest.log.storage.store import Store
from ingest.settings import Settings
from tests.factories import Clock, Record, make_conversation, make_event
from tests.test_access import key_for


def open_with_handoff(api: TestClient, name: str, **over: Any) -> str:
    people = [
        {"participant_id": "ada", "participant_role": "customer"},
        {"participant_id": "helper", "participant_role": "bot"},
    ]
    body = {"conversation_id": name, "channel": "web", "participants": people} | over
    assert api.post("/v1/conversations", json=body).status_code == 201
    return send(api, f"{name}/handoffs", participant_id="helper", reason="too_hard")


def send(api: TestClient, path: str, **body: Any) -> str:
    answer = api.post(f"/v1/conversations/{path}", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["event_id"])


def listed(api: TestClient, **params: Any) -> list[str]:
    answer = api.get("/v1/handoffs", params=params)
    assert answer.status_code == 200, answer.text
    return [each["conversation_id"] for each in answer.json()["items"]]


def test_waiting_handoffs_are_listed_with_the_oldest_request_first(
    api: TestClient, clock: Clock
) -> None:
    for name in ("c3", "c1", "c2"):
        open_with_handoff(api, name)
        clock.forward(minutes=1)
    assert listed(api) == ["c3", "c1", "c2"]
    first = api.get("/v1/handoffs").json()["items"][0]["handoff"]
    assert (first["status"], first["requested_at"]) == ("requested", "2030-01-01T10:00:00Z")


@pytest.mark.parametrize("step", ["accept", "return", "close", "expire"])
def test_a_handoff_that_does_not_wait_is_not_listed(api: TestClient, step: str) -> None:
    handoff = open_with_handoff(api, "c1")
    who = "mira" if step == "accept" else "helper"
    send(api, f"c1/handoffs/{handoff}/{step}", participant_id=who)
    assert listed(api) == []
    assert listed(api, participant_id="mira") == (["c1"] if step == "accept" else [])
    assert listed(api, participant_id="jonas") == []


def test_a_handoff_that_goes_back_to_the_queue_waits_since_its_request(
    api: TestClient, clock: Clock
) -> None:
    handoff = open_with_handoff(api, "c1")
    clock.forward(minutes=1)
    open_with_handoff(api, "c2")
    send(api, f"c1/handoffs/{handoff}/accept", participant_id="mira")
    assert listed(api) == ["c2"]
    clock.forward(minutes=1)
    send(api, f"c1/handoffs/{handoff}/transfer", participant_id="mira", queue="billing")
    assert listed(api) == ["c1", "c2"]


def test_the_pages_of_the_list_have_every_waiting_handoff_once(api: TestClient) -> None:
    names = [f"c{number}" for number in range(7)]
    for name in names:
        open_with_handoff(api, name)
    found, cursor = [], None
    while True:
        page = api.get("/v1/handoffs", params={"limit": 3} | ({"cursor": cursor} if cursor else {}))
        found += [each["conversation_id"] for each in page.json()["items"]]
        cursor = page.json()["cursor"]
        if cursor is None:
            break
    assert found == names


def test_a_key_of_one_channel_sees_no_handoffs_of_others(
    api: TestClient, settings: Settings
) -> None:
    open_with_handoff(api, "c1")
    open_with_handoff(api, "c2", channel="sms")
    key = key_for(settings, "read", channels=frozenset({"sms"}))
    found = api.get("/v1/handoffs", headers={"authorization": f"Bearer {key}"})
    assert [each["conversation_id"] for each in found.json()["items"]] == ["c2"]


def test_a_rebuild_gives_the_same_list(settings: Settings, clock: Clock) -> None:
    record = Record(settings, clock)
    record.write(
        [
            *make_conversation("c1"),
            make_event("handoff.requested", handoff_id="h1", payload={"reason": "too_hard"}),
            *make_conversation("c2"),
        ]
    )
    query = "select conversation_id, waiting_since from conversations order by conversation_id"
    before = record.log(query)
    assert [row["waiting_since"] is None for row in before] == [False, True]
    engine = open_engine(settings.database_url)
    store = Store(engine)
    rebuild_projections(engine, store, LifecyclePolicy.from_settings(settings))
    engine.dispose()
    assert record.log(query) == before
