"""Both clients over a network that loses what it can; the async one is used as if it blocked."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import partial
from inspect import isawaitable
from typing import Any, cast

import httpx2
from anyio import to_thread
from anyio.from_thread import BlockingPortal

from ingest.client import AsyncClient, Client

Fault = Callable[[httpx2.Request], httpx2.Response]


class Network(httpx2.BaseTransport, httpx2.AsyncBaseTransport):
    """A real transport that meets one of `faults` at each request, until there are none left."""

    def __init__(self, *faults: Fault) -> None:
        self.faults = list(faults)
        self.real = httpx2.HTTPTransport()
        self.real_async = httpx2.AsyncHTTPTransport()
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Meet a fault, or pass the request on."""
        return self._fault(request) or self.real.handle_request(request)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The same, awaited."""
        return self._fault(request) or await self.real_async.handle_async_request(request)

    def _fault(self, request: httpx2.Request) -> httpx2.Response | None:
        self.requests.append(request)
        return self.faults.pop(0)(request) if self.faults else None

    def close(self) -> None:
        """Close the connections."""
        self.real.close()

    async def aclose(self) -> None:
        """The same, awaited."""
        await self.real_async.aclose()


def refuse_connection(_: httpx2.Request) -> httpx2.Response:
    raise httpx2.ConnectError("no server listens")


def lose_the_answer(request: httpx2.Request) -> httpx2.Response:
    with httpx2.HTTPTransport() as real:
        real.handle_request(request).read()
    raise httpx2.ReadTimeout("the answer was lost")


def answering(status: int, headers: dict[str, str] | None = None, text: str = "") -> Fault:
    return lambda _: httpx2.Response(status, headers=headers, text=text)


class Blocking:
    """An AsyncClient, used as a Client is: what one promises, the other is held to by the same test."""

    def __init__(self, portal: BlockingPortal, client: AsyncClient) -> None:
        self._portal = portal
        self._client = client

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return partial(self._call, found) if callable(found) else found

    def _call(self, method: Callable[..., Any], *args: Any, **given: Any) -> Any:
        made = method(*args, **given)
        return self._portal.call(_awaited, made) if isawaitable(made) else self._each(made)

    def _each(self, items: AsyncGenerator[Any, None]) -> Iterator[Any]:
        try:
            while (item := self._portal.call(_following, items)) is not None:
                yield item
        finally:
            self._portal.call(_awaited, items.aclose())


async def _awaited(made: Any) -> Any:
    return await made


async def _following(items: AsyncIterator[Any]) -> Any:
    return await anext(items, None)


def make_client(kind: type, portal: BlockingPortal, url: str, key: str, **over: Any) -> Client:
    """One or the other. `wait`, `transport` and the rest are given as to the one that blocks."""
    if kind is Client:
        return Client(url, key, **over)
    if wait := over.pop("wait", None):

        async def awaited(seconds: float) -> None:
            await to_thread.run_sync(wait, seconds)

        over["wait"] = awaited
    return cast("Client", Blocking(portal, AsyncClient(url, key, **over)))
