"""Hooks are made, changed and removed."""

from typing import Any

import pytest

from ingest.auth.api_keys import Grant, create_key
from ingest.log.storage.engine import open_engine
from ingest.settings import Settings
from tests.api_server import Installation
from tests.factories import Clock, make_conversation
from tests.hooks.calls import create_hook, post_message, running
from tests.webhook_receiver import Receiver

pytestmark = pytest.mark.allows_loopback


def test_during_a_secret_rotation_both_secrets_verify(
    opened: Installation, receiver: Receiver
) -> None:
    made = create_hook(opened, receiver.url)
    path = f"/v1/hooks/{made['hook_id']}"
    changed = opened.post(f"{path}/rotate", None).json()
    post_message(opened)
    opened.clock.forward(hours=25)
    post_message(opened)
    first, later = (each.headers["webhook-signature"].split() for each in receiver.accepted)
    assert (len(first), len(later)) == (2, 1)
    assert made["secret"] != changed["secret"]
    assert "whsec" not in opened.http.get("/v1/hooks").text


def test_hooks_survive_a_restart_and_are_not_called_after_removal(
    settings: Settings, clock: Clock, receiver: Receiver
) -> None:
    with running(settings, clock) as installation:
        installation.post_events(make_conversation(messages=2))
        made = create_hook(installation, receiver.url)
    with running(settings, clock, "later") as installation:
        post_message(installation)
        assert len(receiver.attempts) == 1
        path = f"/v1/hooks/{made['hook_id']}"
        assert installation.http.get(path).json()["url"] == receiver.url
        assert installation.http.delete(path).status_code == 204
        assert installation.http.get(path).status_code == 404
        assert installation.http.get("/v1/hooks").json() == {"items": []}
        post_message(installation)
        assert len(receiver.attempts) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"on_failure": "ignore"},
        {"on_failure": "allow", "timeout_ms": 49},
        {"on_failure": "allow", "timeout_ms": 2001},
        {"on_failure": "allow", "roles": ["robot"]},
        {"on_failure": "allow", "url": "ftp://example.com/"},
        {"on_failure": "allow", "url": "https://a:b@example.com/"},
    ],
)
def test_a_hook_without_its_required_fields_is_rejected(
    installation: Installation, body: dict[str, Any]
) -> None:
    answer = installation.post("/v1/hooks", {"url": "https://guard.example/"} | body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


def test_a_key_of_one_channel_creates_and_sees_hooks_of_that_channel_only(
    opened: Installation, receiver: Receiver
) -> None:
    engine = open_engine(opened.settings.database_url)
    grant = Grant(frozenset({"webhooks:admin", "read"}), channels=frozenset({"email"}))
    headers = {"authorization": f"Bearer {create_key(engine, 'mail', 1, grant)}"}
    everywhere = create_hook(opened, receiver.url)
    body: dict[str, Any] = {"url": receiver.url, "on_failure": "allow"}
    rejected = opened.post("/v1/hooks", body | {"channels": ["web"]}, **headers)
    assert rejected.status_code == 403
    assert opened.post("/v1/hooks", body, **headers).json()["channels"] == ["email"]
    items = opened.http.get("/v1/hooks", headers=headers).json()["items"]
    assert [each["channels"] for each in items] == [["email"]]
    path = f"/v1/hooks/{everywhere['hook_id']}"
    assert opened.http.delete(path, headers=headers).status_code == 404
    assert opened.post(f"{path}/rotate", None, **headers).status_code == 404


def test_hooks_are_not_called_for_forbidden_messages(
    opened: Installation, receiver: Receiver
) -> None:
    create_hook(opened, receiver.url)
    engine = open_engine(opened.settings.database_url)
    grant = Grant(frozenset({"conversations:write"}), channels=frozenset({"email"}))
    headers = {"authorization": f"Bearer {create_key(engine, 'mail', 1, grant)}"}
    body = {"participant_id": "ada", "text": "hello"}
    answer = opened.post("/v1/conversations/c1/messages", body, **headers)
    assert answer.status_code == 404
    customer = {"authorization": f"Bearer {opened.token('c1')}"}
    forged = {"participant_id": "helper", "text": "I am the bot"}
    answer = opened.post("/v1/conversations/c1/messages", forged, **customer)
    assert answer.status_code == 403
    assert receiver.attempts == []
    assert opened.post("/v1/conversations/c1/messages", body, **customer).status_code == 201
    assert len(receiver.attempts) == 1
