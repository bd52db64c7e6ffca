"""The API conforms to its OpenAPI document: generated requests get documented responses."""

import json
import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import httpx2
import hypothesis
import openapi_spec_validator
import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis.strategies import booleans
from schemathesis import GenerationMode
from schemathesis.checks import negative_data_rejection, positive_data_acceptance

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.clock import new_uuid7
from ingest.contract import COLUMNS
from ingest.settings import Settings
from tests.api_server import run_server

EXAMPLES = hypothesis.settings(
    max_examples=1000 if os.environ.get("PROVE") else 20,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
)


def document_without_security() -> dict[str, Any]:
    """Return the document without its security scheme: every request has the key.

    tests/test_access.py sends requests without one.
    """
    found = json.loads(json.dumps(create_app(Settings()).openapi()))
    del found["security"], found["components"]["securitySchemes"]
    return cast("dict[str, Any]", found)


ROUTES = schemathesis.openapi.from_dict(document_without_security())

OPERATIONS: list[Any] = [cast("Any", found).ok() for found in ROUTES.get_all_operations()]


class Served(NamedTuple):
    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A running API, and a header with a key for it."""
    settings = Settings(data=tmp_path_factory.mktemp("openapi") / "data")
    headers = {"authorization": f"Bearer {get_or_create_local_key(settings, 0)}"}
    with run_server(FastPathMiddleware(create_app(settings))) as url:
        yield Served(url, headers)


@pytest.fixture
def existing_ids(served: Served) -> dict[str, Any]:
    """Path parameters that name existing objects."""
    ids: dict[str, Any] = {"conversation_id": new_uuid7(), "participant_id": "ada", "message_id": new_uuid7(),
           "handoff_id": new_uuid7(), "contact_id": new_uuid7(), "rejected_id": 1, "webhook_id": new_uuid7(), "account_id": "shop",
           "hook_id": new_uuid7(), "sample_id": new_uuid7(), "framework": "rasa"}  # fmt: skip
    here = {"conversation_id": ids["conversation_id"]}
    ada = {"participant_id": "ada", "participant_role": "customer"}
    events: list[dict[str, Any]] = [
        {
            "event_type": "conversation.created",
            "channel": "web",
            "payload": {"participants": [ada]},
        },
        {"event_type": "message.created", "text": "Hello", "message_id": ids["message_id"], **ada},
        {"event_type": "handoff.requested", "handoff_id": ids["handoff_id"]},
        {"event_type": "message.created", **ada},  # rejected: it has no text
    ]
    answer = httpx2.post(
        f"{served.url}/v1/events",
        json=[here | event for event in events],
        headers=served.headers,
    )
    assert [result["status"] for result in answer.json()["results"]] == [
        *["accepted"] * 3,
        "rejected",
    ]
    draw_sample(served, ids["sample_id"], ids["conversation_id"])
    return ids


def draw_sample(served: Served, sample_id: str, conversation_id: str) -> None:
    """Store a sample of one conversation."""
    scorecard = {"name": "service", "version": 1, "categories": [{"id": "tone", "title": "Tone"}]}
    sample = {
        "sample_id": sample_id, "title": "One", "scorecard": "service", "scorecard_version": 1, "sampling": "random",
        "seed": 1, "population": 1, "items": [{"conversation_id": conversation_id, "inclusion_probability": 1}],
    }  # fmt: skip
    for path, body in (
        ("scorecards", {"scorecard": scorecard}),
        ("review-samples", {"sample": sample}),
    ):
        answer = httpx2.post(f"{served.url}/v1/{path}", json=body, headers=served.headers)
        assert answer.status_code in (201, 409), answer.text


@pytest.mark.long
@pytest.mark.parametrize(
    "operation",
    OPERATIONS,
    ids=lambda operation: operation.label,
)
def test_every_response_is_documented(
    operation: Any, served: Served, existing_ids: dict[str, Any]
) -> None:
    # A valid request may still be rejected. A batch gets a result for each event, with 207; OTLP's says how many.
    not_checked = [positive_data_acceptance]
    if operation.path in ("/v1/events", "/v1/bots/{framework}", "/v1/traces", "/v1/logs"):
        not_checked.append(negative_data_rejection)
    valid, invalid = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @given(valid | invalid, booleans())
    @EXAMPLES
    def send_request(case: schemathesis.Case[Any], uses_existing_ids: bool) -> None:
        if uses_existing_ids:
            for name in case.path_parameters:
                case.path_parameters[name] = existing_ids[name]
        if case.query.get("wait") in range(1, 31):
            case.query["wait"] = 0  # a long poll would only slow the test down
        case.call_and_validate(
            base_url=served.url, headers=served.headers, excluded_checks=not_checked
        )

    send_request()


@pytest.fixture
def document(api: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def test_every_operation_has_a_summary_an_example_and_its_errors(
    document: dict[str, Any],
) -> None:
    incomplete = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            is_ours = path.startswith("/v1/")
            if (
                not operation.get("description")
                or (is_ours and "401" not in operation["responses"])
                or (body and "example" not in body)
            ):
                incomplete.append((method, path))
    assert incomplete == []


def test_every_error_code_is_in_the_openapi_document(document: dict[str, Any]) -> None:
    from convolake.reference import error_types

    text = json.dumps(document)
    missing = {kind.code for kind in error_types() if f'"{kind.code}"' not in text}
    # These belong to no operation: an unknown path, a wrong method, a server error, a call of a
    # provider that is kept as rejected and answered by 200.
    assert missing <= {"internal_error", "not_found", "method_not_allowed", "unreadable_call"}


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    openapi_spec_validator.validate(document)


def test_every_pattern_is_valid_in_ecma_262(document: dict[str, Any]) -> None:
    patterns = set(re.findall(r'"pattern": "((?:[^"\\]|\\.)*)"', json.dumps(document)))
    assert len(patterns) > 3
    # What Python's dialect has and ECMA-262 does not: \A, \Z, inline flags, named groups with P.
    assert [each for each in patterns if re.search(r"\\\\[AZ]|\(\?[aiLmsuxP]", each)] == []


def test_request_bodies_are_named_components(document: dict[str, Any]) -> None:
    inline = [
        (method, path)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
        for content in operation.get("requestBody", {}).get("content", {}).values()
        if "$ref" not in json.dumps(content["schema"]) and content["schema"] != {"type": "string"}
    ]
    assert inline == []


def test_every_operation_needs_the_key_except_the_public_ones(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    public = {
        path
        for path, operations in document["paths"].items()
        if any(operation.get("security") == [] for operation in operations.values())
    }
    assert public == {
        "/chat",
        "/chat/conversations",
        "/healthz",
        "/readyz",
        "/metrics",
        "/asyncapi.json",
    }


def test_a_delivery_has_the_form_of_the_documented_webhook(document: dict[str, Any]) -> None:
    operation = document["webhooks"]["event"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    assert content["schema"] == {"$ref": "#/components/schemas/DeliveryBody"}
    event = document["components"]["schemas"]["Event"]["properties"]
    assert set(content["example"]["data"]) <= set(event)
    assert {column.name for column in COLUMNS} | {"control", "withheld"} == set(event)


def test_the_sockets_are_described_by_asyncapi(api: TestClient) -> None:
    document = api.get("/asyncapi.json").json()
    assert document["asyncapi"] == "3.0.0"
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert addresses == {"/v1/live", "/v1/conversations/{conversation_id}/live"}
    assert set(document["components"]["messages"]) == {"event", "live", "heartbeat", "typing"}
