"""No event is dropped silently: every received event is counted, every rejected one kept for a replay."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from convolake.verify import verify
from ingest.api.app import create_app
from ingest.auth.api_keys import create_key
from ingest.log.storage.engine import migrate, open_engine
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record, damage, make_conversation, make_event


def counts(api: TestClient, source: str = "local") -> dict[str, int]:
    found = api.get("/v1/ingest-stats").json()["sources"]
    return next(
        (
            {k: v for k, v in row.items() if k != "source"}
            for row in found
            if row["source"] == source
        ),
        {},
    )


def rejected(api: TestClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = api.get("/v1/rejected").json()["items"]
    return items


def test_received_equals_the_sum_of_all_results(api: TestClient) -> None:
    api.post("/v1/events", json=[*make_conversation(messages=2), *make_conversation(messages=2)])
    api.post("/v1/events", json=[make_event(event_id="c1-m0", text="other"), {"event_type": 7}])
    api.post("/v1/conversations/c1/messages", json={"participant_id": "ada", "text": "x"})
    api.post("/v1/conversations/nowhere/messages", json={"participant_id": "ada", "text": "x"})
    api.post("/v1/events", content=b"[{]", headers={"content-type": "application/json"})
    assert counts(api) == {
        "received": 11, "accepted": 4, "duplicate": 3, "conflict": 1, "rejected": 3, "generated": 0, "parked": 0,
    }  # fmt: skip
    assert counts(api, "convolake")["generated"] == 1
    stored = api.get("/v1/ingest-stats").json()["stored"]
    assert stored == 4 + 1
    metrics = api.get("/metrics").text
    assert "convolake_events_received_total 11.0" in metrics


BAD: list[tuple[str, bytes, str]] = [
    ("/v1/events", b'{"event_type": "message.created"', "malformed_body"),
    ("/v1/events", b'{"event_type": "session.started", "conversation_id": "c1"}', "forbidden_type"),
    ("/v1/events", b"\xff\xfe", "malformed_body"),
    ("/v1/events", b'[{"event_type": "message.sent"}]', "event_rejected"),
    ("/v1/conversations", b"{}", "invalid_request"),
    (
        "/v1/conversations/c9/messages",
        b'{"participant_id": "ada", "text": "x"}',
        "unknown_conversation",
    ),
    ("/v1/conversations/c9/messages", b"", "malformed_body"),
]


@pytest.mark.parametrize(("path", "body", "code"), BAD)
def test_a_rejected_event_is_kept_with_its_bytes_and_the_reason(
    api: TestClient, settings: Settings, path: str, body: bytes, code: str
) -> None:
    api.post(path, content=body)
    (event,) = rejected(api)
    assert (event["path"], event["code"], event["source"]) == (path, code, "local")
    raw = body[1:-1] if body.startswith(b"[") else body
    assert event["size"] == len(raw)
    assert event["raw"] == raw.decode("utf-8", "replace")
    (kept,) = Record(settings, Clock()).log("select raw from rejected_events")
    assert kept["raw"] == raw


def test_an_oversized_body_is_counted_but_not_kept(api: TestClient) -> None:
    api.post("/v1/conversations/c1/messages", content=b"x" * 300_000)
    (event,) = rejected(api)
    assert (event["code"], event["raw"]) == ("too_large", "")
    assert counts(api)["rejected"] == 1


def test_a_replay_stores_an_event_that_became_valid(api: TestClient) -> None:
    api.post("/v1/events", json=[make_event(event_id="e1")])  # its conversation is not there yet
    (event,) = rejected(api)
    api.post("/v1/events", json=[make_event("conversation.created")])
    path = f"/v1/rejected/{event['rejected_id']}/replay"
    first = api.post(path)
    assert (first.status_code, first.json()["event_id"]) == (201, "e1")
    (event,) = rejected(api)
    assert event["replayed_event_id"] == "e1"
    assert event["replayed_at"] is not None
    assert api.post(path).json()["status"] == "duplicate"
    found = counts(api)
    assert (
        found["received"]
        == found["accepted"] + found["duplicate"] + found["conflict"] + found["rejected"]
    )


def test_a_rejected_message_and_conversation_are_replayed_by_their_own_route(
    api: TestClient,
) -> None:
    api.post("/v1/conversations/c1/messages", json={"participant_id": "ada", "text": "x"})
    (message,) = rejected(api)
    people = [{"participant_id": "ada", "participant_role": "customer"}]
    api.post(
        "/v1/conversations",
        json={"channel": "web", "conversation_id": "c1", "participants": people},
    )
    answer = api.post(f"/v1/rejected/{message['rejected_id']}/replay")
    assert (answer.status_code, answer.json()["conversation_id"]) == (201, "c1")


def test_an_event_rejected_again_stays_with_the_new_reason(api: TestClient) -> None:
    api.post("/v1/events", json=[{"event_type": "message.sent"}])
    (event,) = rejected(api)
    answer = api.post(f"/v1/rejected/{event['rejected_id']}/replay")
    assert (answer.status_code, answer.json()["code"]) == (422, "event_rejected")
    assert [each["replayed_at"] for each in rejected(api)] == [None, None]
    for unknown in (99, 2**63 - 1):
        assert api.post(f"/v1/rejected/{unknown}/replay").status_code == 404


def test_a_source_sees_only_its_own_ingest_stats(
    api: TestClient, settings: Settings, clock: Clock
) -> None:
    api.post("/v1/events", json=[{"event_type": "message.sent"}])
    key = create_key(open_engine(settings.database_url), "mybot", clock())
    theirs = {"authorization": f"Bearer {key}"}
    assert api.get("/v1/rejected", headers=theirs).json()["items"] == []
    assert api.post("/v1/rejected/1/replay", headers=theirs).status_code == 404
    api.post("/v1/events", json=[{"event_type": "message.sent"}], headers=theirs)
    assert [each["source"] for each in api.get("/v1/rejected", headers=theirs).json()["items"]] == [
        "mybot"
    ]
    assert [
        row["source"] for row in api.get("/v1/ingest-stats", headers=theirs).json()["sources"]
    ] == ["mybot"]
    assert len(rejected(api)) == 2


def test_a_replay_writes_as_the_original_source(
    api: TestClient, settings: Settings, clock: Clock
) -> None:
    key = create_key(open_engine(settings.database_url), "mybot", clock())
    api.post(
        "/v1/events", json=[make_event(event_id="e1")], headers={"authorization": f"Bearer {key}"}
    )
    api.post("/v1/events", json=[make_event("conversation.created")])
    (event,) = rejected(api)
    api.post(f"/v1/rejected/{event['rejected_id']}/replay")
    # The bot's own event is a duplicate: it is not stored twice.
    again = api.post(
        "/v1/events", json=[make_event(event_id="e1")], headers={"authorization": f"Bearer {key}"}
    )
    assert again.json()["results"][0]["status"] == "duplicate"


_events = st.sampled_from(
    [
        json.dumps(event).encode()
        for event in (
            *make_conversation(messages=3),
            make_event(event_id="c1-m0", text="other"),
            make_event("session.started"),
            make_event(conversation_id="nowhere"),
            {"event_type": 5},
        )
    ]
    + [b"{", b"\xff", b"[]", b'"x"']
)


@given(requests=st.lists(st.lists(_events, min_size=1, max_size=6), max_size=12))
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_ingest_stats_are_balanced_for_any_input(
    api: TestClient, requests: list[list[bytes]]
) -> None:
    for lines in requests:
        api.post(
            "/v1/events",
            content=b"\n".join(lines),
            headers={"content-type": "application/x-ndjson"},
        )
    found = counts(api)
    if found:
        assert (
            found["received"]
            == found["accepted"] + found["duplicate"] + found["conflict"] + found["rejected"]
        )
        generated = counts(api, "convolake").get("generated", 0)
        assert api.get("/v1/ingest-stats").json()["stored"] == found["accepted"] + generated


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        (
            "update ingest_stats set received = received + 1 where source = 'test'",
            "received = sum of results",
        ),
        (
            "update ingest_stats set accepted = accepted + 1, received = received + 1 where source = 'test'",
            "stored = accepted",
        ),
        ("delete from rejected_events", "rejected events are kept"),
    ],
)
def test_verify_finds_unbalanced_ingest_stats(record: Record, statement: str, name: str) -> None:
    record.write([*make_conversation(), make_event("message.sent")])
    assert run_in_adbc_process(verify, record.settings).ok
    damage(record.settings, statement)
    broken = [
        check.name for check in run_in_adbc_process(verify, record.settings).checks if not check.ok
    ]
    assert any(each.startswith(name) for each in broken)


@pytest.mark.sqlite
def test_a_data_folder_without_stats_is_opened_with_balanced_stats(
    settings: Settings,
) -> None:
    record = Record(settings, Clock())
    record.write([*make_conversation(), make_event("message.sent")])
    states = record.log("select * from conversations")
    newer = settings.data / "newer.sqlite"
    with closing(sqlite3.connect(settings.store_path)) as connection:
        connection.execute("vacuum into ?", (str(newer),))
    for path in settings.data.glob("log.sqlite*"):
        path.unlink()
    migrate(settings.database_url, "0001")
    with sqlite3.connect(settings.store_path) as connection:
        connection.execute("attach ? as newer", (str(newer),))
        connection.execute("insert into events select * from newer.events")
    connection.close()
    with TestClient(create_app(settings)) as client:
        assert client.get("/readyz").status_code == 200
    assert record.log("select * from conversations") == states
    assert run_in_adbc_process(verify, settings).ok
    assert record.log(
        "select source, received, accepted, generated from ingest_stats order by source"
    ) == [
        {"source": "convolake", "received": 0, "accepted": 0, "generated": 1},
        {"source": "test", "received": 3, "accepted": 3, "generated": 0},
    ]
