"""Control binds bots and agents; it passes on when the agent leaves, and an agent can take it."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.conversation_calls import (
    join,
    post_message,
    read,
    rejected,
    request_handoff,
    send,
    step,
    types,
)
from tests.factories import Clock, Ids, create_store


@pytest.fixture
def accepted(opened: TestClient) -> TestClient:
    """A conversation that the agent mira accepted."""
    join(opened, "mira")
    step(opened, request_handoff(opened), "accept", participant_id="mira")
    return opened


def control(api: TestClient) -> tuple[str, str | None, int]:
    found: dict[str, Any] = read(api)["control"]
    return found["owner"], found["participant_id"], found["epoch"]


def test_a_bot_with_the_current_epoch_learns_that_a_human_has_control(accepted: TestClient) -> None:
    problem = send(
        accepted, "POST", "/c1/messages", 409, participant_id="helper", text="x", control_epoch=2
    )
    assert problem["code"] == "not_in_control"
    assert problem["control"] == {"owner": "human", "participant_id": "mira", "epoch": 2}
    assert "mira has control; wait until control returns" in problem["detail"]


def test_control_binds_other_agents_too_but_not_their_notes(accepted: TestClient) -> None:
    join(accepted, "jonas")
    problem = send(accepted, "POST", "/c1/messages", 409, participant_id="jonas", text="hello")
    assert problem["code"] == "not_in_control"
    assert "control/take" in problem["detail"]
    post_message(accepted, "jonas", visibility="internal")
    post_message(accepted, "mira")


@pytest.mark.parametrize("who", ["mira", "ada"])
def test_an_epoch_that_was_sent_is_checked_for_everybody(accepted: TestClient, who: str) -> None:
    sent = {"participant_id": who, "text": "x", "control_epoch": 1}
    assert rejected(accepted, "POST", "/c1/messages", 409, **sent) == "stale_epoch"
    post_message(accepted, who, control_epoch=2)


def test_an_agent_takes_control_from_another_agent_with_the_handoff(accepted: TestClient) -> None:
    handoff_id = read(accepted)["handoff"]["handoff_id"]
    send(accepted, "POST", "/c1/control/take", participant_id="jonas", reason="speaks Danish")
    assert control(accepted) == ("human", "jonas", 3)
    found = read(accepted)["handoff"]
    assert (found["handoff_id"], found["participant_id"]) == (handoff_id, "jonas")
    assert types(accepted)[-4:] == [
        "control.taken",
        "handoff.transferred",
        "handoff.accepted",
        "control.changed",
    ]
    post_message(accepted, "jonas")
    assert rejected(accepted, "POST", "/c1/messages", 409, participant_id="mira", text="x") == (
        "not_in_control"
    )


def test_an_agent_takes_control_from_the_bot_and_returns_it(opened: TestClient) -> None:
    send(opened, "POST", "/c1/control/take", participant_id="mira")
    handoff = read(opened)["handoff"]
    assert (handoff["status"], handoff["reason"]) == ("accepted", "taken")
    assert control(opened) == ("human", "mira", 2)
    send(opened, "POST", "/c1/control/take", participant_id="mira")  # again: nothing changes
    assert control(opened) == ("human", "mira", 2)
    step(opened, handoff["handoff_id"], "return", participant_id="mira")
    assert control(opened) == ("bot", None, 3)


def test_an_agent_takes_control_of_a_handoff_that_waits(opened: TestClient) -> None:
    handoff_id = request_handoff(opened)
    send(opened, "POST", "/c1/control/take", participant_id="mira")
    found = read(opened)["handoff"]
    assert (found["handoff_id"], found["status"]) == (handoff_id, "accepted")


def test_only_an_agent_takes_control_and_only_of_an_open_conversation(opened: TestClient) -> None:
    for who in ("ada", "helper"):
        assert rejected(opened, "POST", "/c1/control/take", 422, participant_id=who)
    send(opened, "POST", "/c1/state", to="closed")
    code = rejected(opened, "POST", "/c1/control/take", 409, participant_id="mira")
    assert code == "conversation_closed"


def test_when_the_agent_in_control_leaves_the_handoff_waits_for_another(
    accepted: TestClient,
) -> None:
    handoff_id = read(accepted)["handoff"]["handoff_id"]
    send(accepted, "DELETE", "/c1/participants/mira")
    found = read(accepted)["handoff"]
    assert (found["handoff_id"], found["status"], found["participant_id"]) == (
        handoff_id,
        "queued",
        None,
    )
    last = read(accepted, "/c1/events", order="desc")["items"][1]
    assert (last["event_type"], last["payload"]) == (
        "handoff.transferred",
        {"reason": "agent_left"},
    )
    assert control(accepted) == ("human", None, 3)
    join(accepted, "jonas")
    post_message(accepted, "jonas")  # everybody who waits in the queue may answer
    step(accepted, handoff_id, "accept", participant_id="jonas")
    assert control(accepted) == ("human", "jonas", 4)


def test_when_another_agent_leaves_control_stays(accepted: TestClient) -> None:
    join(accepted, "jonas")
    send(accepted, "DELETE", "/c1/participants/jonas")
    assert control(accepted) == ("human", "mira", 2)


@pytest.fixture
def bot_api(settings: Settings, clock: Clock) -> Iterator[TestClient]:
    """An API with the setting `agent_left_to=bot`."""
    changed = settings.model_copy(update={"agent_left_to": "bot"})
    create_store(changed)
    app = FastPathMiddleware(create_app(changed, clock, Ids()))
    with TestClient(app) as client:
        client.headers["authorization"] = f"Bearer {get_or_create_local_key(changed, clock())}"
        yield client


def test_the_setting_agent_left_to_returns_control_to_the_bot(bot_api: TestClient) -> None:
    people = [
        {"participant_id": "ada", "participant_role": "customer"},
        {"participant_id": "helper", "participant_role": "bot"},
    ]
    send(bot_api, "POST", "", conversation_id="c1", channel="web", participants=people)
    send(bot_api, "POST", "/c1/control/take", participant_id="mira")
    send(bot_api, "DELETE", "/c1/participants/mira")
    assert (control(bot_api), read(bot_api)["handoff"]) == (("bot", None, 3), None)
    last = read(bot_api, "/c1/events", order="desc")["items"][1]
    assert last["event_type"] == "handoff.returned"
    assert last["payload"] == {"reason": "agent_left"}
