"""The HTTP contract: responses, and that no client input causes a 5xx or is echoed."""

import json
from typing import Any

import msgspec
import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from ingest.api.app import create_app
from ingest.api.log_access import LogBehindLakeError
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import (
    CACHE_SECONDS,
    ApiKeyAuthenticator,
    create_key,
    list_keys,
    revoke_key,
)
from ingest.errors import UnauthorizedError
from ingest.lake.sealer import catch_up
from ingest.lake.segments import GapError
from ingest.log.storage.engine import open_engine
from ingest.log.storage.lock import LogLockedError
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record, make_conversation, make_event

MESSAGE = {"participant_id": "ada", "text": "Where is my order?"}
MARKER = "X9marker9X"


def open_conversation(api: TestClient, **over: Any) -> Response:
    body = {
        "channel": "web",
        "conversation_id": "c1",
        "participants": [
            {"participant_id": "ada", "participant_role": "customer"},
            {"participant_id": "helper", "participant_role": "bot"},
        ],
    }
    return api.post("/v1/conversations", json=body | over)


def post_raw(
    api: TestClient, path: str, body: bytes, content_type: str = "application/json"
) -> Response:
    return api.post(path, content=body, headers={"content-type": content_type})


def test_a_message_is_posted_and_read_back(api: TestClient) -> None:
    assert open_conversation(api).status_code == 201
    answer = api.post("/v1/conversations/c1/messages", json=MESSAGE)
    assert answer.status_code == 201
    assert answer.json()["sequence"] == 3
    (message,) = api.get("/v1/conversations/c1/messages").json()["items"]
    assert message["text"] == MESSAGE["text"]
    assert message["participant_role"] == "customer"
    assert message["sequence"] == 3
    assert message["received_at"] == "2030-01-01T10:00:00Z"


def test_a_conversation_is_returned_in_its_current_state(api: TestClient) -> None:
    open_conversation(api)
    api.post("/v1/conversations/c1/messages", json=MESSAGE)
    found = api.get("/v1/conversations/c1").json()
    assert (found["state"], found["message_count"], found["last_sequence"]) == ("active", 1, 3)
    assert {each["participant_id"] for each in found["participants"]} == {"ada", "helper"}


def test_a_repeated_message_gets_its_first_sequence(api: TestClient) -> None:
    open_conversation(api)
    first = api.post("/v1/conversations/c1/messages", json=MESSAGE | {"event_id": "e1"})
    again = api.post("/v1/conversations/c1/messages", json=MESSAGE | {"event_id": "e1"})
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json() | {"status": "duplicate"}
    other = api.post(
        "/v1/conversations/c1/messages", json=MESSAGE | {"event_id": "e1", "text": "no"}
    )
    assert (other.status_code, other.json()["code"]) == (409, "event_conflict")


def test_a_text_is_returned_byte_for_byte(api: TestClient) -> None:
    open_conversation(api)
    texts = [
        "  spaces  ",
        "日本語 العربية हिन्दी ελληνικά 🧵👩🏽‍🚀",
        "tab\tnew\nline\r\x07\x1b[0m",
        "\u202edlrow\u200b",
        "",
        "e\u0301 é",
    ]
    for text in texts:
        assert (
            api.post("/v1/conversations/c1/messages", json=MESSAGE | {"text": text}).status_code
            == 201
        )
    assert [
        each["text"] for each in api.get("/v1/conversations/c1/messages").json()["items"]
    ] == texts


def test_pages_return_every_event_once_and_in_order(api: TestClient) -> None:
    api.post("/v1/events", json=make_conversation("c1", messages=25))
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit=10&cursor={cursor}" if cursor else "?limit=10"
        page = api.get(f"/v1/conversations/c1/messages{query}").json()
        seen += [message["sequence"] for message in page["items"]]
        cursor = page["cursor"]
        assert page["has_more"] == (cursor is not None)
    assert seen == list(range(3, 28))


