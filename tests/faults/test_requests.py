"""Invalid requests: bodies, headers and parameters, to every operation of the OpenAPI page."""

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel

from tests.bots import otlp_bodies
from tests.conversation_calls import send
from tests.faults.conftest import Found

PIECES = [
    b"\\ud800", b"NaN", b"1e999", b"\xff", b"null", b"{", b"]", b'"', b"-", b"\x00", b"9" * 400,
    b"\\u0000", b"true", b"[[[[", b"\\uDC00", b"1.5", b'"\xf0\x9f\x91\x8d"',
]  # fmt: skip
VALUES: list[Any] = [
    None,
    True,
    -1,
    0,
    2**63,
    1.5,
    "",
    "x" * 3000,
    "\ud800",
    "\0",
    [],
    {},
    [[]],
    {"a": {}},
]
IDS = [
    "c1",
    "ada",
    "helper",
    "m1",
    "none",
    "..%2F..",
    "%00",
    "%F0%9F%A7%B5",
    "a" * 200,
    "-",
    "%ED%A0%80",
]
HEADERS: list[dict[str, str]] = [
    {},
    {"idempotency-key": "k"},
    {"idempotency-key": "x" * 300},
    {"if-match": '"1"'},
    {"if-match": "garbage"},
    {"if-match": '"' + "9" * 40 + '"'},
    {"content-type": "text/plain"},
    {"content-type": "application/x-ndjson"},
    {"content-encoding": "gzip"},
]
PARAMETERS = ["", "?limit=0", "?limit=x", "?cursor=x", "?order=up", "?after_sequence=-1", "?view=agent",
              "?before_sequence=99999999999999999999", "?cursor=%00", "?limit=100&order=desc"]  # fmt: skip


class Route(NamedTuple):
    method: str
    path: str
    example: Any


def routes(page: dict[str, Any]) -> Iterator[Route]:
    """Every operation that the page names, with the example of its body."""
    for path, operations in page["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            yield Route(
                method.upper(), path, content.get("application/json", {}).get("example", {})
            )


@pytest.fixture
def page(api: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


@pytest.mark.fault("requests")
@pytest.mark.timeout(1200)
def test_no_request_causes_a_server_error(
    opened: TestClient, page: dict[str, Any], cycles: Callable[[int, int], int], found: Found
) -> None:
    send(opened, "POST", "/c1/messages", participant_id="ada", text="x", message_id="m1")
    chosen = random.Random(7)  # noqa: S311 (a fuzzer, not a secret)
    all_routes = list(routes(page))
    seen: Counter[int] = Counter()
    requests = cycles(4_000, 100_000)
    for number in range(requests):
        route = all_routes[number % len(all_routes)]
        url, body = fill(route.path, chosen), mutated(route.example, chosen)
        headers = chosen.choice(HEADERS)
        answer = opened.request(route.method, url, content=body, headers=headers)
        seen[answer.status_code] += 1
        assert answer.status_code < 500, (route.method, url, body, headers, answer.text)
        if answer.status_code >= 400 and answer.headers.get("content-type") != "text/html":
            is_otlp = route.path in otlp_bodies.PATHS
            fields = {"code", "message"} if is_otlp else {"code", "detail", "status"}
            assert set(answer.json()) >= fields, answer.text
    answers = ", ".join(f"{count:,} × {status}" for status, count in sorted(seen.items()))
    found(cycles=requests, note=f"{len(all_routes)} operations; {answers}")
    assert min(seen[status] for status in (200, 201, 400, 404, 409, 422)) > 0, seen
    accounts = opened.get("/v1/ingest-stats").json()
    mine = next(each for each in accounts["sources"] if each["source"] == "local")
    assert mine["received"] == sum(
        mine[name] for name in ("accepted", "duplicate", "conflict", "rejected", "parked")
    )


class BareMessage(BaseModel):
    """What FastAPI's tutorial would make of a message."""

    text: str | None = None
    payload: dict[str, Any] | None = None


@pytest.mark.control("requests")
def test_control_a_bare_application_answers_500_to_some_requests(found: Found) -> None:
    app = FastAPI()

    @app.post("/messages")
    def echo(message: BareMessage) -> BareMessage:
        return message

    chosen = random.Random(7)  # noqa: S311
    example = {"text": "Where is my order?", "payload": {"order": 7}}
    with TestClient(app, raise_server_exceptions=False) as client:
        answers = [client.post("/messages", content=mutated(example, chosen)) for _ in range(2000)]
    failed = sum(answer.status_code >= 500 for answer in answers)
    found(loss=f"bare FastAPI and pydantic: {failed} of {len(answers):,} answered 500")
    assert failed > 0


def fill(path: str, chosen: random.Random) -> str:
    """The path with real ids and with garbage in place of its parameters."""
    parts = [
        chosen.choice(IDS[:4] if chosen.random() < 0.7 else IDS) if part.startswith("{") else part
        for part in path.split("/")
    ]
    return "/".join(parts) + chosen.choice(PARAMETERS)


def mutated(example: Any, chosen: random.Random) -> bytes:
    """The example as it is, with values of other kinds, or with its bytes broken."""
    kind = chosen.random()
    if kind < 0.2:
        return json.dumps(example).encode()
    if kind < 0.6 and isinstance(example, dict):
        other = {**example, chosen.choice([*example, "unknown", "payload"]): chosen.choice(VALUES)}
        return json.dumps(other).encode()
    body = bytearray(json.dumps(example).encode())
    for _ in range(chosen.randint(1, 3)):
        place = chosen.randrange(len(body) + 1)
        body[place : place + chosen.randint(0, 4)] = chosen.choice(PIECES)
    return bytes(body)
