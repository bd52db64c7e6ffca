"""Real exports come in through the route, equal to another reading of the file.

They are third-party data next to the checkout; without them these tests are skipped, and the others still run.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.bots.conftest import BotApi
from tests.bots.otlp_bodies import pairs

DATA = Path(__file__).parents[3] / "shared/data/D_bot_logs"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the files are not next to this checkout")

EXPORTS = sorted((DATA / "otlp_json").glob("*.json"))
SDK_SPANS = sorted((DATA / "otel_spans_openinference").glob("ai-*.json"))


def spans_in(body: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Each span of an export, with its attributes."""
    for resource in body["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                named = {each["key"]: value_of(each["value"]) for each in span["attributes"]}
                yield span, named


def value_of(value: dict[str, Any]) -> Any:
    ((kind, inner),) = value.items()
    if kind == "arrayValue":
        return [value_of(each) for each in inner["values"]]
    return int(inner) if kind == "intValue" else inner


def instant(nanoseconds: str) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=int(nanoseconds) // 1000)


def content_of(given: Any) -> str:
    if isinstance(given, str):
        return given
    return "".join(each.get("text", "") for each in given if each.get("type", "text") == "text")


def read_export(path: Path) -> list[tuple[str, str]]:
    """Roles and texts of an export, each dialect by hand."""
    ((_, named),) = spans_in(json.loads(path.read_text()))
    if "gen_ai.input.messages" in named:
        system = json.loads(named["gen_ai.system_instructions"])
        given = json.loads(named["gen_ai.input.messages"])
        given += json.loads(named["gen_ai.output.messages"])
        said = [("system", content_of(system))]
        said += [(each["role"], content_of(each["content"])) for each in given]
        return [each for each in said if each[1]]
    if "llm.input_messages.0.message.role" in named:
        names = ("llm.input_messages.0", "llm.input_messages.1", "llm.output_messages.0")
        return [(named[f"{name}.message.role"], named[f"{name}.message.content"]) for name in names]
    if "gen_ai.prompt.0.content.0.text" in named:
        return [
            ("user", named["gen_ai.prompt.0.content.0.text"]),
            ("assistant", named["gen_ai.completion.0.text"]),
        ]
    names = ("gen_ai.prompt.0", "gen_ai.prompt.1", "gen_ai.completion.0")
    return [
        (named[f"{name}.role"], named[f"{name}.content"])
        for name in names
        if f"{name}.role" in named
    ]


ROLES = {"user": "customer", "assistant": "bot", "system": "system"}


@pytest.mark.parametrize("path", EXPORTS, ids=lambda path: path.stem)
def test_an_export_comes_in_as_another_reading_of_it_says(bot_api: BotApi, path: Path) -> None:
    body = json.loads(path.read_text())
    ((span, named),) = spans_in(body)
    assert bot_api.send(body) == {}
    bot_api.convert()
    if not any(name.startswith(("gen_ai.", "llm.")) for name in named):
        assert bot_api.conversations() == []  # a request that failed, without a model
        return
    (conversation,) = bot_api.conversations()
    wanted = [(ROLES[role], text) for role, text in read_export(path) if role in ROLES]
    assert bot_api.messages(conversation) == wanted
    (call,) = bot_api.calls(conversation)
    model = named.get("gen_ai.response.model") or named.get("llm.model_name")
    assert call["model"] == (model or named["gen_ai.request.model"])
    for field, names in (
        ("input_tokens", ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
        ("output_tokens", ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
    ):
        found = [named[name] for name in names if name in named]
        assert call.get(field) == (found[0] if found else None)
    seconds = (int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"])) / 1e9
    assert call["latency_seconds"] == pytest.approx(seconds)
    chunks = [int(each["timeUnixNano"]) for each in span.get("events", [])]
    if chunks:
        first = (min(chunks) - int(span["startTimeUnixNano"])) / 1e9
        assert call["first_chunk_seconds"] == pytest.approx(first)
    times = [datetime.fromisoformat(each["happened_at"]) for each in bot_api.events(conversation)]
    assert times[-1] == instant(span["endTimeUnixNano"])
    if wanted:
        assert times[0] == instant(span["startTimeUnixNano"])


def test_the_exports_name_their_conversations_as_they_can(bot_api: BotApi) -> None:
    for path in EXPORTS:
        bot_api.send(json.loads(path.read_text()))
    bot_api.convert()
    named = {
        each for each in bot_api.conversations() if not all(c in "0123456789abcdef" for c in each)
    }
    assert named == {"my-test-session", "ses_dogfood_claude_code_0001"}
    assert len(bot_api.conversations()) == 5


def test_the_results_of_tools_in_an_export_are_stored(bot_api: BotApi) -> None:
    path = DATA / "otlp_json" / "langwatch_genAiRequest.json"
    ((_, named),) = spans_in(json.loads(path.read_text()))
    parts = [
        part
        for message in json.loads(named["gen_ai.input.messages"])
        if isinstance(message["content"], list)
        for part in message["content"]
        if part["type"] != "text"
    ]
    bot_api.send(json.loads(path.read_text()))
    bot_api.convert()
    (conversation,) = bot_api.conversations()
    (called,) = bot_api.events(conversation, "bot.tool_called")
    (returned,) = bot_api.events(conversation, "custom.tool_returned")
    assert [called["payload"]["tool"], called["payload"]["arguments"]] == [
        parts[0]["name"],
        parts[0]["input"],
    ]
    assert returned["payload"]["result"] == parts[1]["content"]


def to_otlp(span: dict[str, Any], number: int) -> dict[str, Any]:
    """A span as the SDK for JavaScript dumps it, with [seconds, nanoseconds], as OTLP."""
    start, end = (
        str(seconds * 10**9 + rest) for seconds, rest in (span["startTime"], span["endTime"])
    )
    return {
        **span["spanContext"],
        "parentSpanId": "" if "doGenerate" not in span["name"] else f"{number + 1:016x}",
        "name": span["name"],
        "startTimeUnixNano": start,
        "endTimeUnixNano": end,
        "status": span["status"],
        "attributes": pairs(span["attributes"]),
    }


def read_sdk_span(named: dict[str, Any]) -> list[tuple[str, str]]:
    prompt = named.get("ai.prompt.messages")
    if prompt is None:
        asked = json.loads(named["ai.prompt"])
        prompt = json.dumps(asked.get("messages") or [{"role": "user", "content": asked["prompt"]}])
    said = [(each["role"], content_of(each["content"])) for each in json.loads(prompt)]
    answer = named.get("ai.response.text") or named["ai.response.object"]
    return [(ROLES[role], text) for role, text in [*said, ("assistant", answer)]]


@pytest.mark.parametrize("path", SDK_SPANS, ids=lambda path: path.stem)
def test_spans_of_the_vercel_sdk_come_in_as_another_reading_of_them_says(
    bot_api: BotApi, path: Path
) -> None:
    dumped = json.loads(path.read_text())
    spans = [to_otlp(span, number) for number, span in enumerate(dumped)]
    bot_api.send({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    bot_api.convert()
    assert len(bot_api.conversations()) == len(dumped)
    for span in dumped:
        named, conversation = span["attributes"], span["spanContext"]["traceId"]
        assert sorted(bot_api.messages(conversation)) == sorted(read_sdk_span(named))
        calls = bot_api.calls(conversation)
        if "doGenerate" in span["name"]:
            (call,) = calls
            assert call["input_tokens"] == named["ai.usage.promptTokens"]
            assert call["output_tokens"] == named["ai.usage.completionTokens"]
            assert call["finish_reason"] == named["ai.response.finishReason"]
        else:
            assert calls == []
