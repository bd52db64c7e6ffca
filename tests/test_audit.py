"""Who sees what: every opened transcript, search and export is on disk before it is shown, or is not shown."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from fastapi.testclient import TestClient
from streamlit.testing.v1 import AppTest

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import Grant, create_key, get_or_create_local_key
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import Installation, run_server
from tests.dashboard_app import messages_of, show_page, texts
from tests.factories import Clock, Ids, Record, free_port, make_conversation, make_event

SAFE = "the code of the safe is 4711"
ROUTES = {
    "transcript-views": {"role": "reviewer", "conversation_id": "c1"},
    "transcript-searches": {"role": "reviewer", "filters": {"text": "refund"}},
    "transcript-exports": {"role": "analyst", "export": "list", "format": "csv", "row_count": 2},
    "warehouse-queries": {"role": "analyst", "sql": "select 1"},
    "rejected-views": {"role": "admin", "rejected_id": 3},
}
TYPES = ["transcript.viewed", "transcript.searched", "transcript.exported", "warehouse.queried", "rejected_event.opened"]  # fmt: skip


@pytest.fixture
def near(settings: Settings) -> Settings:
    """Settings with a port of their own, so that a test can stop the API and know its address."""
    return settings.model_copy(update={"port": free_port()})


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with two conversations, loaded into the warehouse; tests work on copies."""
    record = Record(Settings(data=tmp_path_factory.mktemp("loaded") / "data"), Clock())
    for name, text in (("c1", SAFE), ("c2", "no secret")):
        record.write([*make_conversation(name), make_event(conversation_id=name, text=text)])
    record.seal()
    record.load()
    return record.settings.data


@pytest.fixture
def record(loaded: Path, near: Settings, clock: Clock) -> Record:
    """The two conversations, in a data folder of the test's own."""
    shutil.copytree(loaded, near.data)
    return Record(near, clock)


@pytest.fixture
def start_api(record: Record) -> Iterator[Callable[[], Installation]]:
    """Start the API of the record; it runs until the test ends."""
    settings, clock = record.settings, record.clock

    def start() -> Installation:
        key = get_or_create_local_key(settings, clock())
        app = FastPathMiddleware(create_app(settings, clock, Ids("audit")))
        url = stack.enter_context(run_server(app, settings.port))
        running = Installation(url, key, settings, clock)
        stack.enter_context(running.http)
        return running

    with ExitStack() as stack:
        yield start


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, near: Settings) -> Callable[..., AppTest]:
    """Open the conversations at an address, in a new session of the browser."""
    st.cache_data.clear()
    monkeypatch.setenv("CONVOLAKE_DATA", str(near.data))
    monkeypatch.setenv("CONVOLAKE_PORT", str(near.port))

    def run(**address: str) -> AppTest:
        return show_page("conversations", **address)

    return run


def acts(record: Record) -> list[dict[str, Any]]:
    """The audit events of the log, in order."""
    rows = record.log(
        "select event_type, participant_id, conversation_id, payload from events "
        "where event_type like 'transcript.%' or event_type like 'warehouse.%' order by position"
    )
    assert {row["conversation_id"] for row in rows} <= {None}
    return [
        {"type": row["event_type"], "user": row["participant_id"], **json.loads(row["payload"])}
        for row in rows
    ]


VIEW = {"type": "transcript.viewed", "user": "local", "role": "admin", "conversation_id": "c1"}


# --- transcripts ----------------------------------------------------------------------


def test_an_opened_transcript_is_on_record_once_however_often_its_page_runs(
    open_page: Callable[..., AppTest], record: Record, start_api: Callable[[], Installation]
) -> None:
    start_api()
    app = open_page(conversation="c1")
    assert SAFE in texts(app)
    assert acts(record) == [VIEW]
    app.run()
    app.query_params["part"] = "1"
    app.run()
    assert acts(record) == [VIEW]


def test_a_transcript_that_is_opened_again_is_on_record_again(
    open_page: Callable[..., AppTest], record: Record, start_api: Callable[[], Installation]
) -> None:
    start_api()
    app = open_page(conversation="c1")
    next(each for each in app.button if each.label == "All conversations").click().run()
    app.query_params["conversation"] = "c1"
    app.run()
    assert acts(record) == [VIEW] * 2
    app.query_params["conversation"] = "c2"
    app.run()
    assert acts(record) == [*[VIEW] * 2, VIEW | {"conversation_id": "c2"}]
    app.switch_page("overview/page.py").run()
    app.switch_page("conversations/page.py")
    app.query_params["conversation"] = "c2"
    app.run()
    assert acts(record)[-2:] == [VIEW | {"conversation_id": "c2"}] * 2
    open_page(conversation="c2")
    assert len(acts(record)) == 5


def test_a_link_to_no_conversation_opens_nothing_and_is_not_on_record(
    open_page: Callable[..., AppTest], record: Record, start_api: Callable[[], Installation]
) -> None:
    start_api()
    assert "No conversation on record" in messages_of(open_page(conversation="nothing"))
    assert acts(record) == []


