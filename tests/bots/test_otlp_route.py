"""OTLP over HTTP: bodies in two formats, limits, and the answers that the protocol defines."""

import gzip
import json
from pathlib import Path

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from ingest.api.routes import otlp
from ingest.settings import Settings
from tests.bots.conftest import BotApi
from tests.bots.otlp_bodies import (
    JSON,
    PROTOBUF,
    Body,
    chat,
    genai,
    make_log,
    make_logs,
    make_span,
    make_traces,
    to_protobuf,
)
from tests.factories import make_key

HELLO = make_traces(
    [make_span(1, 1, attributes=genai([chat("Hello")], [chat("Good day", "assistant")]))]
)
SAID = [("customer", "Hello"), ("bot", "Good day")]


def body_of(kind: dict[str, str], body: Body) -> bytes:
    return json.dumps(body).encode() if kind == JSON else to_protobuf(body)


@pytest.mark.parametrize("kind", [JSON, PROTOBUF], ids=["json", "protobuf"])
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
def test_a_span_becomes_a_conversation_in_each_format(
    bot_api: BotApi, kind: dict[str, str], is_packed: bool
) -> None:
    body = body_of(kind, HELLO)
    headers = kind | ({"content-encoding": "gzip"} if is_packed else {})
    response = bot_api.client.post(
        "/v1/traces", content=gzip.compress(body, mtime=0) if is_packed else body, headers=headers
    )
    assert response.status_code == 200
    assert response.headers["content-type"] == kind["content-type"]
    assert response.content == (b"{}" if kind == JSON else b"")
    bot_api.convert()
    assert bot_api.messages() == SAID
    (call,) = bot_api.calls()
    assert (call["model"], call["input_tokens"], call["output_tokens"]) == ("small", 10, 5)
    assert call["latency_seconds"] == 1.0


@pytest.mark.parametrize("kind", [JSON, PROTOBUF], ids=["json", "protobuf"])
def test_log_records_become_messages_in_each_format(bot_api: BotApi, kind: dict[str, str]) -> None:
    records = [
        make_log(1, 1, "gen_ai.user.message", {"content": "Hello"}, at=0),
        make_log(1, 1, "gen_ai.choice", {"index": 0, "message": {"content": "Good day"}}, at=1),
    ]
    body = body_of(kind, make_logs(records))
    response = bot_api.client.post("/v1/logs", content=body, headers=kind)
    assert response.status_code == 200
    bot_api.convert()
    assert bot_api.messages(f"{1:032x}") == SAID


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
def test_a_key_in_a_header_of_its_own_counts_as_a_bearer_token(bot_api: BotApi, name: str) -> None:
    del bot_api.client.headers["authorization"]
    assert bot_api.client.post("/v1/traces", json=HELLO).status_code == 401
    response = bot_api.client.post("/v1/traces", json=HELLO, headers={name: bot_api.key})
    assert response.status_code == 200


def test_a_part_that_cannot_be_read_is_counted_with_its_reason_and_the_rest_is_stored(
    bot_api: BotApi,
) -> None:
    good = HELLO["resourceSpans"][0]["scopeSpans"][0]["spans"][0]
    timeless = make_span(2, 2, startTimeUnixNano="0", endTimeUnixNano="0")
    broken = make_span(3, 3, attributes={}, startTimeUnixNano=["no time"])
    answer = bot_api.send(make_traces([broken, good, timeless]))
    assert answer["partialSuccess"]["rejectedSpans"] == "2"
    assert "before 1990" in answer["partialSuccess"]["errorMessage"]
    bot_api.convert()
    assert bot_api.messages() == SAID


def test_partial_success_in_protobuf_names_the_records_of_its_signal(bot_api: BotApi) -> None:
    timeless = make_span(2, 2, startTimeUnixNano="0", endTimeUnixNano="0")
    response = bot_api.client.post(
        "/v1/traces", content=to_protobuf(make_traces([timeless])), headers=PROTOBUF
    )
    spans = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert (spans.rejected_spans, bool(spans.error_message)) == (1, True)
    record = make_log(1, 1, "gen_ai.user.message", {"content": "Hello"}, timeUnixNano="1")
    response = bot_api.client.post(
        "/v1/logs", content=to_protobuf(make_logs([record])), headers=PROTOBUF
    )
    logs = ExportLogsServiceResponse.FromString(response.content).partial_success
    assert (logs.rejected_log_records, bool(logs.error_message)) == (1, True)


BAD: list[tuple[dict[str, str], bytes, int]] = [
    (JSON, b"{", 400),
    (JSON, b'{"resourceSpans": 3}', 400),
    (JSON, b"[" * 100_000, 400),
    (JSON, b'{"resourceSpans": [{"scopeSpans": [{"scope": {"name": "\xff"}}]}]}', 400),
    (JSON, b'{"resourceSpans": [{"scopeSpans": [{"scope": {"name": "\\ud800"}}]}]}', 400),
    (PROTOBUF, b"\x0a\xff", 400),
    (JSON | {"content-encoding": "gzip"}, b"no gzip", 400),
    (JSON | {"content-encoding": "gzip"}, gzip.compress(b"{}", mtime=0)[:-5], 400),
    (JSON | {"content-encoding": "br"}, b"{}", 415),
    ({"content-type": "text/xml"}, b"{}", 415),
]


