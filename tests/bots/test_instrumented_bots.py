"""Bots of three frameworks are logged by the endpoint of their exporter and a key, without a line for Convolake."""

import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ingest.manifest import ManifestError
from tests.api_server import Installation, wait_until
from tests.bots.instrumented.model_stand_in import run_model
from tests.dashboard_app import show_page
from tests.factories import Record

FOLDER = Path(__file__).parents[2]
PYTHON = FOLDER / ".venv-bots" / "bin" / "python"

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON.exists(), reason="`make test-bots` installs the frameworks"),
]

QUESTIONS = ("Hello", "Where is my order?", "Thanks", "Hello")
SAID = [
    ("system", "Be brief."),
    ("customer", "Hello"),
    ("bot", "You said: Hello"),
    ("customer", "Where is my order?"),
    ("bot", "Order 7 is on its way."),
    ("customer", "Thanks"),
    ("bot", "You said: Thanks"),
    ("customer", "Hello"),
    ("bot", "You said: Hello"),
]
CURRENT = {
    "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY",
}
EVENTS = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "EVENT_ONLY"}
"""The instrumentation of OpenAI leaves out what was said unless it is told to write it, to spans or to logs."""

BOTS: dict[str, tuple[str, dict[str, str]]] = {
    "openai_spans": ("openai_bot", CURRENT),
    "openai_logs": ("openai_bot", EVENTS),
    "langchain": ("langchain_bot", {}),
    "pydantic": ("pydantic_bot", {}),
}


def run_bot(name: str, installation: Installation, **more: str) -> None:
    """Let a bot answer the questions; all that it knows of Convolake is in two variables of OpenTelemetry."""
    environment = {
        "PATH": os.environ["PATH"],
        "OTEL_EXPORTER_OTLP_ENDPOINT": installation.url,
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer%20{installation.key}",
        **more,
    }
    script = FOLDER / "tests" / "bots" / "instrumented" / f"{name}.py"
    with run_model() as model:
        ran = subprocess.run(
            [PYTHON, script, model, *QUESTIONS], env=environment, capture_output=True, timeout=120
        )
    assert ran.returncode == 0, ran.stderr.decode()
    assert b"Failed to export" not in ran.stderr, ran.stderr.decode()


def events_of(installation: Installation) -> tuple[str, list[dict[str, Any]]]:
    """The only conversation, and its events, as soon as the spans are converted."""
    installation.clock.forward(minutes=2)

    def items(path: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = installation.http.get(path).json()["items"]
        return found

    wait_until(lambda: items("/v1/conversations"), 20, "a conversation")
    (conversation,) = items("/v1/conversations")
    name = conversation["conversation_id"]
    path = f"/v1/conversations/{name}/events?limit=100"
    wait_until(
        lambda: sum(each["event_type"] == "bot.turn_completed" for each in items(path)) == 5,
        20,
        "five calls of the model",
    )
    return name, items(path)


@pytest.mark.parametrize("bot", BOTS)
def test_a_bot_of_each_framework_is_logged_by_its_exporters_endpoint_alone(
    installation: Installation, bot: str
) -> None:
    script, variables = BOTS[bot]
    run_bot(script, installation, **variables)
    _, events = events_of(installation)
    said = [
        (each["participant_role"], each["text"])
        for each in events
        if each["event_type"] == "message.created"
    ]
    assert said == SAID
    calls = [
        each["payload"]["model_call"]
        for each in events
        if each["event_type"] == "bot.turn_completed"
    ]
    for call in calls:
        assert call["model"].startswith("stand-in")
        assert (call["input_tokens"], call["output_tokens"]) == (20, 9)
        assert 0 < call["latency_seconds"] < 30
        assert call["finish_reason"]
        if bot in ("langchain", "pydantic"):
            assert (call["cached_tokens"], call["reasoning_tokens"]) == (8, 4)
    (called,) = [each for each in events if each["event_type"] == "bot.tool_called"]
    (returned,) = [each for each in events if each["event_type"] == "custom.tool_returned"]
    assert called["payload"]["tool"] == returned["payload"]["tool"] == "find_order"
    assert called["payload"]["arguments"] == {"number": 7}
    assert returned["payload"]["result"] == {"status": "sent"}


@pytest.fixture
def in_the_present(installation: Installation) -> Installation:
    installation.clock.set(datetime.now(UTC))
    return installation


def test_the_dashboard_shows_the_calls_of_three_bots_with_tokens_and_latency(
    in_the_present: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation = in_the_present
    for script, variables in (BOTS["openai_spans"], BOTS["langchain"], BOTS["pydantic"]):
        run_bot(script, installation, **variables)
    installation.clock.forward(minutes=2)
    path = "/v1/conversations"
    wait_until(
        lambda: len(installation.http.get(path).json()["items"]) == 3, 20, "three conversations"
    )
    record = Record(installation.settings, installation.clock)
    names = [each["conversation_id"] for each in installation.http.get(path).json()["items"]]

    def is_loaded() -> bool:
        record.seal()
        try:
            record.load()
        except ManifestError:
            return False
        return bool(record.query("select count(*) as n from model_calls")[0]["n"] == 15)

    wait_until(is_loaded, 60, "fifteen calls in the warehouse")
    rows = record.query(
        "select conversation_id, count(*) as calls, sum(total_tokens) as tokens, min(latency_seconds) as fastest "
        "from model_calls group by all"
    )
    assert {row["conversation_id"]: (row["calls"], row["tokens"]) for row in rows} == dict.fromkeys(
        names, (5, 5 * 29)
    )
    assert all(row["fastest"] > 0 for row in rows)
    said = record.query(
        "select conversation_id, count(*) as n, count(distinct sequence) as places from messages group by all"
    )
    assert {(row["conversation_id"], row["n"]) for row in said} == {
        (name, len(SAID)) for name in names
    }
    monkeypatch.setenv("CONVOLAKE_DATA", str(installation.settings.data))
    monkeypatch.setenv("CONVOLAKE_API_URL", installation.url)
    monkeypatch.setenv("CONVOLAKE_API_KEY", installation.key)
    for name in names:
        page = show_page("conversations", conversation=name)
        labels = [each.label for each in page.expander if "Model call" in each.label]
        assert len(labels) == 5
        assert all("29 tokens" in label and label.endswith(" s") for label in labels), labels