def test_without_the_api_no_transcript_is_shown_and_the_page_says_why(
    open_page: Callable[..., AppTest], near: Settings, record: Record
) -> None:
    get_or_create_local_key(near, record.clock())
    app = open_page(conversation="c1")
    assert not any(SAFE in text or "message 0" in text for text in texts(app))
    assert "it cannot be recorded who sees it" in messages_of(app)
    assert "Start it with `convolake serve`" in messages_of(app)
    assert str(near.port) in app.code[0].value


def test_a_transcript_shows_as_soon_as_the_api_answers_again(
    open_page: Callable[..., AppTest],
    near: Settings,
    record: Record,
    start_api: Callable[[], Installation],
) -> None:
    get_or_create_local_key(near, record.clock())
    app = open_page(conversation="c1")
    start_api()
    app.run()
    assert not app.error
    assert SAFE in texts(app)
    assert acts(record) == [VIEW]


def test_without_a_key_no_transcript_is_shown(
    open_page: Callable[..., AppTest], near: Settings, start_api: Callable[[], Installation]
) -> None:
    start_api()
    near.local_key_path.unlink()
    app = open_page(conversation="c1")
    assert not any(SAFE in text for text in texts(app))
    assert "There is no API key. Set CONVOLAKE_API_KEY" in messages_of(app)


def test_the_local_key_goes_to_no_other_machine(
    open_page: Callable[..., AppTest],
    monkeypatch: pytest.MonkeyPatch,
    start_api: Callable[[], Installation],
    record: Record,
) -> None:
    start_api()
    monkeypatch.setenv("CONVOLAKE_API_URL", f"http://localhost:{record.settings.port}")
    assert "There is no API key" in messages_of(open_page(conversation="c1"))
    assert acts(record) == []


@pytest.mark.parametrize(
    ("key", "reason"),
    [(None, "it needs the scope audit"), ("ck_unknown", "does not know the dashboard's API key")],
)
def test_with_a_key_that_may_not_record_no_transcript_is_shown(
    open_page: Callable[..., AppTest],
    monkeypatch: pytest.MonkeyPatch,
    start_api: Callable[[], Installation],
    record: Record,
    key: str | None,
    reason: str,
) -> None:
    start_api()
    scopes = ("read", "review", "events:write", "conversations:write")
    monkeypatch.setenv("CONVOLAKE_API_KEY", key or key_for(record.settings, *scopes))
    app = open_page(conversation="c1")
    assert not any(SAFE in text for text in texts(app))
    assert reason in messages_of(app)
    monkeypatch.setenv("CONVOLAKE_API_KEY", key_for(record.settings, "audit"))
    app.run()
    assert SAFE in texts(app)


# --- searches and exports -------------------------------------------------------------


def test_a_search_is_on_record_with_its_words_and_filters(
    open_page: Callable[..., AppTest], record: Record, start_api: Callable[[], Installation]
) -> None:
    start_api()
    app = open_page()
    assert len(app.dataframe) == 1
    assert acts(record) == []
    app.text_input[0].set_value("safe").run()
    app.run()
    app.selectbox[0].select("active").run()
    found = acts(record)
    assert {each["type"] for each in found} == {"transcript.searched"}
    day = {"from": "2030-01-01", "to": "2030-01-01"}
    assert [each["filters"] for each in found] == [
        day | {"text": "safe"},
        day | {"text": "safe", "state": "active"},
    ]
    app.text_input[0].set_value("").run()
    app.text_input[0].set_value("safe").run()
    assert len(acts(record)) == 4


def test_without_the_api_a_search_shows_no_row(
    open_page: Callable[..., AppTest], near: Settings, record: Record
) -> None:
    get_or_create_local_key(near, record.clock())
    app = open_page(search="safe")
    assert not app.dataframe
    assert "it cannot be recorded who sees it" in messages_of(app)
    assert len(open_page().dataframe) == 1


def files(app: AppTest) -> list[str]:
    return [each.proto.label for each in app.get("download_button")]


def press(app: AppTest, label: str) -> AppTest:
    app.button(key=f"make conversations {label}").click().run()
    assert not app.exception, app.exception
    return app


@pytest.mark.parametrize("form", ["csv", "parquet", "jsonl"])
def test_a_file_is_offered_when_its_export_is_on_record(
    open_page: Callable[..., AppTest],
    record: Record,
    start_api: Callable[[], Installation],
    form: str,
) -> None:
    start_api()
    app = open_page()
    assert files(app) == []
    press(app, form)
    assert files(app) == [f"Save conversations.{form} (2 rows)"]
    [export] = acts(record)
    assert export.pop("filters") == {"from": "2030-01-01", "to": "2030-01-01"}
    who = {"type": "transcript.exported", "user": "local", "role": "admin"}
    assert export == who | {"export": "conversations", "format": form, "row_count": 2}
    app.run()
    assert files(app) == []
    press(app, form)
    assert len(acts(record)) == 2


