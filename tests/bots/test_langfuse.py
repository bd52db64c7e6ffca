"""Langfuse's traces: chats that are repeated in every generation, tools, tokens, scores."""

import json
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from ingest.bots import LOGGERS
from ingest.bots.base import Part, Surroundings, Unreadable
from ingest.bots.bot_event import BotEvent, UnreadableRecordError, render
from tests.bots.real_files import damage, events, files, needs_files, said, types, when
from tests.real_files import read


def parts(*records: Any) -> list[Part]:
    reader = LOGGERS["langfuse"].open(Surroundings())
    return [part for each in records for part in reader(each)]


def made(*records: Any) -> list[dict[str, Any]]:
    return [render(part) for part in parts(*records) if isinstance(part, BotEvent)]


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [each["text"] for each in found if each["event_type"] == "message.created"]


def generation(number: int, said: Any, answer: Any, **more: Any) -> dict[str, Any]:
    return {
        "id": f"o-{number}", "type": "GENERATION", "startTime": f"2025-01-01T10:0{number}:00Z",
        "endTime": f"2025-01-01T10:0{number}:02Z", "model": "gpt-5", "input": said, "output": answer,
    } | more  # fmt: skip


def trace(number: int, *observations: dict[str, Any], **more: Any) -> dict[str, Any]:
    own = {
        "id": f"t-{number}",
        "timestamp": f"2025-01-01T10:0{number}:00Z",
        "sessionId": "s",
        "userId": "ada",
    }
    return {"trace": own | more, "observations": list(observations)}


FIRST = trace(1, generation(1, [{"role": "user", "content": "Hi"}], "Hello"))
SECOND = trace(
    2,
    generation(
        2,
        json.dumps([
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Bye"},
        ]),
        {"role": "assistant", "content": "See you"},
    ),
)  # fmt: skip
ALL = ["Hi", "Hello", "Bye", "See you"]


def test_traces_of_a_session_are_one_conversation_with_each_message_once() -> None:
    found = made(FIRST, SECOND)
    assert texts(found) == ALL
    assert {each["conversation_id"] for each in found} == {"langfuse-s"}
    assert {each["participant_id"] for each in found} == {"langfuse-ada", "assistant"}


def test_a_question_has_the_time_of_the_call_and_an_answer_that_of_its_end() -> None:
    times = {each["text"]: each["happened_at"] for each in made(FIRST) if "text" in each}
    assert times == {
        "Hi": "2025-01-01T10:01:00+00:00",
        "Hello": "2025-01-01T10:01:02+00:00",
    }


def test_a_file_with_the_newest_trace_first_is_put_in_order(tmp_path: Path) -> None:
    for number, order in enumerate(permutations([FIRST, SECOND])):
        path = tmp_path / f"{number}.jsonl"
        path.write_text("\n".join(map(json.dumps, order)))
        assert texts(events(read("langfuse", path))) == ALL


def test_observations_in_lines_of_their_own_are_put_together(tmp_path: Path) -> None:
    inner = FIRST["observations"][0] | {"traceId": "t-1", "parentObservationId": "outer"}
    outer = generation(1, {"prompt": "Hi"}, "Hello", id="outer", traceId="t-1")
    path = tmp_path / "observations.jsonl"
    path.write_text("\n".join(map(json.dumps, [inner, outer])))
    items = read("langfuse", path)
    assert texts(events(items)) == ["Hi", "Hello"]
    assert types(items)["bot.turn_completed"] == 1  # the outer generation only wraps the inner one


def test_pages_of_the_api_and_traces_with_observations_inside_are_read() -> None:
    inside = FIRST["trace"] | {"observations": FIRST["observations"], "input": None}
    assert texts(made({"data": [FIRST, SECOND], "meta": {}})) == ALL
    assert texts(made(inside)) == ["Hi", "Hello"]


def test_a_call_has_its_tokens_its_cost_and_its_latency() -> None:
    usage = {
        "input": 10, "output": 4, "total": 14, "input_cache_read": 8, "output_reasoning": 3,
    }  # fmt: skip
    more = {"usageDetails": usage, "totalCost": 0.002, "timeToFirstToken": 0.5}
    found = made(trace(1, generation(1, "Hi", "Hello", **more)))
    (turn,) = [each for each in found if each["event_type"] == "bot.turn_completed"]
    assert turn["payload"]["model_call"] == {
        "model": "gpt-5", "input_tokens": 10, "output_tokens": 4, "tokens": 14, "cached_tokens": 8,
        "reasoning_tokens": 3, "cost": 0.002, "latency_seconds": 2.0, "first_chunk_seconds": 0.5,
    }  # fmt: skip


def test_a_generation_with_an_error_is_a_failed_turn() -> None:
    failed = generation(1, "Hi", None, level="ERROR", statusMessage="overloaded")
    (turn,) = [each for each in made(trace(1, failed)) if each["event_type"] == "bot.turn_failed"]
    assert turn["payload"]["reason"] == "overloaded"