def test_conversations_are_listed_newest_first_by_channel(api: TestClient) -> None:
    for number in range(5):
        open_conversation(api, conversation_id=f"c{number}", channel="web" if number % 2 else "sms")
    first = api.get("/v1/conversations?limit=3").json()
    rest = api.get("/v1/conversations", params={"cursor": first["cursor"]}).json()
    ids = [each["conversation_id"] for each in first["items"] + rest["items"]]
    assert ids == ["c4", "c3", "c2", "c1", "c0"]
    assert len(api.get("/v1/conversations?channel=sms").json()["items"]) == 3


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_a_batch_answers_for_each_event(api: TestClient, content_type: str) -> None:
    events = [
        *make_conversation(messages=1),
        make_event(event_id="c1-m0", participant_role="customer", text="message 0"),
        make_event(event_id="c1-m0", text="other"),
        make_event("session.started"),
        {"event_type": 5},
    ]
    lines = [json.dumps(event).encode() for event in events]
    body = (
        b"[" + b",".join(lines) + b"]"
        if content_type == "application/json"
        else b"\n".join(lines) + b"\n"
    )
    answer = post_raw(api, "/v1/events", body, content_type)
    assert answer.status_code == 207
    found = answer.json()
    assert [result["status"] for result in found["results"]] == [
        "accepted", "accepted", "duplicate", "conflict", "rejected", "rejected",
    ]  # fmt: skip
    assert (found["accepted"], found["duplicate"], found["conflict"], found["rejected"]) == (
        2,
        1,
        1,
        2,
    )
    assert found["results"][2]["sequence"] == found["results"][1]["sequence"]
    assert found["results"][5]["error"]["field"] == "$.event_type"


def test_an_invalid_line_does_not_affect_the_other_lines(api: TestClient) -> None:
    good = [json.dumps(event).encode() for event in make_conversation(messages=2)]
    body = b"\n".join([good[0], b'{"event_type": ', good[1], b"\xff\xfe", good[2]])
    found = post_raw(api, "/v1/events", body, "application/x-ndjson").json()
    assert [result["status"] for result in found["results"]] == [
        "accepted", "rejected", "accepted", "rejected", "accepted",
    ]  # fmt: skip


def test_one_event_may_be_sent_alone(api: TestClient) -> None:
    assert api.post("/v1/events", json=make_event("conversation.created")).status_code == 201
    assert api.post("/v1/events", json=make_event()).status_code == 201
    assert api.post("/v1/events", json=make_event("session.started")).status_code == 403


# --- bad input -------------------------------------------------------------------------

DEEP = b"[" * 40 + b"]" * 40

