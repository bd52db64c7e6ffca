"""Payloads of wrong types, sizes and ids: none stops other events, timers or reads."""

import random
from collections import Counter
from typing import Any

import msgspec
from fastapi.testclient import TestClient

from ingest.events.types import EVENT_TYPES
from tests.conversation_calls import read, run_due_timers, send
from tests.factories import Clock

EVENTS = 20_000
BATCH_EVENTS = 100
CONVERSATIONS = 40
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 7, 2**31, 2**62, 1.5, -0.0, 1e308, "", "x", "c1", "m1", "ada", "web", "P1D", "bot",
    "active", "\0", "\N{SPOOL OF THREAD}", "x" * 1000, [], {}, [None], ["x"], [[]], {"a": {"b": None}}, [{"url": 1}],
]  # fmt: skip
IDS = ["c1", "c2", "m1", "m2", "ada", "helper", "h1", "x" * 129, "", "-", "é", None, 7, True]
CLIENT_TYPES = [each for each in EVENT_TYPES.values() if each.writer == "client"]
COLUMNS = [
    "conversation_id", "participant_id", "contact_id", "message_id", "handoff_id", "in_reply_to",
    "caused_by", "queue", "event_id",
]  # fmt: skip


def test_no_payload_stops_other_events(opened: TestClient, clock: Clock) -> None:
    for number in range(2, CONVERSATIONS + 1):
        send(opened, "POST", "", conversation_id=f"c{number}", channel="web")
    send(opened, "POST", "", conversation_id="good", channel="web", participants=[
        {"participant_id": "eve", "participant_role": "customer"},
    ])  # fmt: skip
    send(opened, "POST", "/good/messages", participant_id="eve", text="hello", message_id="m1")
    before = read(opened, "/good")
    events = read(opened, "/good/events")
    chosen = random.Random(random.randrange(10**9))  # noqa: S311
    statuses: Counter[str] = Counter()
    for _ in range(EVENTS // BATCH_EVENTS):
        body = b"\n".join(msgspec.json.encode(_event(chosen)) for _ in range(BATCH_EVENTS))
        answer = opened.post(
            "/v1/events", content=body, headers={"content-type": "application/x-ndjson"}
        )
        assert answer.status_code in (200, 207), answer.text
        statuses.update(each["status"] for each in answer.json()["results"])
    assert (read(opened, "/good"), read(opened, "/good/events")) == (before, events)
    for path in ("", "/c1", "/c1/messages", "/c1/participants", "/c1/events", "/c2"):
        read(
            opened,
            path,
            **({} if path in ("/c1", "/c2", "/c1/participants") else {"limit": 100}),
        )
    clock.forward(days=8)
    run_due_timers(opened)
    assert read(opened, "/good/events")["items"][-1]["event_type"] == "session.ended"
    assert opened.get("/readyz").json() == {"status": "ok"}
    assert min(statuses[status] for status in ("accepted", "rejected", "parked")) > 0, statuses


def _event(chosen: random.Random) -> dict[str, Any]:
    """Return an event with a payload of the type's own fields, and with any of their values."""
    kind = chosen.choice(CLIENT_TYPES)
    names = [field.encode_name for field in msgspec.structs.fields(kind.payload)]
    payload = {name: chosen.choice(VALUES) for name in names if chosen.random() < 0.3}
    columns = {
        "conversation_id": f"c{chosen.randint(1, CONVERSATIONS)}",
        "participant_id": chosen.choice(["ada", "helper", "new"]),
        "participant_role": chosen.choice(["customer", "bot", "agent"]),
        "message_id": chosen.choice(["m1", "m2", f"m{chosen.randrange(1000)}"]),
        "handoff_id": "h1",
        "channel": "web",
        "text": "x",
    }
    if kind.stream == "contact":
        columns = {"contact_id": chosen.choice(["ada", "bo", "eve"])}
    event: dict[str, Any] = {"event_type": kind.name, **columns}
    for name in COLUMNS:
        if chosen.random() < 0.05:
            event[name] = chosen.choice(IDS)
    if chosen.random() < 0.9:
        event["payload"] = payload
    return event
