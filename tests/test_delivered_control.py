"""A delivered event says who has control, so that a bot replies with one call."""

from typing import Any

import pytest

from ingest.delivery.control_cache import ControlCache
from ingest.events.stored_event import StoredEvent
from ingest.log import queries
from ingest.log.storage.engine import open_engine
from tests.api_server import Installation
from tests.factories import make_conversation, make_event
from tests.test_live import frame, receive_events
from tests.test_webhooks import create_webhook, wait_for_deliveries
from tests.webhook_receiver import Receiver

pytestmark = [pytest.mark.allows_loopback, pytest.mark.usefixtures("fast_polling")]

PEOPLE = [
    {"participant_id": "ada", "participant_role": "customer"},
    {
        "participant_id": "helper",
        "participant_role": "bot",
        "attributes": {"name": "Helper", "model": "m-1"},
    },
]


def open_conversation(installation: Installation) -> None:
    body = {"conversation_id": "c1", "channel": "web", "participants": PEOPLE}
    assert installation.post("/v1/conversations", body).status_code == 201


def take_control(installation: Installation) -> None:
    body = {"participant_id": "mira"}
    assert installation.post("/v1/conversations/c1/control/take", body).status_code == 201


def reply(installation: Installation, control: dict[str, Any]) -> int:
    body = {"participant_id": "helper", "text": "Hello!", "control_epoch": control["epoch"]}
    return installation.post("/v1/conversations/c1/messages", body).status_code


def test_a_bot_replies_to_a_webhook_with_one_call(
    installation: Installation, receiver: Receiver
) -> None:
    open_conversation(installation)
    create_webhook(installation, receiver, bot_id="helper", event_types=["message.created"])
    installation.post_events([make_event(text="hi")])
    wait_for_deliveries(receiver, 1)
    control = receiver.accepted[0].event["control"]
    assert control == {"owner": "bot", "participant_id": None, "epoch": 1}
    assert reply(installation, control) == 201


@pytest.mark.parametrize("path", ["/v1/conversations/c1/live?after_sequence=2", "/v1/live"])
def test_each_event_of_a_socket_says_who_has_control(installation: Installation, path: str) -> None:
    open_conversation(installation)
    with installation.listen(path) as subscriber:
        while frame(subscriber)["type"] != "live":
            pass
        installation.post_events([make_event(text="hi")])
        (event,) = receive_events(subscriber, 1)
        assert event["control"] == {"owner": "bot", "participant_id": None, "epoch": 1}
        assert reply(installation, event["control"]) == 201
        receive_events(subscriber, 1)
        take_control(installation)
        last = receive_events(subscriber, 4)[-1]
        assert last["event_type"] == "control.changed"
        assert last["control"] == {"owner": "human", "participant_id": "mira", "epoch": 2}


def test_the_first_bot_of_a_conversation_has_control_in_the_next_event(
    installation: Installation,
) -> None:
    installation.post_events(make_conversation(messages=1))
    with installation.listen() as subscriber:
        assert receive_events(subscriber, 3)[-1]["control"]["owner"] == "none"
        body = {"participant_id": "helper", "participant_role": "bot"}
        assert installation.post("/v1/conversations/c1/participants", body).status_code == 201
        assert receive_events(subscriber, 1)[0]["control"]["owner"] == "bot"


def test_a_bot_that_joins_while_control_is_read_is_not_forgotten(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    installation.post_events(make_conversation(messages=1))
    engine = open_engine(installation.settings.database_url, read_only=True)
    cache = ControlCache(engine)
    read = queries.get_conversation
    joined = StoredEvent(
        event_id="j", event_type="participant.joined", conversation_id="c1", participant_role="bot",
        visibility="public", source="local", fingerprint=b"", received_at=0, happened_at=0,
    )  # fmt: skip

    def read_before_the_commit(*args: Any) -> Any:
        state = read(*args)
        body = {"participant_id": "helper", "participant_role": "bot"}
        assert installation.post("/v1/conversations/c1/participants", body).status_code == 201
        cache.update([joined])
        return state

    monkeypatch.setattr(queries, "get_conversation", read_before_the_commit)
    outdated = cache.get("c1")
    monkeypatch.undo()
    current = cache.get("c1")
    assert outdated is not None
    assert current is not None
    assert (outdated.owner, current.owner) == ("none", "bot")
    engine.dispose()


def test_past_events_of_a_socket_have_the_current_control(installation: Installation) -> None:
    open_conversation(installation)
    take_control(installation)
    with installation.listen() as subscriber:
        for event in receive_events(subscriber, 6):
            assert event["control"]["epoch"] == 2


def test_a_customers_page_reads_control_and_the_names_of_participants(
    installation: Installation,
) -> None:
    open_conversation(installation)
    take_control(installation)
    headers = {"authorization": f"Bearer {installation.token('c1')}"}
    control = installation.http.get("/v1/conversations/c1/control", headers=headers).json()
    assert control == {"owner": "human", "participant_id": "mira", "epoch": 2}
    page = installation.http.get("/v1/conversations/c1/participants", headers=headers).json()
    shown = {each["participant_id"]: each["attributes"] for each in page["items"]}
    assert shown == {"ada": {}, "helper": {"name": "Helper"}, "mira": {}}
    other = {"authorization": f"Bearer {installation.token('c2')}"}
    assert installation.http.get("/v1/conversations/c1/control", headers=other).status_code == 404
