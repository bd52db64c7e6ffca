"""Fields of foreign records are read with their type, or not at all."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bots import fields
from ingest.bots.model_calls import model_call, seconds_between, tokens_of
from ingest.events.draft import Draft
from ingest.events.foreign_times import TimeFormatError

ANYTHING: list[Any] = [None, True, 0, -1, 1.5, "", "a", [], [1], {}, {"a": 1}]


@pytest.mark.parametrize("value", ANYTHING)
def test_a_text_is_a_text_or_a_whole_number(value: Any) -> None:
    expected = {0: "0", -1: "-1", "a": "a"}
    is_number = isinstance(value, int) and not isinstance(value, bool)
    known = value in expected if isinstance(value, str) or is_number else False
    assert fields.text({"x": value}, "x") == (expected[value] if known else None)


@pytest.mark.parametrize("value", ANYTHING)
def test_objects_lists_and_numbers_are_read_only_as_what_they_are(value: Any) -> None:
    record = {"x": value}
    assert fields.mapping(record, "x") == (value if isinstance(value, dict) else {})
    assert fields.items(record, "x") == (value if isinstance(value, list) else [])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    assert fields.number(record, "x") == (value if is_number else None)
    assert fields.mapping(value, "x", "y") == {}


def test_the_first_field_that_is_there_counts() -> None:
    record = {"a": None, "b": "", "c": "third", "d": "fourth"}
    assert fields.text(record, "a", "b", "c", "d") == "third"
    assert fields.number({"a": "1", "b": 2}, "a", "b") == 2


@pytest.mark.parametrize("value", [-1, 2**63, float("inf"), float("nan"), "7", True, None])
def test_what_is_no_count_is_none(value: Any) -> None:
    assert fields.count({"x": value}, "x") is None


def test_times_of_every_unit_are_read_and_others_are_errors_or_none() -> None:
    expected = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    for value in (1_700_000_000, 1_700_000_000_000, "1700000000", "2023-11-14T22:13:20Z"):
        assert fields.moment({"x": value}, "x") == expected
    with pytest.raises(TimeFormatError):
        fields.moment({"x": "soon"}, "x")
    assert fields.moment_or_none({"x": "soon"}, "x") is None
    assert fields.moment({"x": None}, "x") is None


@given(depth=st.integers(0, 60))
def test_a_structure_is_kept_as_it_is_or_as_text_that_says_the_same(depth: int) -> None:
    value: Any = {"end": 1}
    for _ in range(depth):
        value = {"in": [value]}
    kept = fields.bounded(value)
    assert kept == value or json.loads(kept) == value
    assert isinstance(kept, dict) == (2 * depth + 1 < fields.MAX_DEPTH)


@given(name=st.text())
def test_any_name_becomes_a_name_of_the_log(name: str) -> None:
    found = fields.name_of(name, "other")
    draft = {"event_type": "conversation.created", "channel": found}
    assert msgspec.convert(draft, Draft).channel == found


def test_a_digest_does_not_depend_on_the_order_of_fields() -> None:
    assert fields.digest({"a": 1, "b": [2]}) == fields.digest({"b": [2], "a": 1})
    assert fields.digest({"a": 1}) != fields.digest({"a": 2})


USAGES: dict[str, dict[str, Any]] = {
    "OpenAI Chat Completions": {
        "prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    },
    "OpenAI Responses": {
        "input_tokens": 10, "output_tokens": 4, "total_tokens": 14,
        "input_tokens_details": {"cached_tokens": 8},
        "output_tokens_details": {"reasoning_tokens": 3},
    },
    "Gemini": {
        "promptTokenCount": 10, "candidatesTokenCount": 4, "totalTokenCount": 14,
        "cachedContentTokenCount": 8, "thoughtsTokenCount": 3,
    },
    "Langfuse": {
        "input": 10, "output": 4, "total": 14, "input_cache_read": 8, "output_reasoning": 3,
    },
    "Langfuse of OpenTelemetry": {
        "input": 10, "output": 4, "total": 14, "prompt_details.cache_read": 8,
        "completion_details.reasoning": 3,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", USAGES)
def test_every_usage_has_the_same_tokens(name: str) -> None:
    assert tokens_of(USAGES[name]) == {
        "input_tokens": 10,
        "output_tokens": 4,
        "tokens": 14,
        "cached_tokens": 8,
        "reasoning_tokens": 3,
    }


def test_tokens_that_are_not_reported_are_left_out_and_zero_is_kept() -> None:
    assert tokens_of({"input_tokens": 0, "cache_read_input_tokens": 0}) == {
        "input_tokens": 0,
        "cached_tokens": 0,
    }
    assert tokens_of({}) == {}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"choices": [{"finish_reason": "stop"}]}, "stop"),
        ({"candidates": [{"finishReason": "MAX_TOKENS"}]}, "MAX_TOKENS"),
        ({"stop_reason": "end_turn"}, "end_turn"),
        ({"status": "incomplete"}, "incomplete"),
        ({"choices": []}, None),
    ],
)
def test_every_api_says_why_the_model_stopped(
    response: dict[str, Any], expected: str | None
) -> None:
    assert model_call(response, {}).get("finish_reason") == expected


def test_the_model_is_that_of_the_answer_or_else_that_of_the_request() -> None:
    assert model_call({"model": "answered"}, {"model": "asked"})["model"] == "answered"
    assert model_call({}, {"model": "asked"})["model"] == "asked"
    assert model_call({}, {}, model="known", cost=None) == {"model": "known"}


def test_clocks_that_contradict_each_other_give_no_latency() -> None:
    early, late = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC)
    assert seconds_between(early, late) == 86_400
    assert seconds_between(late, early) is None
    assert seconds_between(None, late) is None
