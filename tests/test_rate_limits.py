"""How much a caller may ask for, and how large a body may be."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.api.request_body import MAX_BATCH_BYTES
from ingest.auth.api_keys import create_key, get_or_create_local_key
from ingest.auth.rate_limiter import BURST_SECONDS, TokenBuckets
from ingest.errors import RateLimitedError
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.factories import Clock, Ids, make_conversation

RATE = 2
BURST = RATE * BURST_SECONDS


@pytest.fixture
def limited(settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """An API with limits, and one conversation."""
    few = settings.model_copy(
        update={"requests_per_second": RATE, "user_requests_per_second": RATE, "chat": True}
    )
    key = get_or_create_local_key(few, clock())
    with TestClient(FastPathMiddleware(create_app(few, clock, Ids()))) as client:
        client.headers["authorization"] = f"Bearer {key}"
        client.post("/v1/events", json=make_conversation(messages=0))
        clock.forward(seconds=BURST_SECONDS)
        yield client


def post(api: TestClient, **headers: str) -> Any:
    body = {"participant_id": "ada", "text": "Hello"}
    return api.post("/v1/conversations/c1/messages", json=body, headers=headers)


def test_too_many_requests_get_429_with_retry_after(limited: TestClient, clock: Clock) -> None:
    statuses = {post(limited).status_code for _ in range(BURST)}
    assert 429 not in statuses
    refused = post(limited)
    assert refused.status_code == 429
    assert refused.json()["code"] == "rate_limited"
    assert refused.headers["retry-after"] == "1"
    clock.forward(seconds=1)
    assert [post(limited).status_code != 429 for _ in range(RATE + 1)] == [True, True, False]


@pytest.mark.parametrize("path", ["/v1/conversations/c1", "/v1/conversations/c1/messages"])
def test_every_response_has_rate_limit_headers(limited: TestClient, path: str) -> None:
    first, second = (limited.get(path) for _ in range(2))
    assert first.headers["ratelimit-policy"] == f'"default";q={BURST};w={BURST_SECONDS}'
    assert first.headers["ratelimit"].startswith(f'"default";r={BURST - 1};')
    assert second.headers["ratelimit"].startswith(f'"default";r={BURST - 2};')


def test_a_posted_message_has_rate_limit_headers_too(limited: TestClient) -> None:
    assert post(limited).headers["ratelimit"].startswith(f'"default";r={BURST - 1};')


def test_each_caller_has_its_own_limit(limited: TestClient, settings: Settings) -> None:
    other = create_key(open_engine(settings.database_url), "other", 1)
    for _ in range(BURST):
        post(limited)
    assert post(limited).status_code == 429
    assert post(limited, authorization=f"Bearer {other}").status_code != 429


def test_a_chat_visitor_has_a_limit_of_conversations(limited: TestClient) -> None:
    statuses = [limited.post("/chat/conversations").status_code for _ in range(BURST + 1)]
    assert statuses == [201] * BURST + [429]


def test_without_a_limit_there_are_no_rate_limit_headers(api: TestClient) -> None:
    assert "ratelimit" not in api.get("/v1/conversations").headers


def test_a_full_bucket_is_dropped_from_memory(clock: Clock) -> None:
    buckets = TokenBuckets(clock)
    for number in range(1000):
        buckets.consume(f"caller {number}", 1)
    clock.forward(seconds=BURST_SECONDS + 1)
    for _ in range(BURST_SECONDS):
        buckets.consume("new", 1)
    with pytest.raises(RateLimitedError):
        buckets.consume("new", 1)
    assert len(buckets) == 1


def test_memory_is_bounded_and_the_most_recent_callers_keep_their_limit(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.auth.rate_limiter.MAX_BUCKETS", 100)
    buckets = TokenBuckets(clock)
    for number in range(300):
        buckets.consume(f"caller {number}", 1)
        if number % 50 == 0:
            buckets.consume("busy", 1)
    assert len(buckets) == 100
    for _ in range(BURST_SECONDS - 6):
        buckets.consume("busy", 1)
    with pytest.raises(RateLimitedError):
        buckets.consume("busy", 1)


def test_a_clock_that_jumps_back_does_not_refill_a_bucket(clock: Clock) -> None:
    limiter = TokenBuckets(clock)
    for _ in range(BURST_SECONDS):
        limiter.consume("ada", 1)
    clock.forward(seconds=-3600)
    with pytest.raises(RateLimitedError):
        limiter.consume("ada", 1)


def test_an_endless_body_is_cut_off(api: TestClient) -> None:
    sent = []

    def endless() -> Iterator[bytes]:
        for _ in range(4 * MAX_BATCH_BYTES // 65536):
            sent.append(1)
            yield b" " * 65536

    answer = api.post("/v1/tokens", content=endless(), headers={"content-type": "application/json"})
    assert answer.status_code in (413, 422)