def test_without_the_api_no_file_is_offered(
    open_page: Callable[..., AppTest], near: Settings, record: Record
) -> None:
    get_or_create_local_key(near, record.clock())
    app = press(open_page(), "csv")
    assert files(app) == []
    assert "it cannot be recorded who sees it" in messages_of(app)


def interrupted_page() -> None:
    """A page that is interrupted after its first record, as by a click, and that shows nothing if asked to."""
    import streamlit as st

    from dashboards import audit

    with audit.page_run():
        if not st.session_state.get("empty"):
            audit.record_view("c1")
        if "again" not in st.session_state:
            st.session_state["again"] = True
            st.rerun()
        if st.session_state.get("stops"):
            st.stop()


@pytest.mark.parametrize("stops", [False, True])
def test_the_next_run_continues_an_interrupted_one(
    open_page: Callable[..., AppTest],
    record: Record,
    start_api: Callable[[], Installation],
    stops: bool,
) -> None:
    start_api()
    app = AppTest.from_function(interrupted_page, default_timeout=60)
    app.session_state["stops"] = stops
    app.run().run()
    assert not app.exception
    assert len(acts(record)) == 1
    app.session_state["empty"] = True
    app.run()
    app.session_state["empty"] = False
    app.run()
    assert len(acts(record)) == 2


# --- the API and the warehouse --------------------------------------------------------


def key_for(settings: Settings, *scopes: str) -> str:
    engine = open_engine(settings.database_url)
    key = create_key(engine, "dashboard", 1, Grant(frozenset(scopes)))
    engine.dispose()
    return key


def test_every_act_reaches_the_warehouse(
    start_api: Callable[[], Installation], record: Record, clock: Clock
) -> None:
    running = start_api()
    clock.forward(minutes=1)
    for path, act in ROUTES.items():
        answer = running.post(f"/v1/audit/{path}", {"participant_id": "noor", "act": act})
        assert (answer.status_code, answer.json()["status"]) == (201, "accepted")
    record.seal()
    record.load()
    rows = record.query("select * from audit_events order by event_id asc")
    assert [row["act"] for row in rows] == ["viewed", "searched", "exported", "queried", "opened"]
    assert {row["user_id"] for row in rows} == {"noor"}
    assert rows[0]["conversation_id"] == "c1"
    assert rows[1]["filters"] == '{"text":"refund"}'
    assert (rows[2]["format"], rows[2]["row_count"]) == ("csv", 2)
    assert rows[3]["sql"] == "select 1"
    assert len(record.query("from conversations")) == 2


@pytest.mark.parametrize("path", ROUTES)
def test_recording_needs_the_scope_audit(api: TestClient, settings: Settings, path: str) -> None:
    def post(*scopes: str) -> tuple[int, str | None]:
        headers = {"authorization": f"Bearer {key_for(settings, *scopes)}"}
        body = {"participant_id": "noor", "act": ROUTES[path]}
        answer = api.post(f"/v1/audit/{path}", json=body, headers=headers)
        return answer.status_code, answer.json().get("code")

    assert post("events:write", "conversations:write", "read", "review", "import") == (
        403,
        "missing_scope",
    )
    assert post("audit") == (201, None)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"act": ROUTES["transcript-views"]}, "$.participant_id"),
        ({"participant_id": "noor", "act": {"role": "viewer"}}, "conversation_id"),
        ({"participant_id": "noor", "act": {"role": 1, "conversation_id": "c1"}}, "$.act.role"),
        ({"participant_id": "no one", "act": ROUTES["transcript-views"]}, "$.participant_id"),
    ],
)
def test_an_incomplete_act_is_rejected_with_its_field(
    api: TestClient, body: dict[str, Any], field: str
) -> None:
    answer = api.post("/v1/audit/transcript-views", json=body)
    assert answer.status_code == 422
    assert field in answer.text


def test_an_act_changes_no_conversation_and_opens_no_session(api: TestClient) -> None:
    for event in make_conversation("c1"):
        assert api.post("/v1/events", json=event).status_code == 201
    before = api.get("/v1/conversations/c1").json(), api.get("/v1/conversations/c1/events").json()
    for path, act in ROUTES.items():
        body = {"participant_id": "noor", "act": act}
        assert api.post(f"/v1/audit/{path}", json=body).status_code == 201
    after = api.get("/v1/conversations/c1").json(), api.get("/v1/conversations/c1/events").json()
    assert after == before


@pytest.mark.parametrize("name", TYPES)
def test_a_fact_is_no_audit_event(api: TestClient, name: str) -> None:
    act = dict(zip(TYPES, ROUTES.values(), strict=True))[name]
    event = {"event_type": name, "participant_id": "noor", "payload": act}
    answer = api.post("/v1/events", json=event)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden_type")
