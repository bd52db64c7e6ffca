"""Slack: the name behind a member's id is looked up after the answer, seldom, and never in the way."""

import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from convolake.loopback_server import Reply, Request
from ingest.api.name_lookups import FAILURE_SECONDS
from ingest.channels.base import Answer, HttpRequest, Person, Retry
from ingest.channels.name_lookup import PAUSE_SECONDS, REPAIR_SECONDS
from ingest.channels.slack.adapter import ADAPTER
from tests.api_server import Installation, wait_until
from tests.channels.slack_calls import ACCOUNT, SIGNING, address, make_account, message
from tests.channels.stand_ins.client import send
from tests.channels.stand_ins.slack import SlackApi, slack_api

CUSTOMER = Person(addresses=(address("U1"),))


PAUSED = "are looked up again"
"""A part of the log's line about a pause."""


class Workspace:
    """The workspace T1, whose events reach the account `desk`, and its Web API."""

    def __init__(self, installation: Installation, api: SlackApi, token: str) -> None:
        self.installation = installation
        self.api = api
        self.account = make_account(SIGNING)
        body = {
            "provider": "slack", "account_id": "desk", "address": "T1",
            "options": {"api_url": api.url},
            "secrets": {"signing_secret": SIGNING, "bot_token": token},
            "policy": {"new_conversation_after": 0},
        }  # fmt: skip
        assert installation.post("/v1/channels", body).status_code == 201

    def say(self, user: str, ts: str = "1", **fields: Any) -> None:
        """Let a member write; the thread of another root is another conversation."""
        moment = f"190000000{ts}.000100"
        event = message(user=user, ts=moment, event_ts=moment, **fields)
        outer = {"type": "event_callback", "team_id": "T1", "event_id": f"Ev{user}{ts}"}
        raw = msgspec.json.encode({**outer, "event": event})
        call = ADAPTER.sign(raw, "application/json", self.account, self.installation.clock())
        answer = self.installation.http.post(
            "/channels/desk", content=raw, headers=dict(call.headers)
        )
        assert answer.status_code == 200, answer.text

    def participants(self) -> list[str]:
        """Return the name of each participant of each conversation, sorted; "" for none."""
        http = self.installation.http
        found = http.get("/v1/conversations").json()["items"]
        views = [http.get(f"/v1/conversations/{each['conversation_id']}").json() for each in found]
        people = [each for view in views for each in view["participants"]]
        return sorted(each["attributes"].get("name", "") for each in people)

    def contact(self, user: str) -> Any:
        query = {"kind": "slack_user", "value": user, "scope": "T1"}
        (found,) = self.installation.http.get("/v1/contacts", params=query).json()["items"]
        return found

    def wait_for_names(self, *names: str) -> None:
        wait_until(lambda: self.participants() == list(names), 20, f"the names are {names}")


@pytest.fixture
def api() -> Iterator[SlackApi]:
    with slack_api() as found:
        found.profiles = {
            "U1": {"name": "ada", "profile": {"display_name": "Ada 漢", "real_name": "Ada Lovelace"}},
            "U2": {"name": "bob", "profile": {"display_name": "", "real_name": "Bob"}},
        }  # fmt: skip
        yield found


@pytest.fixture
def workspace(
    installation: Installation, api: SlackApi, monkeypatch: pytest.MonkeyPatch
) -> Workspace:
    monkeypatch.setattr("ingest.api.name_lookups.POLL_SECONDS", 0.02)
    return Workspace(installation, api, "xoxb-good")


pytestmark = pytest.mark.allows_loopback


def test_participant_and_contact_get_the_name_that_slack_shows(workspace: Workspace) -> None:
    workspace.say("U1")
    workspace.wait_for_names("Ada 漢")
    assert workspace.contact("U1")["attributes"] == {"name": "Ada 漢"}


