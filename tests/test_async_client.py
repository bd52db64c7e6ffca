"""What an AsyncClient promises in addition to a Client: many tasks over one client, cancelled or not."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from inspect import iscoroutinefunction, signature
from pathlib import Path
from typing import Any

import pytest

from convolake import AsyncClient, Client
from ingest.api.app import create_app
from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Message, Participant
from ingest.settings import Settings
from tests.api_server import WAIT, run_server

ADA = Participant(participant_id="ada", participant_role="customer")
CONNECTIONS = 100
"""The maximum number of connections of a client."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """URL and key of an API on a real port."""
    settings = Settings(data=tmp_path)
    key = get_or_create_local_key(settings, 0)
    with run_server(create_app(settings)) as url:
        yield url, key


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        async with asyncio.timeout(WAIT):
            await main()

    asyncio.run(in_time())


async def open_conversation(client: AsyncClient, conversation_id: str = "c1") -> str:
    await client.create_conversation("web", conversation_id=conversation_id, participants=[ADA])
    return conversation_id


async def post_numbered(client: AsyncClient, number: int) -> None:
    await client.post_message("c1", "ada", f"{number}", event_id=f"said-{number}")


async def sequences_until(client: AsyncClient, last: str) -> list[int]:
    """The sequences of a conversation's events, up to the message with this text."""
    sequences: list[int] = []
    async with aclosing(client.listen("c1", after=0)) as events:
        async for event in events:
            sequences.append(event["sequence"])
            if event.get("text") == last:
                break
    return sequences


class Gate:
    """A connection to the API that holds back all requests until it is opened."""

    def __init__(self, url: str) -> None:
        self.host, _, self.port = url.removeprefix("http://").rpartition(":")
        self.held = asyncio.Semaphore(0)
        self.opened = asyncio.Event()
        self.connections: list[asyncio.Task[Any] | None] = []

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections.append(asyncio.current_task())
        self.held.release()
        await self.opened.wait()
        there, back = await asyncio.open_connection(self.host, int(self.port))
        await asyncio.gather(forward(reader, back), forward(there, writer))


async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):  # a cancelled client does not wait for the response
        while part := await source.read(65_536):
            sink.write(part)
            await sink.drain()
    sink.close()
    with suppress(ConnectionError):
        await sink.wait_closed()


@asynccontextmanager
async def run_gate(url: str) -> AsyncIterator[tuple[str, Gate]]:
    """The URL of a gate before the API, and the gate."""
    gate = Gate(url)
    async with await asyncio.start_server(gate.pass_on, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}", gate
    await asyncio.gather(*(each for each in gate.connections if each))


def public(kind: type) -> dict[str, Any]:
    return {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_parameters() -> None:
    ours, theirs = public(AsyncClient), public(Client)
    assert ours.keys() == theirs.keys()
    for name, method in ours.items():
        assert signature(method).parameters == signature(theirs[name]).parameters, name


def test_every_client_method_has_types_and_a_docstring() -> None:
    assert signature(Client.messages).return_annotation == Iterator[Message]
    assert signature(AsyncClient.messages).return_annotation == AsyncIterator[Message]
    assert (AsyncClient.post_message.__doc__ or "").startswith("Post a message")
    assert iscoroutinefunction(AsyncClient.post_message)
    with pytest.raises(TypeError, match="colour"):
        Client("http://localhost", "key").post_message("c1", "ada", colour="red")  # type: ignore[call-arg]


def test_many_concurrent_calls_over_one_client_all_arrive(server: tuple[str, str]) -> None:
    async def main() -> None:
        async with AsyncClient(*server) as client:
            await open_conversation(client)
            await asyncio.gather(*(post_numbered(client, number) for number in range(300)))
            texts = [message.text async for message in client.messages("c1")]
        assert sorted(texts, key=int) == [f"{number}" for number in range(300)]  # type: ignore[arg-type]

    run(main)


def test_with_many_writers_every_subscriber_gets_sequences_1_to_n(server: tuple[str, str]) -> None:
    async def main() -> None:
        async with AsyncClient(*server) as client:
            await open_conversation(client)
            listeners = [asyncio.create_task(sequences_until(client, "last")) for _ in range(10)]
            await asyncio.gather(*(post_numbered(client, number) for number in range(100)))
            await client.post_message("c1", "ada", "last")
            first, *others = await asyncio.gather(*listeners)
        assert len(first) > 100
        assert first == list(range(1, len(first) + 1))
        assert others == [first] * 9

    run(main)


def test_cancelled_calls_leave_the_client_usable_and_may_be_repeated(
    server: tuple[str, str],
) -> None:
    async def main() -> None:
        async with run_gate(server[0]) as (url, gate), AsyncClient(url, server[1]) as client:
            async with AsyncClient(*server) as other:
                await open_conversation(other)
            calls = [asyncio.create_task(post_numbered(client, number)) for number in range(150)]
            for _ in range(CONNECTIONS):
                await gate.held.acquire()
            for call in calls:
                call.cancel()
            ended = await asyncio.gather(*calls, return_exceptions=True)
            assert [type(each) for each in ended] == [asyncio.CancelledError] * 150
            gate.opened.set()
            await asyncio.gather(*(post_numbered(client, number) for number in range(150)))
            assert len([message async for message in client.messages("c1")]) == 150

    run(main)


def test_a_call_cancelled_between_retries_is_not_retried(
    server: tuple[str, str],
) -> None:
    pauses: list[float] = []

    async def main() -> None:
        paused = asyncio.Event()

        async def wait(pause: float) -> None:
            pauses.append(pause)
            paused.set()
            await asyncio.Event().wait()

        async with AsyncClient("http://127.0.0.1:1", server[1], wait=wait) as client:
            call = asyncio.create_task(client.ingest_stats())
            await paused.wait()
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    run(main)
    assert len(pauses) == 1


def test_a_closed_or_cancelled_listener_leaves_no_open_socket(
    server: tuple[str, str],
) -> None:
    async def main() -> None:
        async with AsyncClient(*server) as client:
            await open_conversation(client)
            await post_numbered(client, 1)
            assert await sequences_until(client, "1")
            listens = asyncio.Event()

            async def endless() -> None:
                async for _ in client.listen("c1", after=0):
                    listens.set()

            listener = asyncio.create_task(endless())
            await listens.wait()
            listener.cancel()
            with pytest.raises(asyncio.CancelledError):
                await listener
            await post_numbered(client, 2)
            assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main)
