"""A channel account in both directions: calls of its provider, and messages that it sends, in order."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
from sqlalchemy import Executable

from benchmarks.generator import drive
from benchmarks.message import MOST_PER_SECOND, Target
from benchmarks.paired import Figure, Goal, Level, Size, alternate
from benchmarks.provider import Seen
from benchmarks.servers import HOST, Server, api_server, provider_server
from benchmarks.stored import create_conversations
from ingest.accounts.registry import AccountPolicy, ChannelAccount, insert_account, seal_secrets
from ingest.auth.secret_keys import open_secret_box
from ingest.egress import signing
from ingest.log.storage.engine import migrate, open_engine
from ingest.settings import Settings

CONVERSATIONS = 100
MESSAGES, QUICK_MESSAGES = 10_000, 500
BATCH = 1_000
WAIT_SECONDS = 120.0
ACCOUNT = "bench"
CONNECTIONS = 64


class SentWrongError(RuntimeError):
    """A message was not sent, twice, or out of order."""


def measure(size: Size, work: Path) -> tuple[list[Figure], list[Level]]:
    """Return calls of a provider against single messages, and the rate at which messages reach a provider."""
    return [_receive(size, work)], [_send_all(size, work)]


class Calls:
    """A provider that calls the account, over many connections."""

    def __init__(self, server: Server, secret: str, size: Size) -> None:
        """Sign with `secret`."""
        self._server = server
        self._secret = secret
        self._warm_up = size.pick(0.7, 0.2)
        self._seconds = self._warm_up + size.pick(2.3, 0.8)

    def __call__(self, _round: int) -> float:
        """Return the calls per second, each answered when its event is on disk."""
        return drive(
            self._server,
            "call",
            CONNECTIONS,
            requests=int(MOST_PER_SECOND * self._seconds),
            seconds=self._seconds,
            warm_up=self._warm_up,
            paths=[ACCOUNT],
            secret=self._secret,
        ).rate


def _receive(size: Size, work: Path) -> Figure:
    data = work / "channels-in"
    secret = _create_account(data, f"http://{HOST}:1/")
    with api_server(data) as server:
        create_conversations(server)
        calls = Calls(server, secret, size)
        calls(0)  # each person has a conversation now
        pairs = alternate(size, calls, Target(server, CONNECTIONS, size))
    return Figure(
        f"calls of a provider, {CONNECTIONS} connections",
        "calls answered",
        "single messages on the same API",
        pairs,
        Goal(0.6),
        ["each call verified, kept, and its event on disk before the answer"],
    )


def _send_all(size: Size, work: Path) -> Level:
    rates = [
        _send(work / f"channels-{number}", size.count(MESSAGES, QUICK_MESSAGES))
        for number in range(size.rounds)
    ]
    name = f"sends to a provider, {CONVERSATIONS} conversations, in order"
    notes = ["each with its intent and its receipt on disk, at most once"]
    return Level(name, "messages/s", rates, Goal(1_000), notes)


def _send(data: Path, messages: int) -> float:
    with provider_server(data.with_suffix(".provider.log")) as provider:
        _create_account(data, f"http://{HOST}:{provider.port}/")
        with api_server(data, CONVOLAKE_WEBHOOK_NETWORKS="127.0.0.0/8") as server:
            _post(server, _people())
            _post(server, _replies(messages))
            seen = _wait(provider, messages)
    if seen.count != messages or seen.out_of_order:
        raise SentWrongError(
            f"{seen.count} of {messages} messages sent, {seen.out_of_order} out of order"
        )
    return (messages - 1) / (seen.last_at - seen.first_at)


def _create_account(data: Path, url: str) -> str:
    """Create an account in a new store; return the secret that signs its calls."""
    settings = Settings(data=data)
    data.mkdir(parents=True, exist_ok=True)
    migrate(settings.database_url)
    box = open_secret_box(settings)
    secret = signing.new_secret()
    account = ChannelAccount(
        account_id=ACCOUNT,
        provider="webhook",
        channel="api",
        address="bench",
        options={"url": url},
        secrets=seal_secrets(box, {"signing_secret": [secret]}),
        policy=AccountPolicy(),
        created_at=0,
    )
    engine = open_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(cast("Executable", insert_account(account)))
    engine.dispose()
    return secret


def _people() -> Iterator[dict[str, Any]]:
    for number in range(CONVERSATIONS):
        here = {"channel": "api", "channel_account": ACCOUNT}
        yield {"event_type": "contact.created", "contact_id": f"p{number}"}
        yield {
            "event_type": "contact.linked",
            "contact_id": f"p{number}",
            "payload": {"channel": "api", "address": f"p{number}"},
        }
        created = {"conversation_id": f"c{number}", "contact_id": f"p{number}", **here}
        yield {"event_type": "conversation.created", **created}
        said = {"participant_id": f"ada{number}", "participant_role": "customer", "text": "Hello"}
        yield {"event_type": "message.created", **created, **said}


def _replies(count: int) -> Iterator[dict[str, Any]]:
    for number in range(count):
        step, conversation = divmod(number, CONVERSATIONS)
        yield {
            "event_type": "message.created",
            "conversation_id": f"c{conversation}",
            "participant_id": "helper",
            "participant_role": "bot",
            "text": f"c{conversation}/{step}",
        }


def _post(server: Server, events: Iterator[dict[str, Any]]) -> None:
    encoder = msgspec.json.Encoder()
    waiting = list(events)
    for start in range(0, len(waiting), BATCH):
        body = encoder.encode_lines(waiting[start : start + BATCH])
        server.request("POST", "/v1/events", body, "application/x-ndjson")


def _wait(provider: Server, messages: int) -> Seen:
    """Return what the provider saw once it saw everything, or nothing new for long."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        seen = msgspec.json.decode(provider.request("GET", "/"), type=Seen)
        if seen.count >= messages or time.monotonic() > deadline:
            return seen
        time.sleep(0.2)
