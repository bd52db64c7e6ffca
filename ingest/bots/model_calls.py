"""The call of a language model, from a response, its usage, and its times. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ingest.bots.fields import count, items, mapping, number, present, text


def model_call(
    response: Mapping[str, Any], request: Mapping[str, Any], **known: Any
) -> dict[str, Any]:
    """Return `payload.model_call` of a response, empty if it says nothing about a model.

    `known` values that are there come before those of the response.
    """
    usage = mapping(response, "usage") or mapping(response, "usageMetadata")
    found = present(
        model=text(response, "model", "modelVersion") or text(request, "model"),
        finish_reason=_finish_reason(response),
        response_id=text(response, "id"),
        **tokens_of(usage),
    )
    return found | present(**known)


def tokens_of(usage: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens of a call; cached and reasoning tokens are parts of the input and the output."""
    details = mapping(usage, "prompt_tokens_details") or mapping(usage, "input_tokens_details")
    of_output = mapping(usage, "completion_tokens_details") or mapping(
        usage, "output_tokens_details"
    )
    found = {
        "input_tokens": count(usage, "prompt_tokens", "input_tokens", "promptTokenCount", "input"),
        "output_tokens": count(
            usage, "completion_tokens", "output_tokens", "candidatesTokenCount", "output"
        ),
        "tokens": count(usage, "total_tokens", "totalTokenCount", "total"),
        "cached_tokens": first_count(
            count(details, "cached_tokens"), count(usage, *_CACHED)
        ),
        "reasoning_tokens": first_count(
            count(of_output, "reasoning_tokens"), count(usage, *_REASONING)
        ),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


_CACHED = (
    "cache_read_input_tokens", "cachedContentTokenCount", "input_cache_read", "input_cached_tokens",
    "prompt_details.cache_read",
)  # fmt: skip
_REASONING = ("thoughtsTokenCount", "output_reasoning", "output_reasoning_tokens",
              "completion_details.reasoning")  # fmt: skip


def first_count(*found: int | None) -> int | None:
    """Return the first count that is known."""
    return next((each for each in found if each is not None), None)


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds from start to end; None if one is unknown, or the clocks contradict each other."""
    if start is None or end is None or end < start:
        return None
    return (end - start).total_seconds()


def cost_of(record: Mapping[str, Any], *names: str) -> float | None:
    """Return what a call cost; 0 says that the price is unknown."""
    return number(record, *names) or None


def _finish_reason(response: Mapping[str, Any]) -> str | None:
    for choice in (*items(response, "choices"), *items(response, "candidates")):
        if isinstance(choice, Mapping) and (found := text(choice, "finish_reason", "finishReason")):
            return found
    return text(response, "finish_reason", "stop_reason", "status")
