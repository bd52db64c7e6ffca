"""Statuses, read marks and echoes of what we sent: each finds its message, also before the answer of the send."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from ingest.accounts.provider_messages import record_sent
from ingest.accounts.sends import ChannelSend, put_send
from ingest.api.channel_watermarks import receipts_up_to
from ingest.channels.base import WatermarkItem
from ingest.log.storage.engine import open_engine
from tests.api_server import wait_until
from tests.channels.accounts import make_account
from tests.channels.conftest import Shop, message
from tests.factories import make_event


class Sends:
    """What the destination `channel` records of our sends."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.engine: Engine = open_engine(shop.installation.settings.database_url)
        (found,) = shop.installation.http.get("/v1/conversations").json()["items"]
        self.conversation_id = found["conversation_id"]

    def post(self, text: str = "It is on its way.") -> str:
        """Record a bot's message, as history, so that it is not sent; return its id."""
        event = make_event(
            conversation_id=self.conversation_id, participant_id="helper", participant_role="bot",
            text=text, event_id="e-bot", happened_at="2029-12-01T10:00:00Z",
        )  # fmt: skip
        self.shop.installation.post_events([event])
        return "e-bot"

    def record(
        self, message_id: str, state: Any, provider_id: str | None = None, attempt: int = 1
    ) -> None:
        """Record the state of a send, and the provider's id if it is known."""
        now = self.shop.installation.clock()
        send = ChannelSend(
            account_id="shop", shard=0, position=1, part=0, parts=1, reference=f"ref-{message_id}",
            conversation_id=self.conversation_id, message_id=message_id, state=state, attempt=attempt,
            at=now, provider_id=provider_id,
        )  # fmt: skip
        statements = put_send(send)
        if provider_id is not None:
            statements.append(
                record_sent("shop", provider_id, self.conversation_id, message_id, now)
            )
        with self.engine.begin() as connection:
            for statement, values in statements:
                connection.execute(statement, values)  # type: ignore[call-overload]

    def changes(self, *names: str) -> list[tuple[str, str]]:
        """The type and message of each event of these types."""
        return [
            (each["event_type"].partition(".")[2], each.get("message_id", ""))
            for each in self.shop.events()
            if each["event_type"].partition(".")[2] in names
        ]


RECEIPTS = ("submitted", "delivered", "read", "failed")


@pytest.fixture
def sends(shop: Shop) -> Iterator[Sends]:
    shop.send(message())
    made = Sends(shop)
    yield made
    made.engine.dispose()


def receipt(of: str, status: str, **over: Any) -> dict[str, Any]:
    return {"type": "receipt", "id": f"{of}-{status}", "message": of, "status": status} | over


def test_a_status_finds_the_message_that_the_provider_means(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sent", "p1")
    sends.shop.send(receipt("p1", "delivered"), receipt("p1", "read"))
    sends.shop.send(receipt("p1", "delivered"), receipt("p1", "read"))
    assert sends.changes(*RECEIPTS) == [("delivered", sent), ("read", sent)]


def test_a_status_before_the_answer_of_the_send_waits_for_it(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sending")
    sends.shop.send(receipt("p1", "delivered"))
    assert sends.changes(*RECEIPTS) == []
    sends.record(sent, "sent", "p1")
    wait_until(lambda: sends.changes(*RECEIPTS), 5, "the status")
    assert sends.changes(*RECEIPTS) == [("delivered", sent)]


def test_a_status_with_our_reference_finds_a_send_without_an_answer(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "unknown")
    sends.shop.send(receipt("p1", "delivered", reference=f"ref-{sent}"))
    sends.shop.send(receipt("p1", "read"))
    assert sends.changes(*RECEIPTS) == [("delivered", sent), ("read", sent)]


def test_a_failure_has_the_code_and_the_reason_of_the_provider(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sent", "p1")
    sends.shop.send(receipt("p1", "failed", code="131047", reason="outside the window"))
    last = sends.shop.events()[-1]
    assert last["payload"]["error_code"] == "131047"
    assert last["payload"]["reason"] == "outside the window"


def test_a_status_of_a_message_that_was_sent_again_is_of_the_second_attempt(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sending")
    sends.shop.send(receipt("p1", "failed", reference=f"ref-{sent}"))
    path = f"/v1/conversations/{sends.conversation_id}/messages/{sent}"
    http = sends.shop.installation.http
    assert [each["status"] for each in http.get(path).json()["receipts"]] == ["failed"]
    sends.record(sent, "sending", attempt=2)
    sends.record(sent, "sent", "p2", attempt=2)
    sends.shop.send(receipt("p2", "delivered"))
    (found,) = http.get(path).json()["receipts"]
    assert (found["status"], found["attempt"]) == ("delivered", 2)
    sends.shop.send(receipt("p1", "read"))
    (found,) = http.get(path).json()["receipts"]
    assert (found["status"], found["attempt"]) == ("delivered", 2)


def test_a_read_mark_is_about_the_last_attempt_of_a_message(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sent", "p1")
    sends.record(sent, "sent", "p2", attempt=2)
    mark = WatermarkItem(
        provider_id="mark", person=None, status="read", until=sends.shop.installation.clock()
    )
    account = msgspec.structs.replace(make_account("webhook"), account_id="shop")
    (receipt,) = receipts_up_to(sends.engine, account, mark, sends.conversation_id, set())
    assert receipt.message_id == sent
    assert (receipt.payload or {})["attempt"] == 2


def test_an_echo_of_our_own_send_is_no_second_message(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sent", "p1")
    sends.shop.send(message(1, id="p1", author="agent"))
    assert len(sends.changes("created")) == 3
    assert [each for each in sends.changes("created") if each[1] == sent] == [("created", sent)]


def test_an_echo_with_our_reference_settles_a_send_without_an_answer(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "unknown")
    sends.shop.send(message(1, id="p1", author="agent", reference=f"ref-{sent}"))
    assert sends.changes(*RECEIPTS) == [("submitted", sent)]
    assert len(sends.changes("created")) == 3


def test_an_echo_before_the_answer_of_a_send_waits_and_is_no_second_message(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sending")
    sends.shop.send(message(1, id="p1", author="agent"))
    assert sends.shop.calls()["items"][0]["waiting"] == 1
    sends.record(sent, "sent", "p1")
    sends.shop.installation.clock.forward(seconds=2)
    wait_until(lambda: not _waiting(sends), 5, "the end of the wait")
    assert len(sends.changes("created")) == 3


def test_an_echo_of_another_message_is_stored_when_the_send_has_its_answer(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sending")
    sends.shop.send(message(1, id="p9", author="agent", text="I am Kim"))
    sends.record(sent, "sent", "p1")
    sends.shop.installation.clock.forward(seconds=2)
    wait_until(lambda: len(sends.changes("created")) == 4, 5, "the agent's message")
    assert sends.shop.events()[-1]["text"] == "I am Kim"


def test_an_echo_is_stored_in_the_end_if_a_send_never_gets_its_answer(sends: Sends) -> None:
    sent = sends.post()
    sends.record(sent, "sending")
    sends.shop.send(message(1, id="p9", author="agent", text="I am Kim"))
    sends.shop.installation.clock.forward(seconds=61)
    wait_until(lambda: len(sends.changes("created")) == 4, 5, "the agent's message")


def _waiting(sends: Sends) -> bool:
    from ingest.accounts.waiting_items import has_waiting

    return has_waiting(sends.engine)
