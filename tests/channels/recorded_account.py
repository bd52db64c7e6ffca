"""One provider's recorded calls, each sent to an account of its own, and held against another reading."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
from msgspec import structs
from sqlalchemy import Engine

from convolake.call_sender import post_call, signed_call
from convolake.recorded_calls import RecordedCall
from ingest.accounts.provider_messages import record_sent
from ingest.channels.base import Call
from ingest.channels.registry import ADAPTERS
from ingest.clock import wall_clock
from tests.channels.accounts import make_account
from tests.channels.recorded_comparison import Comparison, Event
from tests.channels.recorded_damage import expected_reason
from tests.channels.recorded_judges import JUDGES, forgeries, verdict
from tests.channels.recorded_mail_readings import MAIL_READERS
from tests.channels.recorded_readings import READERS, read_content
from tests.channels.said import Said
from tests.factories import make_event

SENDS = 3
"""How often each call is sent, at once."""

OPENING = "opening"
"""The id of a message that a person wrote before the recorded call."""


class RecordedAccount:
    """One provider's accounts on a running API. `engine` records the sends of our own messages."""

    def __init__(self, http: httpx2.Client, engine: Engine, provider: str) -> None:
        self.http, self.engine, self.provider = http, engine, provider
        self.adapter, self.judge = ADAPTERS[provider], JUDGES[provider]
        self.outcomes: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.failures: list[str] = []

    def play(self, calls: Iterable[RecordedCall]) -> None:
        for recorded in calls:
            kind, _, detail = self.outcome(recorded).partition(": ")
            self.outcomes[kind] += 1
            if kind == "rejected":
                self.reasons[detail] += 1
            if kind == "wrong":
                self.failures.append(f"{self.provider} {recorded.name}: {detail}")

    def outcome(self, recorded: RecordedCall) -> str:
        """Return `right`, `rejected: …` or `wrong: …`."""
        self._open()
        reason = expected_reason(self.provider, recorded.body or recorded.query.encode())
        try:
            said = [] if reason else self.said(recorded)
        except (KeyError, TypeError, ValueError) as error:
            return f"wrong: the other reading fails: {error!r}"
        self._prepare(said)
        call = self._signed(recorded)
        if (wrong := self._judge(recorded, call)) is not None:
            return f"wrong: {wrong}"
        with ThreadPoolExecutor(SENDS) as pool:
            statuses = set(pool.map(lambda _: self._post(recorded, call), range(SENDS)))
        if statuses != {200}:
            return f"wrong: statuses {statuses}"
        return self._compared(said, reason)

    def _compared(self, said: Sequence[Said], reason: str | None) -> str:
        calls = self.http.get(f"/v1/channels/{self.account_id}/calls").json()["items"]
        given = {each.partition(": ")[2] for call in calls for each in call["reasons"]}
        if given != ({reason} if reason else set()):
            return f"wrong: rejected because of {given}, not {reason}"
        found = Comparison(self.http, self._events(), self.own).difference(said)
        if found is not None:
            return f"wrong: {found}"
        return f"rejected: {reason}" if reason else "right"

    def said(self, recorded: RecordedCall) -> list[Said]:
        """Return the events that the body says. Raises if this reading does not know its form."""
        if self.provider in MAIL_READERS:
            return list(MAIL_READERS[self.provider](recorded.body))
        return list(READERS[self.provider](read_content(recorded.body or recorded.query.encode())))

    def _open(self) -> None:
        """Create an account: files share placeholder ids, which are unique in an account only."""
        account = make_account(self.provider)
        self.account_id = f"{self.provider}-{self.outcomes.total()}"
        self.own: dict[str, str] = {}
        body = {
            "provider": self.provider, "account_id": self.account_id, "address": account.address,
            "options": dict(account.options),
            "secrets": {name: values[0] for name, values in account.secrets.items()},
        }  # fmt: skip
        made = self.http.post("/v1/channels", json=body)
        assert made.status_code == 201, made.text
        self.url = f"{str(self.http.base_url).rstrip('/')}/channels/{self.account_id}"
        options = {**account.options, "webhook_url": self.url}
        self.account = structs.replace(account, account_id=self.account_id, options=options)

    def _signed(self, recorded: RecordedCall) -> Call:
        return signed_call(self.adapter, recorded, self.account, wall_clock())

    def _post(self, recorded: RecordedCall, call: Call) -> int:
        return post_call(self.url, recorded, call)

    # --- whether it is the provider's

    def _judge(self, recorded: RecordedCall, call: Call) -> str | None:
        """Return how our verdict differs from the judge's; of a body in a token the SDK checks the token alone."""
        if not verdict(self.judge, call, self.account):
            return f"{self.judge.name} does not accept it"
        self.verdicts["accepted"] += 1
        for place, forged in forgeries(self.judge, call):
            if place == "proof" and verdict(self.judge, forged, self.account):
                return f"{self.judge.name} accepts a changed {place}"
            status = self._post(recorded, forged)
            is_challenge = self.adapter.challenge(call, self.account) is not None
            if status not in ((401, 403) if is_challenge else (401,)):
                return f"status {status} for a changed {place}"
            self.verdicts["forged"] += 1
        return None

    # --- what was before the call

    def _prepare(self, said: Sequence[Said]) -> None:
        """Let us have sent the messages that the call is about."""
        written = {each.provider_id for each in said if each.is_message}
        named = {each.provider_id for each in said if each.kind.startswith("message.")}
        conversation = f"own-{self.account_id}"
        if named - written - {None}:
            created = make_event("conversation.created", conversation_id=conversation)
            assert self.http.post("/v1/events", json=[created]).status_code == 200
        for number, provider_id in enumerate(sorted(filter(None, named - written))):
            self._send_own(conversation, f"{self.account_id}-own-{number}", provider_id)
        for each in said:
            if each.until is not None and "until" not in self.own:
                self._open_conversation(each)

    def _send_own(self, conversation: str, message: str, provider_id: str, at: int = 0) -> None:
        event = make_event(
            conversation_id=conversation, participant_id="helper", participant_role="bot",
            event_id=message, happened_at="2010-01-01T10:00:00Z",
        )  # fmt: skip
        answer = self.http.post("/v1/events", json=[event])
        assert answer.status_code == 200, answer.text
        statement, values = record_sent(self.account_id, provider_id, conversation, message, at)
        with self.engine.begin() as connection:
            connection.execute(statement, values)  # type: ignore[call-overload]
        self.own[provider_id] = message

    def _open_conversation(self, said: Said) -> None:
        """Let the person of a read mark have written, and us have answered before the mark."""
        until = int((said.until or 0) * 1_000)
        page = said.page
        item = {
            "sender": {"id": said.sender}, "recipient": {"id": page}, "timestamp": until - 60_000,
            "message": {"mid": OPENING, "text": "Hello"},
        }  # fmt: skip
        kind = "page" if self.provider == "messenger" else "instagram"
        entry = {"id": page, "time": until, "messaging": [item]}
        body = json.dumps({"object": kind, "entry": [entry]}).encode()
        recorded = RecordedCall(name=OPENING, body=body, content_type="application/json")
        assert self._post(recorded, self._signed(recorded)) == 200
        (opening,) = self._all_events()
        message = f"{self.account_id}-until"
        self._send_own(opening["conversation_id"], message, "until", (until - 30_000) * 1_000)

    # --- what was stored

    def _events(self) -> list[Event]:
        """Return the account's events of messages and of its own kinds, without what was before the call."""
        before = set(self.own.values())
        return [
            each
            for each in self._all_events()
            if each["event_id"] not in before
            and (each.get("payload") or {}).get("provider_id") != OPENING
        ]

    def _all_events(self) -> list[Event]:
        found: list[Event] = []
        listed = self.http.get("/v1/conversations", params={"limit": 20}).json()["items"]
        for each in listed:
            path = f"/v1/conversations/{each['conversation_id']}/events"
            found += self.http.get(path, params={"limit": 100}).json()["items"]
        kinds = ("message.", "custom.")
        return [
            each
            for each in found
            if each.get("channel_account") == self.account_id
            and each["event_type"].startswith(kinds)
        ]


def as_call(name: str, body: Any) -> RecordedCall:
    """Return a JSON body as a recorded call."""
    return RecordedCall(name=name, body=json.dumps(body).encode(), content_type="application/json")
