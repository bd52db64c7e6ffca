"""Slack: the Events API, interactivity and slash commands in; `chat.postMessage` out."""

import hashlib
import hmac
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ingest.channels.account_values import secrets_of
from ingest.channels.base import (
    Account,
    Answer,
    Call,
    Challenge,
    Field,
    HttpRequest,
    Inbound,
    Interpretation,
    InvalidSignatureError,
    OtherItem,
    OutboundMessage,
    OutboundRequest,
    Person,
    Retry,
    UnreadableCallError,
    Unsendable,
)
from ingest.channels.fields import form_pairs
from ingest.channels.json_body import BYTE_ORDER_MARK, decode
from ingest.channels.signatures import check_equal
from ingest.channels.slack import names, outbound
from ingest.channels.slack.events import read_event
from ingest.channels.slack.interactions import read_form, read_interaction

WINDOW_SECONDS = 300
SECOND = 1_000_000


class Outer(Struct, frozen=True):
    """The fields of a call that say what it is."""

    type: str
    challenge: str | None = None
    team_id: str | None = None
    minute_rate_limited: int | None = None


class SlackAdapter:
    """One Slack app in one workspace. Calls are signed with the app's signing secret.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """

    provider = "slack"
    title = "Slack"
    channels = ("slack",)
    options = (
        Field(
            "agent_users", "Member ids of your agents, with commas: U012,U345", is_required=False
        ),
        Field("api_url", "Base URL of the Web API, if it is not Slack's", is_required=False),
    )
    secrets = (
        Field("signing_secret", "Basic Information → App Credentials → Signing Secret"),
        Field("bot_token", "OAuth & Permissions → Bot User OAuth Token", is_required=False),
    )
    inbound_kinds = (
        "text", "file", "mention", "edit", "deletion", "reaction", "bot message", "button",
        "slash command", "view", "shortcut", "member", "rate limit",
    )  # fmt: skip
    redelivery = (
        "Slack waits 3 s for a 2xx, then repeats an event at once, after 1 and after 5 minutes."
    )

    def challenge(self, call: Call, account: Account) -> Challenge | None:
        """Return the challenge of `url_verification`, which Slack signs too.

        Raises InvalidSignatureError. The age of the call is not checked: the answer says nothing that it has not.
        """
        if b"url_verification" not in call.body:
            return None
        try:
            outer = decode(_json(call.body), Outer)
        except UnreadableCallError:
            return None
        if outer.type != "url_verification" or outer.challenge is None:
            return None
        _check_signature(call, account)
        return Challenge(200, outer.challenge.encode())

    def verify(self, call: Call, account: Account, now: int) -> None:
        """Check the signature, and that Slack made it within five minutes of `now`, before or after."""
        if abs(now - _signed_at(call) * SECOND) > WINDOW_SECONDS * SECOND:
            raise InvalidSignatureError("the timestamp is more than five minutes from now")
        _check_signature(call, account)

    def parse(self, call: Call, account: Account) -> Iterable[Inbound]:
        """Return the items of a call: one event, or the actions of one interaction."""
        called_at = _called_at(call)
        body = _json(call.body)
        if not body.startswith(b"{"):
            form = dict(form_pairs(replace(call, body=body)))
            return list(read_form(form, account, called_at))
        outer = decode(body, Outer)
        if outer.type == "event_callback":
            return [read_event(body, account)]
        if outer.type == "url_verification":
            return []
        if outer.type == "app_rate_limited":
            return [_rate_limit(outer)]
        return list(read_interaction(body, account, called_at))

    def render(
        self, message: OutboundMessage, person: Person, account: Account
    ) -> Sequence[OutboundRequest] | Unsendable:
        """Return the requests that post a message, in order."""
        return outbound.render(message, person, account)

    def interpret(self, answer: Answer) -> Interpretation:
        """Return what an answer of `chat.postMessage` means."""
        return outbound.interpret(answer)

    def name_request(self, person: Person, account: Account) -> HttpRequest | None:
        """Return the request that asks for a member's name, or None."""
        return names.name_request(person, account)

    def read_name(self, answer: Answer) -> str | Retry | None:
        """Return the name in an answer of `users.info`."""
        return names.read_name(answer)

    def sign(self, body: bytes, content_type: str, account: Account, now: int) -> Call:
        """Return the call with Slack's two headers, signed with the newest secret."""
        timestamp = str(now // SECOND)
        headers = {
            "content-type": content_type,
            "x-slack-request-timestamp": timestamp,
            "x-slack-signature": _signature(account.secrets["signing_secret"][0], timestamp, body),
        }
        return Call(method="POST", url="", headers=headers, query={}, body=body)


def _json(body: bytes) -> bytes:
    return body.removeprefix(BYTE_ORDER_MARK).lstrip()


def _rate_limit(outer: Outer) -> OtherItem:
    minute = outer.minute_rate_limited or 0
    data: dict[str, Any] = {"minute_rate_limited": minute}
    return OtherItem(
        provider_id=f"app_rate_limited/{outer.team_id}/{minute}",
        person=None,
        happened_at=minute * SECOND if 0 < minute < 2**33 else None,
        kind="app_rate_limited",
        data=data,
    )


def _signed_at(call: Call) -> int:
    try:
        return int(call.headers.get("x-slack-request-timestamp", ""))
    except ValueError:
        raise InvalidSignatureError("no timestamp in seconds") from None


def _called_at(call: Call) -> int | None:
    try:
        seconds = _signed_at(call)
    except InvalidSignatureError:
        return None
    return seconds * SECOND if 0 < seconds < 2**33 else None


def _check_signature(call: Call, account: Account) -> None:
    """Raise InvalidSignatureError unless one of the account's secrets made the signature."""
    timestamp = call.headers.get("x-slack-request-timestamp", "")
    try:
        call.body.decode()
        expected = [
            _signature(each, timestamp, call.body) for each in secrets_of(account, "signing_secret")
        ]
    except UnicodeError:
        raise InvalidSignatureError("the body or the timestamp is not UTF-8") from None
    given = call.headers.get("x-slack-signature", "")
    check_equal(given, expected, "the signature is missing or wrong")


def _signature(secret: str, timestamp: str, body: bytes) -> str:
    signed = b"v0:" + timestamp.encode() + b":" + body
    return "v0=" + hmac.digest(secret.encode(), signed, hashlib.sha256).hex()


ADAPTER = SlackAdapter()