BAD_MESSAGES: dict[str, tuple[bytes, int, str | None]] = {
    "not JSON": (b"{", 400, None),
    "empty": (b"", 400, None),
    "invalid UTF-8": (b'{"participant_id":"ada","text":"\xff"}', 400, None),
    "UTF-16": ('{"participant_id":"ada","text":"x"}'.encode("utf-16"), 400, None),
    "a byte order mark": (b'\xef\xbb\xbf{"participant_id":"ada","text":"x"}', 400, None),
    "a lone surrogate": (b'{"participant_id":"ada","text":"\\ud800"}', 400, None),
    "NaN": (b'{"participant_id":"ada","text":"x","payload":{"a":NaN}}', 400, None),
    "Infinity": (b'{"participant_id":"ada","text":"x","payload":{"a":-Infinity}}', 400, None),
    "1e400": (b'{"participant_id":"ada","text":"x","payload":{"a":1e400}}', 422, "$.payload"),
    "2^70": (b'{"participant_id":"ada","text":"x","payload":{"a":1180591620717411303424}}', 422, "$.payload"),
    "deeper than 32": (b'{"participant_id":"ada","text":"x","payload":{"a":%s}}' % DEEP, 422, "$.payload"),
    "very deep": (b'{"participant_id":"ada","payload":{"a":%s}}' % (b"[" * 9999 + b"]" * 9999), 422, None),
    "a list": (b"[]", 422, "$"),
    "a string": (b'"x"', 422, "$"),
    "a missing field": (b'{"text":"x"}', 422, "$.participant_id"),
    "a wrong type": (b'{"participant_id":"ada","text":1}', 422, "$.text"),
    "null in a required field": (b'{"participant_id":null,"text":"x"}', 422, "$.participant_id"),
    "an unknown field": (b'{"participant_id":"ada","text":"x","extra":"X9marker9X"}', 422, "$.extra"),
    "a value that is not allowed": (b'{"participant_id":"ada","text":"x","visibility":"X9marker9X"}', 422, "$.visibility"),
    "an id with a slash": (b'{"participant_id":"../X9marker9X","text":"x"}', 422, "$.participant_id"),
    "an id with a newline": (b'{"participant_id":"ada\\n","text":"x"}', 422, "$.participant_id"),
    "a time without a zone": (b'{"participant_id":"ada","text":"x","occurred_at":"2030-01-01T00:00:00"}', 422, "$.occurred_at"),
    "an invalid time": (b'{"participant_id":"ada","text":"x","occurred_at":"X9marker9X"}', 422, "$.occurred_at"),
    "U+0000": (b'{"participant_id":"ada","text":"\\u0000X9marker9X"}', 422, "$.text"),
    "an unknown participant": (b'{"participant_id":"X9marker9X","text":"x"}', 422, "$.participant_id"),
    "no text": (b'{"participant_id":"ada"}', 422, "$.text"),
    "over 256 KiB": (b'{"participant_id":"ada","text":"%s"}' % (b"x" * 262_144), 413, None),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_an_invalid_message_is_rejected_with_its_place_and_without_its_content(
    api: TestClient, name: str
) -> None:
    open_conversation(api)
    body, status, field = BAD_MESSAGES[name]
    answer = post_raw(api, "/v1/conversations/c1/messages", body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["status"] == status
    assert {"type", "title", "code", "detail", "retryable"} <= set(found)
    if field is not None:
        assert found["field"].startswith(field)
    assert MARKER not in answer.text
    assert api.get("/v1/conversations/c1/messages").json()["items"] == []


@pytest.mark.parametrize(
    "name", sorted(BAD_MESSAGES.keys() - {"empty", "UTF-16"})
)  # no line of NDJSON
def test_an_invalid_event_in_a_batch_is_rejected_alone(api: TestClient, name: str) -> None:
    body, _, _ = BAD_MESSAGES[name]
    event = body.replace(
        b'{"participant_id"',
        b'{"event_type":"message.created","conversation_id":"c1","participant_id"',
    )
    created = json.dumps(make_event("conversation.created")).encode()
    found = post_raw(api, "/v1/events", created + b"\n" + event + b"\n", "application/x-ndjson")
    assert found.status_code == 207
    assert [result["status"] for result in found.json()["results"]] == ["accepted", "rejected"]
    assert MARKER not in found.text


def test_a_batch_over_the_limits_is_rejected(api: TestClient) -> None:
    lines = b'{"event_type":"message.created"}\n' * 10_001
    assert post_raw(api, "/v1/events", lines, "application/x-ndjson").status_code == 413
    assert post_raw(api, "/v1/events", b"[" + b" " * (8 * 1024 * 1024) + b"]").status_code == 413
    assert post_raw(api, "/v1/events", b"[]", "text/csv").status_code == 415
    compressed = api.post("/v1/events", content=b"[]", headers={"content-encoding": "gzip"})
    assert compressed.status_code == 415


def test_ten_thousand_events_fit_in_one_batch(api: TestClient) -> None:
    events = make_conversation(messages=9_999)
    answer = post_raw(
        api, "/v1/events", b"\n".join(map(msgspec.json.encode, events)), "application/x-ndjson"
    )
    assert (answer.status_code, answer.json()["accepted"]) == (200, 10_000)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/conversations/nowhere",
        "/v1/conversations/nowhere/messages",
        "/v1/conversations/..%2F..%2Fetc",
        "/v1/conversations/%00",
        "/v1/conversations/%F0%9F%A7%B5",
        "/v1/nothing",
    ],
)
def test_an_unknown_path_is_404(api: TestClient, path: str) -> None:
    answer = api.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "cursor=x", "cursor=%00", "cursor=__________8"]
)
def test_an_invalid_parameter_is_named(api: TestClient, query: str) -> None:
    open_conversation(api)
    for path in ("/v1/conversations", "/v1/conversations/c1/messages"):
        answer = api.get(f"{path}?{query}")
        assert answer.status_code == 422
        assert query.partition("=")[0] in answer.json()["field"]


