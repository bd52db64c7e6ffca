"""Marks of delivery and reading: each message gets each state once, whether a call names it, a mark covers it, or both."""

from typing import Any

import msgspec
import pytest

from ingest.accounts.provider_messages import record_sent
from ingest.channels.registry import ADAPTERS
from ingest.log.storage.engine import open_engine
from tests.api_server import Installation
from tests.channels.accounts import make_account
from tests.channels.meta_bodies import PAGE, event, message_event, page_body
from tests.factories import make_event

SENT = {"p1": "first", "p2": "second"}


class Page:
    """A page of Messenger with one customer, to whom the bot has sent two messages, a second apart."""

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        account = make_account("messenger")
        self.account = msgspec.structs.replace(account, account_id="page", address=PAGE)
        secrets = {name: values[0] for name, values in self.account.secrets.items()}
        body = {"account_id": "page", "provider": "messenger", "address": PAGE, "secrets": secrets}
        assert installation.post("/v1/channels", body).status_code == 201
        self.call(message_event("m_1", text="Hello"))
        (found,) = installation.http.get("/v1/conversations").json()["items"]
        self.conversation_id = found["conversation_id"]
        self.first_sent_at = installation.clock()
        for place, (provider_id, message_id) in enumerate(SENT.items()):
            self._send(provider_id, message_id, self.first_sent_at + place * 1_000_000)

    def _send(self, provider_id: str, message_id: str, at: int) -> None:
        """Record a message as history, so that it is not sent, and that the provider took it."""
        said = make_event(
            conversation_id=self.conversation_id, participant_id="helper", participant_role="bot",
            text=message_id, event_id=message_id, happened_at="2029-12-01T10:00:00Z",
        )  # fmt: skip
        self.installation.post_events([said])
        engine = open_engine(self.installation.settings.database_url)
        statement, values = record_sent("page", provider_id, self.conversation_id, message_id, at)
        with engine.begin() as connection:
            connection.execute(statement, values)  # type: ignore[call-overload]
        engine.dispose()

    def call(self, *events: dict[str, Any]) -> None:
        """Let Meta call the account, signed."""
        raw = msgspec.json.encode(page_body(*events))
        call = ADAPTERS["messenger"].sign(raw, "application/json", self.account, 0)
        headers = dict(call.headers)
        answer = self.installation.http.post("/channels/page", content=raw, headers=headers)
        assert answer.status_code == 200, answer.text

    def mark(self, seconds: int) -> int:
        """Return the mark so long after the first message, in milliseconds."""
        return self.first_sent_at // 1_000 + seconds * 1_000

    def states(self) -> list[tuple[str, str]]:
        """Return message and state of each receipt, in order."""
        path = f"/v1/conversations/{self.conversation_id}/events"
        return [
            (each["message_id"], each["event_type"].partition(".")[2])
            for each in self.installation.http.get(path).json()["items"]
            if each["event_type"] in ("message.delivered", "message.read")
        ]


@pytest.fixture
def page(installation: Installation) -> Page:
    return Page(installation)


def test_a_mark_is_a_receipt_for_each_message_up_to_its_time(page: Page) -> None:
    page.call(event(read={"watermark": page.mark(0)}))
    assert page.states() == [("first", "read")]
    page.call(event(read={"watermark": page.mark(1)}))
    assert page.states() == [("first", "read"), ("second", "read")]


def test_a_message_that_a_call_names_and_marks_is_delivered_once(page: Page) -> None:
    page.call(event(delivery={"mids": ["p1"], "watermark": page.mark(0)}))
    assert page.states() == [("first", "delivered")]


def test_a_later_mark_repeats_no_receipt_of_a_message_that_was_named(page: Page) -> None:
    page.call(event(delivery={"mids": ["p1"], "watermark": page.mark(0)}))
    page.call(event(delivery={"mids": ["p2"], "watermark": page.mark(1)}))
    page.call(event(delivery={"watermark": page.mark(2)}))
    assert page.states() == [("first", "delivered"), ("second", "delivered")]


def test_a_mark_covers_a_message_whose_own_receipt_was_lost(page: Page) -> None:
    page.call(event(delivery={"mids": ["p2"], "watermark": page.mark(1)}))
    assert sorted(page.states()) == [("first", "delivered"), ("second", "delivered")]


def test_a_call_that_comes_again_changes_nothing(page: Page) -> None:
    for _ in range(3):
        page.call(event(delivery={"mids": ["p1", "p2"], "watermark": page.mark(1)}))
        page.call(event(read={"watermark": page.mark(1)}))
    assert sorted(page.states()) == [
        ("first", "delivered"), ("first", "read"), ("second", "delivered"), ("second", "read"),
    ]  # fmt: skip
    assert page.installation.http.get("/v1/rejected").json()["items"] == []
