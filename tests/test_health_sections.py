"""The health page's sections: loads, unreadable events, deliveries, storage, maintenance, verification, replays."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from convolake.verify import Verdict, save
from convolake.verify_warehouse import Check
from dashboards import formatting
from dashboards.health.replay import EditError, editable, send
from ingest.client import Client
from ingest.settings import Settings
from tests.api_server import Installation
from tests.dashboard_app import show_page
from tests.factories import Record, make_conversation, make_event
from tests.hostile_texts import hostile_texts
from tests.warehouse.test_poison_events import foreign_conversation, rows_sealed, seal_foreign
from warehouse.lake import connect
from warehouse.maintenance import maintain

Open = Callable[..., AppTest]


@pytest.fixture
def open_health(monkeypatch: pytest.MonkeyPatch) -> Open:
    """Open the page of a data folder, with an API if there is one."""

    def run(settings: Settings, api: Installation | None = None, **address: str) -> AppTest:
        monkeypatch.setenv("CONVOLAKE_DATA", str(settings.data))
        for name, value in (api.environment if api else {}).items():
            monkeypatch.setenv(name, value)
        st.cache_data.clear()
        return show_page("health", **address)

    return run


def said(app: AppTest) -> str:
    kinds = (app.success, app.error, app.warning, app.info, app.caption)
    return "\n".join(str(each.value) for kind in kinds for each in kind)


def table(app: AppTest, column: str) -> Any:
    return next(each.value for each in app.dataframe if column in each.value.columns)


def publish_history(record: Record) -> None:
    """Three loads: a conversation, another one days later, and one of the day between: late."""
    record.publish(make_conversation("c1"))
    record.clock.forward(days=3)
    record.publish(make_conversation("c2"))
    before = datetime.fromtimestamp(record.clock() / 1e6, UTC) - timedelta(days=2)
    record.publish(
        [event | {"happened_at": before.isoformat()} for event in make_conversation("c3")]
    )


def test_loads_are_accounted_for_with_late_events_and_restated_days(
    record: Record, open_health: Open
) -> None:
    publish_history(record)
    app = open_health(record.settings)
    assert "Loads are balanced" in said(app)
    loads = table(app, "load_number")
    assert list(loads["load_number"]) == [3, 2, 1]
    assert list(loads["is_balanced"]) == [True] * 3
    assert loads["late_events"][0] > 0
    events = record.query("select count(*) as n from events")[0]["n"]
    assert loads["stored_events"].sum() == events
    assert f"{events} loaded = {events} events + 0 unreadable + 0 duplicates" in said(app)
    changes = table(app, "numerator_change")
    restated = record.query("select distinct load_number from restatements")
    assert {row["load_number"] for row in restated} == set(changes["load_number"]) == {3}


def test_a_warehouse_that_has_lost_an_event_is_not_balanced(
    record: Record, open_health: Open
) -> None:
    publish_history(record)
    with connect(record.settings.warehouse_path, read_only=False) as con:
        con.execute("delete from events where sequence = 2 and conversation_id = 'c1'")
    assert "Loads are not balanced: run `convolake verify`" in said(open_health(record.settings))


def test_unreadable_events_are_shown_with_their_reason(record: Record, open_health: Open) -> None:
    hostile = hostile_texts("http://127.0.0.1:9/x")[0]
    record.publish(make_conversation("c1"))
    seal_foreign(record, foreign_conversation(record, "c2", payload=f"{{{hostile}"))
    record.load()
    app = open_health(record.settings)
    assert "1 sealed event cannot be read by any model" in said(app)
    assert list(table(app, "reason")["reason"]) == ["payload is not JSON"]
    assert "+ 1 unreadable" in said(app)
    assert "Loads are balanced" in said(app)
    assert hostile not in said(app)


def test_webhooks_are_shown_with_their_dead_letters(record: Record, open_health: Open) -> None:
    record.publish(make_conversation("c1"))
    assert "No webhook was called" in said(open_health(record.settings))
    (first, *_) = rows_sealed(record)
    attempts = [
        ("webhook.attempted", 1, "time-out"),
        ("webhook.dead_lettered", 2, "status 500"),
        ("webhook.delivered", 1, None),
    ]
    rows = [
        first
        | {
            "conversation_id": None, "sequence": None, "session_id": None, "event_type": kind,
            "event_id": f"attempt-{number}", "participant_id": None, "participant_role": None,
            "payload": json.dumps({"webhook_id": "crm", "position": 2, "attempt": attempt,
                                   "status": None if error is None else 500, "error": error, "seconds": 0.25}),
        }
        for number, (kind, attempt, error) in enumerate(attempts)
    ]  # fmt: skip
    seal_foreign(record, rows)
    record.load()
    app = open_health(record.settings)
    (webhook,) = table(app, "failed_attempts").to_dict("records")
    assert (webhook["delivered"], webhook["failed_attempts"], webhook["dead_letters"]) == (1, 1, 1)
    assert webhook["last_error"] == "status 500"
    assert "1 dead letter: the receiver did not accept them" in said(app)
    (letter,) = table(app, "event_position").to_dict("records")
    assert (letter["event_position"], letter["conversation_id"]) == (2, "c1")


def test_storage_and_the_last_maintenance_are_shown(record: Record, open_health: Open) -> None:
    publish_history(record)
    app = open_health(record.settings)
    assert "No maintenance so far" in said(app)
    parts = table(app, "Part")
    assert list(parts["Part"]) == ["Log (SQLite)", "Lake (Parquet)", "Warehouse"]
    lake = sum(path.stat().st_size for path in record.settings.lake_path.rglob("*.parquet"))
    assert parts["Size"][1] == formatting.size(lake)
    events = record.query("select count(*) as n from events")[0]["n"]
    assert parts["Per event"][1] == f"{lake / events:,.0f} bytes"
    report = maintain(record.settings.warehouse_path, datetime.now(UTC), 7)
    shown = said(open_health(record.settings))
    assert "Last maintenance " in shown
    assert f"{report.files_before:,} files before, {report.files_after:,} after" in shown


def test_the_last_verification_is_shown_with_what_failed(record: Record, open_health: Open) -> None:
    record.publish(make_conversation("c1"))
    path, now = record.settings.verify_path, datetime.now(UTC)
    assert "The record was never verified" in said(open_health(record.settings))
    save(Verdict([Check("a", ok=True, detail="")], events=7), path, now)
    assert re.search(
        r"Verified: 1 check of 7 events, .*; all passed\.", said(open_health(record.settings))
    )
    hostile = f"first: {hostile_texts('http://127.0.0.1:9/x')[0]}\u202e"
    save(Verdict([Check("no gap", ok=False, detail=hostile)], events=7), path, now)
    app = open_health(record.settings)
    assert "1 failed" in said(app)
    assert any(formatting.reveal(hostile) in each.value for each in app.code)
    path.write_text("{")
    assert "The record was never verified" in said(open_health(record.settings))


def reject(installation: Installation, event: dict[str, Any]) -> int:
    """Post an event that is rejected; return its id."""
    installation.post("/v1/events", event)
    found: list[dict[str, Any]] = installation.http.get("/v1/rejected").json()["items"]
    return int(found[0]["rejected_id"])


def click(app: AppTest, label: str) -> AppTest:
    next(each for each in app.button if each.label == label).click()
    app.run()
    assert not app.exception, app.exception
    return app


def test_a_rejected_event_is_opened_by_its_link_edited_and_sent(
    installation: Installation, open_health: Open
) -> None:
    installation.post_events(make_conversation("c1"))
    wrong = make_event("handoff.requestd", handoff_id="h1", text="\u202ehidden")
    number = reject(installation, wrong)
    app = open_health(installation.settings, installation, rejected=str(number))
    assert any("\\u202ehidden" in each.value or "⟨U+202E⟩" in each.value for each in app.code)
    click(app, "Replay as it is")
    assert "rejected again" in said(app)
    assert "\\u202ehidden" in str(app.text_area[0].value)
    app.text_area[0].set_value(str(app.text_area[0].value).replace("requestd", "requested"))
    click(app, "Send")
    assert "The event is on record" in said(app)
    assert "accepted as" in app.code[0].value
    conversation = installation.http.get("/v1/conversations/c1").json()
    assert conversation["handoff"]["handoff_id"] == "h1"


def test_who_reads_rejected_events_is_on_record(
    installation: Installation, open_health: Open
) -> None:
    number = reject(installation, make_event("handoff.requestd", text="hush"))
    open_health(installation.settings, installation, rejected=str(number))
    log = Record(installation.settings, installation.clock).log
    rows = log("select payload from events where event_type = 'rejected_event.opened'")
    acts = [json.loads(row["payload"]) for row in rows]
    assert acts == [{"role": "admin"}, {"role": "admin", "rejected_id": number}]


def test_a_rejected_event_whose_cause_is_fixed_is_replayed(
    installation: Installation, open_health: Open
) -> None:
    number = reject(
        installation, make_event("message.created", conversation_id="c9", participant_role=None)
    )
    installation.post_events(
        [
            make_event("conversation.created", conversation_id="c9"),
            make_event("participant.joined", conversation_id="c9", participant_id="ada", participant_role="customer"),
        ]
    )  # fmt: skip
    app = open_health(installation.settings, installation, rejected=str(number))
    click(app, "Replay as it is")
    assert "The event is on record" in said(app)
    assert "It was replayed" in said(app)


@pytest.mark.parametrize(
    ("path", "text", "reason"),
    [
        ("/v1/events", "{", "no JSON"),
        ("/v1/events", "[1]", "no JSON object"),
        ("/v1/conversations/c1/messages", '{"txt": "a"}', "no field txt"),
        ("/v1/conversations/c1/messages", '{"text": "a"}', "participant_id"),
    ],
)
def test_an_edited_body_that_cannot_be_sent_says_why(path: str, text: str, reason: str) -> None:
    with Client("http://127.0.0.1:9", "key") as client, pytest.raises(EditError, match=reason):
        send(client, path, text)


def test_an_edited_message_goes_to_its_conversation(installation: Installation) -> None:
    installation.post_events(make_conversation("a/b"))
    with Client(installation.url, installation.key) as client:
        text = '{"participant_id": "ada", "text": "fixed"}'
        assert send(client, "/v1/conversations/a%2Fb/messages", text).startswith("accepted as")
        assert [each.text for each in client.messages("a/b")][-1] == "fixed"


def test_the_editor_hides_no_character() -> None:
    assert editable('{"text": "a\u202eb"}') == '{\n  "text": "a\\u202eb"\n}'
    assert editable("no JSON \u200b") == "no JSON ⟨U+200B⟩"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (3_400_000, "3.4 MB"), (5 * 10**15, "5,000.0 TB")],
)  # fmt: skip
def test_a_size_is_shown_in_the_largest_unit_that_fits(value: int, shown: str) -> None:
    assert formatting.size(value) == shown


def test_a_frame_without_rows_is_revealed_too() -> None:
    assert formatting.reveal_frame(pl.DataFrame({"a": []}, schema={"a": pl.String})).height == 0