def test_a_message_to_an_unknown_conversation_gets_404(api: TestClient) -> None:
    answer = api.post("/v1/conversations/nowhere/messages", json=MESSAGE)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_conversation")


def test_an_unsupported_method_is_405(api: TestClient) -> None:
    assert api.put("/v1/conversations").json()["code"] == "method_not_allowed"


# --- keys ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer x", "Bearer ck_", "Bearer ck_a_b_c", "Basic eDp5", "Bearer ck_é"],
)
def test_without_a_key_no_data_is_returned_or_stored(api: TestClient, header: str | None) -> None:
    open_conversation(api)
    del api.headers["authorization"]
    headers = {} if header is None else {"authorization": header.encode()}
    answers = [
        api.get("/v1/conversations", headers=headers),  # type: ignore[arg-type]
        api.get("/v1/conversations/c1", headers=headers),  # type: ignore[arg-type]
        api.get("/v1/conversations/c1/messages", headers=headers),  # type: ignore[arg-type]
        api.post("/v1/conversations", json={"channel": "web"}, headers=headers),  # type: ignore[arg-type]
        api.post("/v1/conversations/c1/messages", json=MESSAGE, headers=headers),  # type: ignore[arg-type]
        api.post("/v1/events", json=[make_event()], headers=headers),  # type: ignore[arg-type]
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.json()["code"] for answer in answers} == {"unauthorized"}


@pytest.mark.sqlite
def test_a_key_is_kept_as_a_hash_and_shown_once(
    settings: Settings, clock: Clock, api: TestClient
) -> None:
    engine = open_engine(settings.database_url)
    key = create_key(engine, "mybot", clock())
    secret = key.split("_")[2]
    assert secret.encode() not in settings.store_path.read_bytes()
    assert not any(secret in str(row) for row in list_keys(engine))
    answer = api.get("/v1/conversations", headers={"authorization": f"Bearer {key}"})
    assert answer.status_code == 200


def test_a_revoked_key_is_rejected_after_the_cache_expires(
    settings: Settings, clock: Clock, api: TestClient
) -> None:
    engine = open_engine(settings.database_url)
    seconds = [0.0]
    keyring = ApiKeyAuthenticator(engine, lambda: seconds[0])
    key = create_key(engine, "mybot", clock())
    assert keyring.authenticate(f"Bearer {key}").source == "mybot"
    assert revoke_key(engine, key.split("_")[1], clock())
    assert not revoke_key(engine, key.split("_")[1], clock())
    seconds[0] = CACHE_SECONDS
    with pytest.raises(UnauthorizedError):
        keyring.authenticate(f"Bearer {key}")


@pytest.mark.parametrize("place", [0, 5, 20, 60, -1])
def test_a_key_with_one_letter_changed_is_rejected(
    settings: Settings, clock: Clock, api: TestClient, place: int
) -> None:
    key = list(create_key(open_engine(settings.database_url), "mybot", clock()))
    key[place] = "0" if key[place] != "0" else "1"
    answer = api.get("/v1/conversations", headers={"authorization": "Bearer " + "".join(key)})
    assert answer.status_code == 401


# --- operations ------------------------------------------------------------------------


def test_health_and_metrics_need_no_key(api: TestClient) -> None:
    api.post("/v1/events", json=make_conversation(messages=1))
    del api.headers["authorization"]
    assert api.get("/healthz").json() == {"status": "ok"}
    assert api.get("/readyz").json() == {"status": "ok"}
    metrics = api.get("/metrics").text
    assert 'convolake_events_total{status="accepted"} 2.0' in metrics
    assert "convolake_log_position 3.0" in metrics