@pytest.mark.parametrize(("headers", "body", "status"), BAD, ids=range(len(BAD)))
def test_a_bad_body_is_answered_with_a_status_that_no_client_repeats(
    bot_api: BotApi, headers: dict[str, str], body: bytes, status: int
) -> None:
    response = bot_api.client.post("/v1/traces", content=body, headers=headers)
    assert response.status_code == status
    assert "retry-after" not in response.headers
    if headers["content-type"] != PROTOBUF["content-type"]:
        assert response.json()["message"]


def test_a_small_body_that_unpacks_to_a_huge_one_is_rejected(bot_api: BotApi) -> None:
    bomb = gzip.compress(b" " * (otlp.MAX_UNPACKED_BYTES + 1), mtime=0)
    assert len(bomb) < 100_000
    headers = JSON | {"content-encoding": "gzip"}
    assert bot_api.client.post("/v1/traces", content=bomb, headers=headers).status_code == 413
    twice = gzip.compress(b" " * (otlp.MAX_UNPACKED_BYTES // 2 + 1), mtime=0) * 2
    assert bot_api.client.post("/v1/traces", content=twice, headers=headers).status_code == 413


def test_a_body_over_the_limit_is_rejected(bot_api: BotApi) -> None:
    body = b" " * (otlp.MAX_BODY_BYTES + 1)
    assert bot_api.client.post("/v1/traces", content=body, headers=JSON).status_code == 413


def assert_may_be_repeated(bot_api: BotApi, status: int) -> None:
    """Send until the API answers with `status`: it says when to repeat, in the format of the request."""
    for _ in range(20):
        response = bot_api.client.post("/v1/traces", content=to_protobuf(HELLO), headers=PROTOBUF)
        if response.status_code == status:
            break
    assert response.status_code == status
    assert int(response.headers["retry-after"]) >= 1
    assert response.headers["content-type"] == PROTOBUF["content-type"]
    assert response.content[:1] == b"\x08"


def test_a_log_that_does_not_write_is_answered_with_503_and_a_time(bot_api: BotApi) -> None:
    bot_api.app.state.context.writer.stop()
    assert_may_be_repeated(bot_api, 503)


@pytest.fixture
def settings(request: pytest.FixtureRequest, tmp_path: Path, store_url: str | None) -> Settings:
    """With a low limit of requests where the test is about it."""
    limit = 1 if "too_many_requests" in request.node.name else 0
    return Settings(data=tmp_path / "data", store_url=store_url, requests_per_second=limit)


def test_too_many_requests_are_answered_with_429_and_a_time(bot_api: BotApi) -> None:
    assert_may_be_repeated(bot_api, 429)


def test_a_repeated_request_is_stored_once(bot_api: BotApi) -> None:
    bot_api.send(HELLO)
    bot_api.send(HELLO)
    bot_api.convert()
    bot_api.send(HELLO)
    bot_api.convert()
    assert bot_api.messages() == SAID
    assert len(bot_api.calls()) == 1


def test_spans_that_no_model_or_tool_made_are_left_out(bot_api: BotApi) -> None:
    attributes = {"http.method": "GET", "db.system": "postgresql"}
    assert bot_api.send(make_traces([make_span(1, 1, attributes=attributes)])) == {}
    bot_api.convert()
    assert bot_api.conversations() == []


def send_with_key(bot_api: BotApi, settings: Settings, body: Body, *scopes: str) -> None:
    """Send with a key that has only these scopes."""
    headers = JSON | {"authorization": f"Bearer {make_key(settings, *scopes)}"}
    signal = "traces" if "resourceSpans" in body else "logs"
    assert bot_api.client.post(f"/v1/{signal}", json=body, headers=headers).status_code == 200
    bot_api.convert()


@pytest.mark.parametrize(
    ("hours", "scopes"),
    [(0.0, ("events:write",)), (22.9, ("events:write",)), (50.0, ("events:write", "import"))],
    ids=["at once", "within a day", "old, with import"],
)
def test_a_span_keeps_its_time_also_if_its_exporter_was_cut_off_for_hours(
    bot_api: BotApi, settings: Settings, hours: float, scopes: tuple[str, ...]
) -> None:
    bot_api.clock.forward(hours=hours)
    send_with_key(bot_api, settings, HELLO, *scopes)
    for event in bot_api.events("c1", "conversation.created", "message.created"):
        assert event["happened_at"] == event["occurred_at"] < event["received_at"]


def test_a_time_that_is_older_than_a_day_orders_nothing_without_the_scope_import(
    bot_api: BotApi, settings: Settings
) -> None:
    bot_api.clock.forward(hours=23.1)
    send_with_key(bot_api, settings, HELLO, "events:write")
    assert bot_api.messages() == SAID
    for event in bot_api.events("c1", "conversation.created", "message.created"):
        assert event["occurred_at"] < event["happened_at"] == event["received_at"]


def test_an_old_time_of_a_log_record_orders_nothing_without_the_scope_import(
    bot_api: BotApi, settings: Settings
) -> None:
    bot_api.clock.forward(hours=23.1)
    record = make_log(1, 1, "gen_ai.user.message", {"content": "Hello"})
    send_with_key(bot_api, settings, make_logs([record]), "events:write")
    (message,) = bot_api.events(f"{1:032x}", "message.created")
    assert message["occurred_at"] < message["happened_at"] == message["received_at"]
