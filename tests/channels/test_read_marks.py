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

    def __init__(self, installation: Installation, provider: str) -> None:
        self.installation = installation
        self.provider = provider
        account = make_account(provider)
        self.account = msgspec.structs.replace(account, account_id="page", address=PAGE)
        secrets = {name: values[0] for name, values in self.account.secrets.items()}
        body = {
            "account_id": "page", "provider": provider, "address": PAGE, "secrets": secrets,
            "options": dict(self.account.options),
        }  # fmt: skip
        assert installation.post("/v1/channels", body).status_code == 201
        self.call(message_event("m_1", text="Hello"))
        (found,) = installation.http.get("/v1/conversations").json()["items"]
        self.conversation_id = found["conversation_id"]
        self.first_sent_at = installation.clock()
        for place, (provider_id, message_id) in enumerate(SENT.items()):
            self._say(message_id)
            self.record(provider_id, message_id, place)

    def _say(self, message_id: str) -> None:
        """Record a message as history, so that it is not sent."""
        said = make_event(
            conversation_id=self.conversation_id, participant_id="helper", participant_role="bot",
            text=message_id, event_id=message_id, happened_at="2029-12-01T10:00:00Z",
        )  # fmt: skip
        self.installation.post_events([said])

    def record(self, provider_id: str, message_id: str, seconds: int) -> None:
        """Record that the provider took a message, or a part of it, so long after the first."""
        at = self.first_sent_at + seconds * 1_000_000
        engine = open_engine(self.installation.settings.database_url)
        statement, values = record_sent("page", provider_id, self.conversation_id, message_id, at)
        with engine.begin() as connection:
            connection.execute(statement, values)  # type: ignore[call-overload]
        engine.dispose()

    def call(self, *events: dict[str, Any]) -> None:
        """Let Meta call the account, signed."""
        product = "page" if self.provider == "messenger" else self.provider
        raw = msgspec.json.encode({**page_body(*events), "object": product})
        call = ADAPTERS[self.provider].sign(raw, "application/json", self.account, 0)
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


@pytest.fixture(params=["messenger", "instagram"])
def page(installation: Installation, request: pytest.FixtureRequest) -> Page:
    return Page(installation, request.param)


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


def test_a_message_that_is_named_after_a_mark_covered_it_is_delivered_once(page: Page) -> None:
    page.call(event(delivery={"watermark": page.mark(0)}))
    page.call(event(delivery={"mids": ["p1"], "watermark": page.mark(0)}))
    page.call(event(delivery={"mids": ["p1", "p2"]}))
    assert page.states() == [("first", "delivered"), ("second", "delivered")]
    assert page.installation.http.get("/v1/rejected").json()["items"] == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_a_message_is_read_once_in_every_order_of_names_and_marks(
    page: Page, order: tuple[int, ...]
) -> None:
    calls = [{"mid": "p1"}, {"watermark": page.mark(1)}, {"mid": "p2"}]
    for place in (*order, *order):
        page.call(event(read=calls[place]))
    assert sorted(page.states()) == [("first", "read"), ("second", "read")]
    assert page.installation.http.get("/v1/rejected").json()["items"] == []


def test_a_message_in_several_parts_is_delivered_once(page: Page) -> None:
    page.record("p1b", "first", 0)
    page.call(event(delivery={"watermark": page.mark(0)}))
    page.call(event(delivery={"mids": ["p1", "p1b"]}))
    assert page.states() == [("first", "delivered")]


def test_a_mark_and_a_name_in_one_call_give_one_receipt(page: Page) -> None:
    page.call(
        event(delivery={"watermark": page.mark(0)}),
        event(delivery={"mids": ["p1"]}),
        event(delivery={"watermark": page.mark(0)}),
    )
    assert page.states() == [("first", "delivered")]
    assert page.installation.http.get("/v1/rejected").json()["items"] == []