def test_the_api_page_loads_no_external_resources(api: TestClient) -> None:
    page = api.get("/docs").text
    assert "https://" not in page
    paths = api.get("/openapi.json").json()["paths"]
    assert set(paths["/v1/conversations/{conversation_id}/messages"]) == {"get", "post"}
    for path in paths.values():
        for route in path.values():
            assert "422" in route["responses"] or not route["tags"][0].startswith(
                ("mess", "conv", "ev")
            )


@pytest.mark.parametrize(
    "path", ["/v1/events", "/v1/conversations/c1/messages", "/v1/conversations"]
)
def test_a_server_error_is_a_problem_document_without_details(
    settings: Settings, path: str
) -> None:
    never_started = TestClient(
        FastPathMiddleware(create_app(settings)), raise_server_exceptions=False
    )
    answer = never_started.post(path, json=MESSAGE)
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "Traceback" not in answer.text


def test_a_conversation_opened_again_with_the_same_event_id_is_the_same(api: TestClient) -> None:
    first, again = (
        api.post("/v1/conversations", json={"channel": "web", "event_id": "e1"}) for _ in range(2)
    )
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["conversation_id"] == again.json()["conversation_id"]


@pytest.mark.sqlite
def test_a_log_older_than_its_lake_is_not_written_to(record: Record) -> None:
    record.write(make_conversation())
    record.seal()
    for path in record.settings.data.glob("log.sqlite*"):
        path.unlink()
    with (
        pytest.raises(LogBehindLakeError, match="ends at position 4"),
        TestClient(create_app(record.settings)),
    ):
        pass
    with pytest.raises(GapError, match="another log"):
        run_in_adbc_process(catch_up, record.settings)


@pytest.mark.sqlite
def test_two_processes_cannot_write_one_log(settings: Settings, api: TestClient) -> None:
    with (
        pytest.raises(LogLockedError, match="another API process"),
        TestClient(create_app(settings)),
    ):
        pass


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "POST",
            "/v1/events",
            b'{"event_type":"conversation.created","conversation_id":"c9","channel":"web"}',
        ),
        ("POST", "/v1/conversations", b'{"conversation_id":"c9","channel":"web"}'),
        ("POST", "/v1/webhooks", b'{"url":"https://bot.example/hook"}'),
    ],
)
def test_every_route_takes_json_without_its_content_type(
    api: TestClient, content_type: str, method: str, path: str, body: bytes
) -> None:
    headers = {"content-type": content_type} if content_type else {}
    answer = api.request(method, path, content=body, headers=headers)
    assert answer.status_code == 201, answer.text


@pytest.mark.parametrize("path", ["/v1/events", "/v1/conversations", "/v1/webhooks"])
def test_another_content_type_is_415_on_every_route(api: TestClient, path: str) -> None:
    answer = api.post(path, content=b"<a/>", headers={"content-type": "application/xml"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert "application/json" in answer.json()["detail"]


def test_an_unknown_field_is_named(api: TestClient) -> None:
    answer = api.post("/v1/conversations", json={"channel": "web", "chanel_account": "x"})
    assert (answer.status_code, answer.json()["field"]) == (422, "$.chanel_account")
    strange = api.post("/v1/conversations", json={"channel": "web", "my secret": "x"})
    assert strange.json()["field"] == "$"


def test_one_idempotency_key_names_one_event_a_route_and_target(api: TestClient) -> None:
    headers = {"idempotency-key": "k1"}
    body = {
        "channel": "web",
        "participants": [{"participant_id": "ada", "participant_role": "customer"}],
    }
    for conversation_id in ("c1", "c2"):
        created = api.post("/v1/conversations", json=body | {"conversation_id": conversation_id})
        assert created.status_code == 201
        message = {"participant_id": "ada", "text": "hello"}
        first = api.post(
            f"/v1/conversations/{conversation_id}/messages", json=message, headers=headers
        )
        again = api.post(
            f"/v1/conversations/{conversation_id}/messages", json=message, headers=headers
        )
        assert (first.status_code, again.content) == (201, first.content)
    resolved = api.post("/v1/conversations/c1/resolve", json={}, headers=headers)
    assert resolved.status_code == 201
