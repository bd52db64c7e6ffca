"""A conversation with a provider, in and out, through the API: replies, callbacks, and sends that a person decides about."""

from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from convolake.commands.channels import app
from tests.api_server import Installation, wait_until
from tests.channels.conftest import Shop, create_account, message
from tests.webhook_receiver import Delivery, Receiver

pytestmark = [pytest.mark.allows_loopback, pytest.mark.usefixtures("fast_polling")]


class Talk(Shop):
    """The conversation of a customer with the account `shop`, which sends to a stand-in."""

    def __init__(self, installation: Installation, receiver: Receiver) -> None:
        super().__init__(installation)
        self.receiver = receiver
        self.send(message(1))
        (found,) = installation.http.get("/v1/conversations").json()["items"]
        self.conversation_id = found["conversation_id"]
        self.say_as("participants", participant_role="agent", participant_id="tom")

    def say_as(self, what: str, **body: Any) -> dict[str, Any]:
        path = f"/v1/conversations/{self.conversation_id}/{what}"
        answer = self.installation.post(path, body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def say(self, text: str) -> str:
        """Let the agent write; return the message's id."""
        return str(self.say_as("messages", participant_id="tom", text=text)["message_id"])

    def status(self, message_id: str) -> str | None:
        path = f"/v1/conversations/{self.conversation_id}/messages/{message_id}"
        receipts = self.installation.http.get(path).json()["receipts"]
        return receipts[0]["status"] if receipts else None

    def sends(self, state: str) -> list[dict[str, Any]]:
        path = f"/v1/channels/shop/sends?state={state}"
        found: list[dict[str, Any]] = self.installation.http.get(path).json()["items"]
        return found

    def decide(self, decision: str) -> int:
        (send,) = self.sends("unknown") or self.sends("failed")
        place = {"shard": send["shard"], "position": send["position"]}
        return self.installation.post(
            "/v1/channels/shop/sends", place | {"decision": decision}
        ).status_code

    @property
    def texts(self) -> list[str]:
        return [msgspec.json.decode(each.body)["text"] for each in self.receiver.accepted]


@pytest.fixture
def talk(installation: Installation, receiver: Receiver) -> Talk:
    numbers = iter(range(1_000))
    receiver.answer = lambda _: msgspec.json.encode({"id": f"p{next(numbers)}"})
    answer = create_account(installation, options={"url": receiver.url})
    assert answer.status_code == 201, answer.text
    return Talk(installation, receiver)


def lose_answers(talk: Talk) -> str:
    """Say something whose answer is lost; return its id."""
    before = talk.receiver.answer
    talk.receiver.answer = lambda _: None
    lost = talk.say("lost")
    wait_until(lambda: talk.status(lost) == "unknown", 20, "the result is unknown")
    talk.receiver.answer = before
    return lost


def test_a_reply_reaches_the_provider_and_its_receipts_arrive(talk: Talk) -> None:
    reply = talk.say("Hello Ada")
    wait_until(lambda: talk.status(reply) == "submitted", 20, "it is submitted")
    assert talk.texts == ["Hello Ada"]
    (body,) = (msgspec.json.decode(each.body) for each in talk.receiver.accepted)
    assert body["to"][0]["value"] == "ada"
    talk.send({"type": "receipt", "id": "r1", "message": "p0", "status": "delivered"})
    assert talk.status(reply) == "delivered"
    assert [each["provider_id"] for each in talk.sends("sent")] == ["p0"]


def test_a_callback_and_an_echo_before_the_answer_belong_to_the_message(talk: Talk) -> None:
    """The provider calls while our request waits for its answer."""

    def call_first(delivery: Delivery) -> bytes:
        reference = msgspec.json.decode(delivery.body)["reference"]
        echo = message(7, id="p7", author="agent", text="Hello Ada", reference=reference)
        talk.send({"type": "receipt", "id": "r1", "message": "p7", "status": "delivered"})
        talk.send(echo)
        return msgspec.json.encode({"id": "p7"})

    talk.receiver.answer = call_first
    reply = talk.say("Hello Ada")
    wait_until(lambda: talk.status(reply) == "delivered", 20, "it is delivered")
    texts = [each.get("text") for each in talk.events() if each["event_type"] == "message.created"]
    assert texts == ["text 1", "Hello Ada"]


def test_a_callback_settles_a_send_whose_answer_was_lost(talk: Talk) -> None:
    lost = lose_answers(talk)
    reference = msgspec.json.decode(talk.receiver.accepted[0].body)["reference"]
    receipt = {"type": "receipt", "id": "r1", "message": "p9", "status": "read"}
    talk.send(receipt | {"reference": reference})
    assert talk.status(lost) == "read"
    assert talk.sends("unknown") == []
    assert [each["provider_id"] for each in talk.sends("sent")] == ["p9"]


def test_a_person_decides_about_a_send_whose_result_is_unknown(talk: Talk) -> None:
    first = lose_answers(talk)
    assert talk.decide("sent") == 200
    assert talk.status(first) == "submitted"
    second = lose_answers(talk)
    assert talk.decide("failed") == 200
    assert talk.status(second) == "failed"
    third = lose_answers(talk)
    assert talk.texts == ["lost"] * 3
    (unknown,) = talk.sends("unknown")
    place = {"shard": unknown["shard"], "position": unknown["position"]}
    path = "/v1/channels/shop/sends"
    assert talk.installation.post(path, place | {"decision": "resend"}).status_code == 200
    wait_until(lambda: talk.status(third) == "submitted", 20, "it is sent again")
    assert talk.texts == ["lost"] * 4
    assert talk.installation.post(path, place | {"decision": "resend"}).status_code == 422


def test_a_failed_message_is_sent_again_as_another_attempt(talk: Talk) -> None:
    talk.receiver.answer = lambda _: 422
    failed = talk.say("Hello")
    wait_until(lambda: talk.status(failed) == "failed", 20, "it failed")
    (send,) = talk.sends("failed")
    assert (send["code"], send["attempt"]) == ("422", 1)
    talk.receiver.answer = lambda _: 200
    assert talk.decide("resend") == 200
    wait_until(lambda: talk.status(failed) == "submitted", 20, "it is sent again")
    (send,) = talk.sends("sent")
    assert send["attempt"] == 2


def test_the_command_line_lists_sends_and_takes_decisions(
    talk: Talk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in talk.installation.environment.items():
        monkeypatch.setenv(name, value)
    lost = lose_answers(talk)
    run = CliRunner().invoke
    (line,) = run(app, ["sends", "shop"]).stdout.splitlines()
    assert lost in line
    place = line.split()[0]
    assert run(app, ["decide", "shop", "nowhere", "sent"]).exit_code == 2
    assert run(app, ["decide", "shop", place, "sent"]).exit_code == 0
    assert talk.status(lost) == "submitted"
    assert run(app, ["sends", "shop"]).stdout == ""


def test_sends_are_listed_in_pages_and_only_for_administrators(talk: Talk) -> None:
    for number in range(3):
        talk.say(f"text {number}")
    wait_until(lambda: len(talk.sends("sent")) == 3, 20, "all are sent")
    http, path = talk.installation.http, "/v1/channels/shop/sends?state=sent&limit=2"
    page = http.get(path).json()
    rest = http.get(path, params={"state": "sent", "after": page["cursor"]}).json()
    positions = [each["position"] for each in (*page["items"], *rest["items"])]
    assert positions == sorted(set(positions))
    assert len(positions) == 3
    assert http.get("/v1/channels/other/sends").status_code == 404
    assert http.get(path, headers={"authorization": "Bearer ck_no"}).status_code == 401
