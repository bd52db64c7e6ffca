"""What a hook answers: allow, modify, reject; and which messages call it."""

import json
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from ingest.contract import from_micros
from tests.api_server import Installation
from tests.factories import make_event
from tests.hooks.calls import (
    CARD,
    MASKED,
    create_hook,
    hook_answer,
    hook_results,
    messages,
    post_message,
    stats_balance,
)
from tests.webhook_receiver import Receiver, webhook_receiver

pytestmark = pytest.mark.allows_loopback


def test_a_hook_gets_a_signed_request_and_an_allowed_message_is_stored_unchanged(
    opened: Installation, receiver: Receiver
) -> None:
    made = create_hook(opened, receiver.url)
    answer = post_message(opened, in_reply_to="c1-m1", payload={"language": "en"}, event_id="e1")
    assert answer.status_code == 201
    (call,) = receiver.accepted
    body = json.loads(call.body)
    assert body["type"] == "message.proposed"
    assert body["data"] == {
        "conversation_id": "c1",
        "channel": "web",
        "participant_id": "ada",
        "participant_role": "customer",
        "event_id": "e1",
        "in_reply_to": "c1-m1",
        "text": CARD,
        "payload": {"language": "en"},
    }
    at = from_micros(opened.clock())
    expected = Verifier(made["secret"]).sign(call.id, at, call.body.decode())
    assert call.headers["webhook-signature"] == expected
    (message,) = messages(opened)
    assert (message["text"], message["payload"]) == (CARD, {"language": "en"})
    assert hook_results(opened) == {"allowed": 1, "modified": 0, "rejected": 0, "failed": 0}


def test_a_modified_message_names_its_hook_and_the_original_text_is_not_stored(
    opened: Installation, receiver: Receiver
) -> None:
    made = create_hook(opened, receiver.url)
    receiver.answer = hook_answer("modify", text=MASKED)
    assert post_message(opened, payload={"language": "en"}).status_code == 201
    (message,) = messages(opened)
    assert message["text"] == MASKED
    assert message["payload"] == {"language": "en", "modified_by": [made["hook_id"]]}
    kept = [each.read_bytes() for each in opened.settings.data.glob("log.sqlite*")]
    assert not any(b"4111" in each for each in kept)
    assert hook_results(opened)["modified"] == 1


def test_a_rejected_message_is_counted_and_kept_with_the_reason(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url)
    receiver.answer = hook_answer("reject", reason="no card\x00 numbers\n please" + "!" * 500)
    answer = post_message(opened)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "rejected_by_hook")
    assert "no card numbers please!!!" in problem["detail"]
    assert len(problem["detail"]) < 300
    assert messages(opened) == []
    (kept,) = opened.http.get("/v1/rejected").json()["items"]
    assert (kept["code"], kept["detail"]) == ("rejected_by_hook", problem["detail"])
    assert json.loads(kept["raw"])["text"] == CARD
    assert stats_balance(opened)["rejected"] == 1
    assert hook_results(opened)["rejected"] == 1


@pytest.mark.parametrize("reason", [{}, {"reason": None}, {"reason": ["x"]}, {"reason": ""}])
def test_a_rejection_counts_whatever_its_reason_is(
    opened: Installation, receiver: Receiver, reason: dict[str, Any]
) -> None:
    create_hook(opened, receiver.url, on_failure="allow")
    receiver.answer = hook_answer("reject", **reason)
    assert post_message(opened).json()["code"] == "rejected_by_hook"


def test_hooks_are_called_for_posted_public_messages_only(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, on_failure="reject")
    opened.post_events([make_event(text="a fact"), make_event(event_id="e9")])
    assert post_message(opened, visibility="internal", participant_id="helper").status_code == 201
    assert post_message(opened, conversation_id="nowhere").json()["code"] == "unknown_conversation"
    assert post_message(opened, participant_id="stranger").status_code == 422
    path = "/v1/conversations/c1/messages/c1-m0"
    assert opened.http.patch(path, json={"text": "edited"}).status_code == 201
    assert receiver.attempts == []
    assert post_message(opened).status_code == 201
    assert len(receiver.attempts) == 1


def test_a_hook_is_called_for_its_roles_and_channels_only(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url, roles=["bot"], channels=["email"])
    bot = {"participant_id": "helper", "control_epoch": 1}
    for conversation_id in ("c1", "c2"):
        assert post_message(opened, "hello", conversation_id).status_code == 201
        assert post_message(opened, "hello", conversation_id, **bot).status_code == 201
    (call,) = receiver.accepted
    assert call.event["conversation_id"] == "c2"
    assert call.event["participant_role"] == "bot"


def test_hooks_run_in_creation_order_and_each_gets_the_output_of_the_previous_one(
    opened: Installation, receiver: Receiver
) -> None:
    with webhook_receiver() as second, webhook_receiver() as third:
        made = [create_hook(opened, each.url) for each in (receiver, second, third)]
        receiver.answer = hook_answer("modify", text="one")
        third.answer = hook_answer("modify", text="three")
        second.answer = hook_answer("allow")
        assert post_message(opened).status_code == 201
        assert [each.accepted[0].event["text"] for each in (receiver, second, third)] == [
            CARD,
            "one",
            "one",
        ]
        (message,) = messages(opened)
        assert message["text"] == "three"
        ids = [made[0]["hook_id"], made[2]["hook_id"]]
        assert message["payload"]["modified_by"] == ids
        second.answer = hook_answer("reject", reason="no")
        assert post_message(opened).json()["code"] == "rejected_by_hook"
        assert len(third.attempts) == 1
