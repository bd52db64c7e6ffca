"""Calls of providers where the writer is a process of its own: it translates them, and reports the outcome."""

import pytest

from ingest.settings import Settings
from tests.api_server import wait_until
from tests.channels.conftest import Shop, message

pytestmark = pytest.mark.sqlite


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"writer": "process"})


def test_a_call_becomes_events_and_its_outcome_reaches_the_api(shop: Shop) -> None:
    shop.send(message())
    shop.send({"type": "typing", "id": "t1", "from": {"id": "ada"}})
    shop.send(message())
    assert shop.types() == ["conversation.created", "session.started", "message.created"]
    path = f"/v1/conversations/{shop.events()[0]['conversation_id']}/typing"
    assert len(shop.installation.http.get(path).json()["items"]) == 1
    metrics = shop.installation.http.get("/metrics").text
    assert 'convolake_events_total{status="duplicate"}' in metrics


def test_an_item_that_waits_for_its_message_is_stored_once_that_arrives(shop: Shop) -> None:
    shop.send(
        {"type": "reaction", "id": "r1", "message": "m1", "from": {"id": "ada"}, "reaction": "+"}
    )
    assert [each["waiting"] for each in shop.calls()["items"]] == [1]
    shop.send(message())
    wait_until(lambda: "message.reacted" in shop.types(), 20, "the reaction")
