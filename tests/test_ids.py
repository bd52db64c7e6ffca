"""Ids as providers give them are valid everywhere: in bodies, in paths and in look-ups."""

from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from tests.conversation_calls import read

PROVIDER_IDS = (
    "+4930123456",
    "wamid.HBgLNDkzMDEyMzQ1NhUCABIYFjNFQjA/+==",
    "<CAF=1/2+3@mail.example.com>",
    "!room:server.example",
    "@ada:server.example",
    "a|b;c$d%2Fe?f#g&h",
    "C024BE91L/1355517523.000005",
    "x" * 512,
)


def call(api: TestClient, method: str, *segments: str, **body: Any) -> Any:
    path = "/".join(quote(each, safe="") for each in segments)
    answer = api.request(method, f"/v1/conversations/{path}", json=body or None)
    assert answer.status_code < 300, answer.text
    return answer.json()


@pytest.mark.parametrize("given", PROVIDER_IDS)
def test_an_id_of_a_provider_names_every_object(api: TestClient, given: str) -> None:
    created = api.post(
        "/v1/conversations",
        json={
            "conversation_id": given,
            "conversation_key": given,
            "channel": "web",
            "channel_account": given,
            "contact_id": given,
            "participants": [
                {"participant_id": given, "participant_role": "customer"},
                {"participant_id": "helper", "participant_role": "bot"},
            ],
        },
    )
    assert created.status_code == 201, created.text
    call(api, "POST", given, "messages", participant_id=given, text="x", message_id=given)
    call(api, "PATCH", given, "messages", given, text="y")
    call(api, "POST", given, "messages", given, "receipts", participant_id="helper", status="read")
    call(api, "POST", given, "participants", given, "read", sequence=3)
    call(api, "POST", given, "handoffs", reason="too_hard", handoff_id=given)
    call(api, "POST", given, "handoffs", given, "accept", participant_id="mira")
    found = call(api, "GET", given)
    assert found["conversation_id"] == given
    assert found["handoff"]["handoff_id"] == given
    message = call(api, "GET", given, "messages", given)
    assert (message["message_id"], message["text"]) == (given, "y")
    for name in ("conversation_key", "contact_id"):
        listed = read(api, "", **{name: given})["items"]
        assert [each["conversation_id"] for each in listed] == [given]


@pytest.mark.parametrize("given", ["", "a b", "a\n", "ü", ".", "..", "../x", "x" * 513])
def test_an_id_that_a_path_or_a_header_cannot_carry_is_rejected_in_words(
    api: TestClient, given: str
) -> None:
    answer = api.post("/v1/conversations", json={"conversation_id": given, "channel": "web"})
    assert (answer.status_code, answer.json()["field"]) == (422, "$.conversation_id")
    assert "visible ASCII" in answer.json()["detail"]


def test_case_counts(api: TestClient) -> None:
    for given in ("Order", "order"):
        answer = api.post("/v1/conversations", json={"conversation_id": given, "channel": "web"})
        assert answer.status_code == 201


def test_a_message_id_is_unique_within_its_conversation_only(api: TestClient) -> None:
    people = [{"participant_id": "ada", "participant_role": "customer"}]
    for name in ("c1", "c2"):
        api.post(
            "/v1/conversations",
            json={"conversation_id": name, "channel": "web", "participants": people},
        )
        call(api, "POST", name, "messages", participant_id="ada", text=name, message_id="m1")
    call(api, "PATCH", "c2", "messages", "m1", text="edited")
    assert [call(api, "GET", name, "messages", "m1")["text"] for name in ("c1", "c2")] == [
        "c1",
        "edited",
    ]
