"""An agent in control whose WebSockets are closed for the set time is gone: control passes on."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.api_server import WAIT, Installation, run_server, wait_until
from tests.factories import Clock, Ids, create_store, make_conversation, make_event

FIVE_MINUTES = timedelta(minutes=5)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"agent_disconnected_after": FIVE_MINUTES})


@pytest.fixture
def servers(settings: Settings, clock: Clock) -> Iterator[ExitStack]:
    create_store(settings)
    with ExitStack() as stack:
        yield stack


def start(servers: ExitStack, settings: Settings, clock: Clock, ids: str = "id") -> Installation:
    url = servers.enter_context(
        run_server(FastPathMiddleware(create_app(settings, clock, Ids(ids))))
    )
    found = Installation(url, get_or_create_local_key(settings, clock()), settings, clock)
    servers.enter_context(found.http)
    return found


def start_accepted(servers: ExitStack, settings: Settings, clock: Clock) -> Installation:
    """Start an API, and give mira control of a conversation `c1` with a customer and a bot."""
    found = start(servers, settings, clock)
    found.post_events(
        [
            *make_conversation(messages=2),
            make_event("handoff.requested", handoff_id="h1"),
            make_event(
                "handoff.accepted", handoff_id="h1", participant_id="mira", participant_role="agent"
            ),
        ]
    )
    return found


@pytest.fixture
def accepted(servers: ExitStack, settings: Settings, clock: Clock) -> Installation:
    return start_accepted(servers, settings, clock)


def types(api: Installation) -> list[str]:
    items = api.http.get("/v1/conversations/c1/events?limit=100").json()["items"]
    return [each["event_type"] for each in items]


def wait_for(api: Installation, event_type: str, count: int = 1) -> None:
    wait_until(lambda: types(api).count(event_type) == count, WAIT, event_type)


def control(api: Installation) -> tuple[str, str | None]:
    found: dict[str, Any] = api.http.get("/v1/conversations/c1").json()["control"]
    return found["owner"], found["participant_id"]


def token_of(api: Installation, agent: str, *conversation_ids: str) -> str:
    return api.token(*conversation_ids, participant_id=agent, view="all")


def disconnect(api: Installation, agent: str = "mira") -> None:
    """Open and close a socket of an agent, and wait until the log knows."""
    before = types(api).count("participant.disconnected")
    with api.listen(token=token_of(api, agent, "c1")):
        pass
    wait_for(api, "participant.disconnected", before + 1)


def test_control_passes_to_the_queue_when_the_agent_stays_disconnected(
    accepted: Installation, clock: Clock
) -> None:
    disconnect(accepted)
    clock.forward(minutes=4)
    assert control(accepted) == ("human", "mira")
    clock.forward(minutes=2)
    wait_for(accepted, "control.released")
    assert types(accepted)[-4:] == [
        "participant.disconnected",
        "control.released",
        "handoff.transferred",
        "control.changed",
    ]
    assert control(accepted) == ("human", None)
    found = accepted.http.get("/v1/conversations/c1").json()["handoff"]
    assert (found["handoff_id"], found["status"]) == ("h1", "queued")
    events = accepted.http.get("/v1/conversations/c1/events?limit=100").json()["items"]
    released, transferred = events[-3], events[-2]
    assert (released["participant_id"], released["participant_role"]) == ("mira", "agent")
    assert transferred["payload"] == {"reason": "agent_disconnected"}


def test_an_agent_who_connects_again_keeps_control(accepted: Installation, clock: Clock) -> None:
    disconnect(accepted)
    with accepted.listen("/v1/live", token=token_of(accepted, "mira")):
        wait_for(accepted, "participant.connected")
        clock.forward(minutes=6)
        accepted.post_events([make_event(text="still there?")])
        assert control(accepted) == ("human", "mira")


def test_an_agent_who_does_something_over_http_keeps_control(
    accepted: Installation, clock: Clock
) -> None:
    disconnect(accepted)
    reply = {"participant_id": "mira", "text": "here"}
    assert accepted.post("/v1/conversations/c1/messages", reply).status_code == 201
    clock.forward(minutes=6)
    accepted.post_events([make_event(text="good")])
    assert control(accepted) == ("human", "mira")


def test_one_open_socket_is_enough(accepted: Installation, clock: Clock) -> None:
    with accepted.listen("/v1/live", token=token_of(accepted, "mira")):
        disconnect(accepted)
        wait_for(accepted, "participant.connected")
        clock.forward(minutes=6)
        accepted.post_events([make_event(text="still there?")])
        assert control(accepted) == ("human", "mira")


def test_sockets_of_customers_and_of_other_agents_are_not_recorded(accepted: Installation) -> None:
    for token in (token_of(accepted, "jonas", "c1"), accepted.token("c1")):
        with accepted.listen(token=token):
            pass
    disconnect(accepted)
    assert types(accepted).count("participant.disconnected") == 1


def test_after_a_restart_an_agent_who_does_not_return_is_gone(
    accepted: Installation, servers: ExitStack, settings: Settings, clock: Clock
) -> None:
    with accepted.listen(token=token_of(accepted, "mira", "c1")):
        servers.close()
    again = start(servers, settings, clock, "later")
    wait_for(again, "participant.disconnected")
    clock.forward(minutes=6)
    wait_for(again, "control.released")
    assert control(again) == ("human", None)


@pytest.mark.postgresql
def test_a_socket_in_another_process_counts(
    accepted: Installation, servers: ExitStack, settings: Settings, clock: Clock
) -> None:
    with accepted.listen(token=token_of(accepted, "mira", "c1")):
        other = start(servers, settings, clock, "other")  # it knows of no socket
        wait_for(other, "participant.connected")
        clock.forward(minutes=6)
        other.post_events([make_event(text="still there?")])
        assert control(other) == ("human", "mira")


def test_with_agent_left_to_the_bot_gets_control(
    servers: ExitStack, settings: Settings, clock: Clock
) -> None:
    changed = settings.model_copy(update={"agent_left_to": "bot"})
    api = start_accepted(servers, changed, clock)
    disconnect(api)
    clock.forward(minutes=6)
    wait_for(api, "handoff.returned")
    assert control(api)[0] == "bot"


def test_without_the_setting_nothing_is_recorded(
    servers: ExitStack, settings: Settings, clock: Clock
) -> None:
    changed = settings.model_copy(update={"agent_disconnected_after": None})
    api = start_accepted(servers, changed, clock)
    with api.listen(token=token_of(api, "mira", "c1")):
        pass
    clock.forward(minutes=6)
    api.post_events([make_event(text="hello")])
    assert "participant.disconnected" not in types(api)
    assert control(api) == ("human", "mira")
