"""The API keeps to its own page: requests made from it, and what each answer must look like."""

import json
import os
from collections.abc import Iterator
from typing import Any, NamedTuple, cast

import httpx2
import hypothesis
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
ROUTES = schemathesis.openapi.from_dict(create_app(Settings()).openapi())

OPERATIONS: list[Any] = [cast("Any", found).ok() for found in ROUTES.get_all_operations()]


class Served(NamedTuple):
    url: str
    headers: dict[str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """An API that listens, and a header with a key for it."""
    settings = Settings(data=tmp_path_factory.mktemp("openapi") / "data")
    headers = {"authorization": f"Bearer {get_or_create_local_key(settings, 0)}"}
    with run_server(FastPathMiddleware(create_app(settings))) as url:
        yield Served(url, headers)


@pytest.fixture
def known(served: Served) -> dict[str, Any]:
    """Path parameters that name something: what was just made."""
    ids: dict[str, Any] = {"conversation_id": new_uuid7(), "participant_id": "ada", "message_id": new_uuid7(),
           "handoff_id": new_uuid7(), "contact_id": new_uuid7(), "rejected_id": 1, "webhook_id": new_uuid7(),
           "hook_id": new_uuid7()}  # fmt: skip
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
    return ids


@pytest.mark.parametrize(
    "operation",
    OPERATIONS,
    ids=lambda operation: operation.label,
)
def test_every_response_is_documented(
    operation: Any, served: Served, known: dict[str, Any]
) -> None:
    # What fits its schema need not be granted; a batch is answered event by event, with 207.
    not_checked = [positive_data_acceptance]
    if operation.path == "/v1/events":
        not_checked.append(negative_data_rejection)
    valid, invalid = (operation.as_strategy(generation_mode=mode) for mode in GenerationMode)

    @given(valid | invalid, booleans())
    @EXAMPLES
    def ask(case: schemathesis.Case[Any], names_what_is_there: bool) -> None:
        if names_what_is_there:
            for name in case.path_parameters:
                case.path_parameters[name] = known[name]
        if case.query.get("wait") in range(1, 31):
            case.query["wait"] = 0  # it would be answered as well, when it has waited
        case.call_and_validate(
            base_url=served.url, headers=served.headers, excluded_checks=not_checked
        )

    ask()


@pytest.fixture
def page(api: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = api.get("/openapi.json").json()
    return found


def test_every_operation_has_a_summary_an_example_and_its_errors(
    page: dict[str, Any],
) -> None:
    poor = []
    for path, operations in page["paths"].items():
        for method, operation in operations.items():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            is_ours = path.startswith("/v1/")
            if (
                not operation.get("description")
                or (is_ours and "401" not in operation["responses"])
                or (body and "example" not in body)
            ):
                poor.append((method, path))
    assert poor == []


def test_every_error_code_is_on_the_page(page: dict[str, Any]) -> None:
    from convolake.reference import error_types

    text = json.dumps(page)
    missing = {kind.code for kind in error_types() if f'"{kind.code}"' not in text}
    # These answer requests that belong to no operation: an unknown page, a method, a server error.
    assert missing <= {"internal_error", "not_found", "method_not_allowed"}