def test_the_call_is_answered_while_slack_does_not_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stand-in answers only after the call was: waiting for it would end in a time-out."""
    is_answered, answer = threading.Event(), workspace.api.answer

    def slow(request: Request) -> Reply:
        assert is_answered.wait(20)
        return answer(request)

    monkeypatch.setattr(workspace.api, "answer", slow)
    workspace.say("U1")
    assert workspace.participants() == [""]
    is_answered.set()
    workspace.wait_for_names("Ada 漢")


def test_a_person_is_asked_about_once_and_named_in_every_conversation(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.api.next_reply = Reply(429, b"", {"retry-after": "30"})
    workspace.say("U1", "1")
    workspace.say("U1", "2")
    wait_until(lambda: PAUSED in caplog.text, 20, "the account pauses")
    assert workspace.participants() == ["", ""]
    workspace.installation.clock.forward(seconds=30)
    workspace.wait_for_names("Ada 漢", "Ada 漢")
    workspace.say("U1", "3")
    assert workspace.participants() == ["Ada 漢"] * 3
    workspace.say("U2", "4")
    workspace.wait_for_names("Ada 漢", "Ada 漢", "Ada 漢", "Bob")
    assert workspace.api.looked_up == ["U1", "U2"]


def test_a_member_without_a_name_is_asked_about_again_only_after_a_while(
    workspace: Workspace,
) -> None:
    workspace.say("U9", "1")
    wait_until(lambda: workspace.api.looked_up == ["U9"], 20, "the member is looked up")
    workspace.say("U9", "2")
    workspace.say("U1", "3")
    wait_until(lambda: workspace.api.looked_up == ["U9", "U1"], 20, "another one is looked up")
    workspace.installation.clock.forward(seconds=FAILURE_SECONDS)
    workspace.say("U9", "4")
    wait_until(lambda: workspace.api.looked_up == ["U9", "U1", "U9"], 20, "it is looked up again")


def test_a_rate_limit_is_waited_for(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    workspace.api.next_reply = Reply(429, b"", {"retry-after": "30"})
    workspace.say("U1", "1")
    wait_until(lambda: PAUSED in caplog.text, 20, "the account pauses")
    workspace.say("U2", "2")
    workspace.installation.clock.forward(seconds=29)
    workspace.say("U2", "3")
    assert workspace.api.looked_up == []
    workspace.installation.clock.forward(seconds=1)
    wait_until(lambda: workspace.api.looked_up == ["U1", "U2"], 20, "both are looked up")


def test_a_name_that_the_contact_has_is_kept_and_not_asked_for(
    workspace: Workspace, caplog: pytest.LogCaptureFixture
) -> None:
    workspace.api.next_reply = Reply(429, b"", {"retry-after": "30"})
    workspace.say("U1", "1")
    wait_until(lambda: PAUSED in caplog.text, 20, "the account pauses")
    path = f"/v1/contacts/{workspace.contact('U1')['contact_id']}"
    answer = workspace.installation.http.patch(path, json={"attributes": {"name": "Countess"}})
    assert answer.status_code == 201, answer.text
    workspace.installation.clock.forward(seconds=30)
    workspace.wait_for_names("Countess")
    assert workspace.api.looked_up == []
    assert workspace.contact("U1")["attributes"] == {"name": "Countess"}


def test_an_app_that_may_not_ask_leaves_messages_as_they_are(
    installation: Installation,
    api: SlackApi,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("ingest.api.name_lookups.POLL_SECONDS", 0.02)
    workspace = Workspace(installation, api, "xoxb-revoked")
    workspace.say("U1")
    wait_until(lambda: PAUSED in caplog.text, 20, "the account pauses")
    assert workspace.participants() == [""]
    assert installation.http.get("/v1/rejected").json()["items"] == []
    api.tokens.add("xoxb-revoked")
    installation.clock.forward(seconds=REPAIR_SECONDS)
    workspace.wait_for_names("Ada 漢")


def test_the_request_names_the_member_and_has_the_token(api: SlackApi) -> None:
    request = ADAPTER.name_request(CUSTOMER, make_account(api_url=api.url))
    assert isinstance(request, HttpRequest)
    assert (request.method, request.url) == ("GET", f"{api.url}/users.info?user=U1")
    assert dict(request.headers) == {"authorization": "Bearer xoxb-good"}
    without_token = msgspec.structs.replace(ACCOUNT, secrets={})
    assert ADAPTER.name_request(CUSTOMER, without_token) is None
    assert ADAPTER.name_request(Person(addresses=()), ACCOUNT) is None


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ({"profile": {"display_name": "a", "real_name": "b"}, "real_name": "c", "name": "d"}, "a"),
        ({"profile": {"display_name": " ", "real_name": "b"}, "real_name": "c", "name": "d"}, "b"),
        ({"profile": {"display_name": None}, "real_name": "c", "name": "d"}, "c"),
        ({"name": "d"}, "d"),
        ({"profile": {"display_name": ""}}, None),
        ({"profile": [], "name": 7}, None),
    ],
)
def test_the_name_is_the_first_that_is_not_empty(user: object, name: str | None) -> None:
    assert read({"ok": True, "user": user}) == name


def test_each_failure_is_told_from_the_others() -> None:
    assert read({"ok": False, "error": "user_not_found"}) is None
    assert read({"ok": False, "error": "missing_scope"}) == Retry("missing_scope", REPAIR_SECONDS)
    assert read({"ok": False, "error": "ratelimited"}) == Retry("ratelimited", PAUSE_SECONDS)
    limited = Answer(status=429, headers={"retry-after": "7"}, body=b"")
    assert ADAPTER.read_name(limited) == Retry("there are too many requests", 7)
    assert ADAPTER.read_name(Answer(status=200, headers={}, body=b"<html>")) is None
    assert ADAPTER.read_name(Answer(status=500, headers={}, body=b"")) is None


def read(fields: dict[str, Any]) -> str | Retry | None:
    return ADAPTER.read_name(Answer(status=200, headers={}, body=msgspec.json.encode(fields)))


def test_the_stand_in_is_as_strict_as_slack(api: SlackApi) -> None:
    request = ADAPTER.name_request(CUSTOMER, make_account(api_url=api.url))
    assert request is not None
    anonymous = msgspec.structs.replace(request, headers=())
    answer = send(anonymous)
    assert ADAPTER.read_name(answer) == Retry("not_authed", REPAIR_SECONDS)