def test_a_tool_is_recorded_once_whether_the_chat_has_its_result_or_not() -> None:
    call = {"id": "call_abcdefgh", "function": {"name": "find", "arguments": "{}"}}
    asked = [{"role": "user", "content": "Hi"}]
    calls = {"role": "assistant", "content": None, "tool_calls": [call]}
    result = {"role": "tool", "tool_call_id": "call_abcdefgh", "content": "found"}
    tool = {"id": "o-9", "type": "TOOL", "name": "execute_tool find", "startTime": "2025-01-01T10:01:03Z",
            "input": {}, "output": "found"}  # fmt: skip
    without = trace(1, generation(1, asked, calls), tool)
    within = trace(
        1, generation(1, asked, calls), tool, generation(2, [*asked, calls, result], "Here")
    )
    for record in (without, within, trace(1, tool)):
        kinds = [each["event_type"] for each in made(record)]
        assert kinds.count("bot.tool_called") == 1
        assert kinds.count("custom.tool_returned") == 1


def test_a_trace_without_generations_gives_its_input_and_output() -> None:
    assert texts(made(trace(1, input="Hi", output="Hello"))) == ["Hi", "Hello"]


def test_a_bad_observation_costs_no_other() -> None:
    bad = generation(2, "x", "y", startTime="9999-01-01T00:00:00Z")
    found = parts(trace(1, bad, *FIRST["observations"]))
    assert [each.part for each in found if isinstance(each, Unreadable)] == ["observation 1"]
    assert texts([render(each) for each in found if isinstance(each, BotEvent)]) == ["Hi", "Hello"]


@pytest.mark.parametrize("record", [None, 5, [], {}, {"id": "x"}, {"a": {"input": {}}}])
def test_what_is_no_trace_is_an_error(record: Any) -> None:
    with pytest.raises(UnreadableRecordError, match="trace"):
        parts(record)


Talk = list[tuple[str, str]]
ROLES = {"user": "customer", "assistant": "bot", "model": "bot", "system": "system"}


def expected_talk(document: dict[str, Any], chats: dict[str, Any]) -> Talk:
    """What Langfuse's own expected chats of the innermost generations say, each message once."""
    observations = document["observations"]
    outer = {each["parentObservationId"] for each in observations if each["type"] == "GENERATION"}
    inner = [
        each for each in observations if each["type"] == "GENERATION" and each["id"] not in outer
    ]
    found: Talk = []
    for each in sorted(inner, key=lambda each: str(each["startTime"])):
        chat = chats.get(each["id"], {})
        for side in ("input", "output"):
            for message in chat.get(side, {}).get("data", ()):
                message = message.get("json", {}).get("message", message)
                pair = (ROLES.get(message["role"], ""), message.get("content"))
                if pair[0] and pair[1] and pair not in found:
                    found.append(pair)
    return found


@needs_files
@pytest.mark.parametrize(
    "path", files("langfuse_traces", without=".chatml."), ids=lambda path: path.name.split(".")[0]
)
def test_a_real_trace_equals_the_chat_that_langfuse_expects(path: Path) -> None:
    document = json.loads(path.read_text())
    chats = json.loads(Path(str(path).replace(".trace.", ".chatml.")).read_text())
    items = read("langfuse", path)
    assert not damage(items)
    found = [(each["participant_role"], each["text"]) for each in events(items, "message.created")]
    expected = expected_talk(document, chats)
    if not expected:  # Langfuse has no chat for this one: the trace says it
        one, other = json.loads(document["trace"]["input"]), json.loads(document["trace"]["output"])
        expected = [("customer", one), ("bot", other)]
    # a result of a tool that Gemini has with the role `user`
    results = [json.loads(each["payload"]["result"]) for each in events(items, "custom.tool_returned")
               if each["payload"]["result"].startswith(("{", "["))]  # fmt: skip
    texts_only = [
        pair
        for pair in expected
        if pair[0] != "system" and not (pair[1][0] == "{" and json.loads(pair[1]) in results)
    ]
    assert [pair for pair in found if pair[0] != "system"] == texts_only
    assert {pair for pair in expected if pair[0] == "system"} <= set(found)


@needs_files
@pytest.mark.parametrize(
    "path", files("langfuse_traces", without=".chatml."), ids=lambda path: path.name.split(".")[0]
)
def test_a_real_trace_has_the_tokens_tools_and_times_of_its_observations(path: Path) -> None:
    document = json.loads(path.read_text())
    items = read("langfuse", path)
    observations = document["observations"]
    outer = {each["parentObservationId"] for each in observations if each["type"] == "GENERATION"}
    inner = [
        each for each in observations if each["type"] == "GENERATION" and each["id"] not in outer
    ]
    calls = [each["payload"]["model_call"] for each in events(items, "bot.turn_completed")]
    assert sorted((each["input_tokens"], each["output_tokens"]) for each in calls) == sorted(
        (each["usageDetails"]["input"], each["usageDetails"]["output"]) for each in inner
    )
    assert types(items)["bot.tool_called"] == types(items)["custom.tool_returned"]
    tools = {json.dumps(each["input"]) for each in observations if each["type"] == "TOOL"}
    is_called = bool(tools) or "tool_calls" in path.read_text()
    assert types(items)["bot.tool_called"] == is_called
    ends = {datetime.fromisoformat(each["endTime"]) for each in inner}
    assert {when(each) for each in events(items, "bot.turn_completed")} == ends
    first = min(datetime.fromisoformat(each["startTime"]) for each in inner)
    assert said(items)[0][2] == first.astimezone(UTC)
    assert types(items)["custom.langfuse.score"] == len(document["trace"]["scores"])
