"""A log with conversations on channel accounts, whose provider is a stand-in on loopback."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

import msgspec
from sqlalchemy import Executable

from ingest.accounts.registry import DESTINATION_PREFIX as PREFIX
from ingest.accounts.registry import (
    AccountPolicy,
    ChannelAccount,
    get_account,
    insert_account,
    seal_secrets,
    update_account,
)
from ingest.accounts.secret_box import SecretBox, new_key
from ingest.accounts.sends import SendKey, list_parts
from ingest.delivery.channel_registry import ChannelRegistry
from ingest.delivery.dispatcher import Dispatcher
from ingest.egress import signing
from ingest.identity.people import person_of
from ingest.log.cursor import START
from ingest.log.storage.engine import open_engine
from tests.delivery.dispatching import dispatch
from tests.factories import Clock, Record, make_event
from tests.webhook_receiver import Receiver

Body = dict[str, Any]


class ChannelRig:
    """Accounts, conversations `c0`, `c1` … of one customer each, and the dispatcher."""

    def __init__(self, record: Record, clock: Clock, receiver: Receiver) -> None:
        self.record = record
        self.clock = clock
        self.receiver = receiver
        self.engine = open_engine(record.settings.database_url)
        self.secrets = SecretBox([new_key()])
        self.registry = ChannelRegistry(
            self.engine, partial(person_of, self.engine), self.secrets, clock
        )
        self.slept: list[float] = []

    def close(self) -> None:
        self.engine.dispose()

    def add_account(
        self, account_id: str = "shop", provider: str = "webhook", channel: str = "api", **over: Any
    ) -> None:
        """Add an account; `over`: options, or fields of its policy."""
        options = {"url": self.receiver.url} | over.pop("options", {})
        secrets = {"signing_secret": [signing.new_secret()]} | over.pop("secrets", {})
        account = ChannelAccount(
            account_id=account_id,
            provider=provider,
            channel=channel,
            address=over.pop("address", "shop"),
            options=options,
            secrets=seal_secrets(self.secrets, secrets),
            policy=AccountPolicy(**over),
            created_at=0,
            cursor=START,
        )
        self.execute(insert_account(account))

    def execute(self, *statements: Any) -> None:
        with self.engine.begin() as connection:
            for each in statements:
                connection.execute(cast("Executable", each))

    def open(self, number: int = 0, account_id: str = "shop", **over: Any) -> str:
        """Open a conversation: its customer has an address and wrote once."""
        conversation_id, who = f"c{number}", f"person-{number}"
        address = over.pop("linked", {"kind": "external_id", "address": who, "scope": "shop"})
        here = {"channel": over.pop("channel", "api"), "channel_account": account_id}
        self.record.write(
            [
                make_event("contact.created", conversation_id=None, contact_id=who),
                make_event(
                    "contact.linked", conversation_id=None, contact_id=who,
                    payload={"channel": here["channel"], **address},
                ),
                make_event(
                    "conversation.created", conversation_id=conversation_id, contact_id=who, **here
                ),
            ]
        )  # fmt: skip
        self.hear(conversation_id, account_id, contact_id=who, **here, **over)
        return conversation_id

    def hear(self, conversation_id: str, account_id: str, **over: Any) -> None:
        """Receive a message of the customer on an account."""
        event = make_event(
            conversation_id=conversation_id,
            participant_id=f"ada-{conversation_id}",
            **{"channel_account": account_id, **over},
        )
        self.record.write([event], source="channels")

    def say(self, conversation_id: str, text: str | None = "Hello", **over: Any) -> dict[str, Any]:
        """Let the bot say something; return it as the log has it."""
        who = {"participant_id": "helper", "participant_role": "bot"}
        event = make_event(conversation_id=conversation_id, text=text, **(who | over))
        source = event.pop("source", "test")
        (answer,) = self.record.write([event], source=source)
        return self.record.log(f"select * from events where event_id = '{answer.event_id}'")[0]

    def deliver(self, account_id: str = "shop", until: Callable[[], bool] | None = None) -> None:
        """Run rounds until nothing is left to do now; or, moving the clock, until something holds."""

        async def work(dispatcher: Dispatcher) -> None:
            for _ in range(60):
                while await dispatcher.run_round(self.destination(account_id)):
                    pass
                if until is None or until():
                    return
                self.clock.forward(minutes=11)

        async def sleep(seconds: float) -> None:
            self.slept.append(seconds)
            self.clock.forward(seconds=seconds)

        dispatch(self.record.settings, self.clock, self.registry, work, sleep)

    def destination(self, account_id: str = "shop") -> Any:
        found = self.registry.get_destination(PREFIX + account_id)
        assert found is not None
        return found

    def forget_cursor(self, account_id: str = "shop") -> None:
        """Put the account back to the start of the log, as a crash before its commit does."""
        self.execute(update_account(account_id, cursor=START))

    def account(self, account_id: str = "shop") -> ChannelAccount:
        found = get_account(self.engine, account_id)
        assert found is not None
        return found

    @property
    def arrived(self) -> list[Body]:
        """What the provider took, lost answers included."""
        return [msgspec.json.decode(each.body) for each in self.receiver.accepted]

    @property
    def texts(self) -> list[str]:
        return [each["text"] for each in self.arrived]

    def receipts(self, message: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """The receipts of a message, in order."""
        rows = self.record.log(
            f"select event_type, payload from events where message_id = '{message['message_id']}' "
            "and event_type <> 'message.created' order by sequence"
        )
        return [(row["event_type"], msgspec.json.decode(row["payload"])) for row in rows]

    def states(self, message: dict[str, Any], account_id: str = "shop") -> list[str]:
        """The states of the message's parts."""
        key = SendKey(account_id, message["shard"], message["position"])
        return [each.state for each in list_parts(self.engine, key)]
