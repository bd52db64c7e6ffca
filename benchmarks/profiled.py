"""The API with clocks around its parts: `python -m benchmarks.profiled` serves it.

Each thread has a stack of the parts it is in, and its time belongs to the innermost one. A
part that was renamed fails here at once (AttributeError), so that none is lost unnoticed.
"""

import gc
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, cast

import msgspec
import uvicorn
from fastapi import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from ingest.api import intake, middleware
from ingest.api.app import create_app
from ingest.api.metrics import Metrics
from ingest.api.server import uvicorn_config
from ingest.api.translator import Translator
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.unit_of_work import UnitOfWork
from ingest.log.writer import Writer
from ingest.settings import Settings


class Spent(msgspec.Struct):
    """Seconds that a part had a processor, and seconds that passed."""

    cpu: float
    wall: float


class Clocks:
    """The parts of one thread."""

    def __init__(self, thread: str, rest: str) -> None:
        """`rest` names the time that belongs to no part. Call `begin` on the thread itself."""
        self.spent: dict[str, Spent] = {}
        self._thread = thread
        self._stack = [self._part(rest)]
        self._cpu = 0.0
        self._wall = 0.0
        self._ident = 0
        self._collection = self._part("garbage collection")
        gc.callbacks.append(self._collect)

    def _part(self, name: str) -> Spent:
        return self.spent.setdefault(f"{self._thread}: {name}", Spent(cpu=0.0, wall=0.0))

    def begin(self) -> None:
        """Start both clocks."""
        self._ident = threading.get_ident()
        self._cpu, self._wall = time.thread_time(), time.perf_counter()

    def note(self) -> None:
        """Give the time since the last note to the innermost part."""
        cpu, wall = time.thread_time(), time.perf_counter()
        part = self._stack[-1]
        part.cpu += cpu - self._cpu
        part.wall += wall - self._wall
        self._cpu, self._wall = cpu, wall

    def around(self, owner: Any, attribute: str, name: str) -> None:
        """Put the function `attribute` of `owner` between clocks, as the part `name`."""
        function = getattr(owner, attribute)
        part = self._part(name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            self.note()
            self._stack.append(part)
            try:
                return function(*args, **kwargs)
            finally:
                self.note()
                self._stack.pop()

        setattr(owner, attribute, timed)

    def around_steps(
        self, function: Callable[..., Awaitable[Any]], name: str
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        """Time every step of `function`'s coroutine as the part `name`, without its waiting."""
        part = self._part(name)

        async def timed(*args: Any, **kwargs: Any) -> Any:
            inner = cast("Coroutine[Any, Any, Any]", function(*args, **kwargs))
            return await _Steps(inner, self, part)

        return timed

    def _collect(self, phase: str, _info: dict[str, int]) -> None:
        # Python collects in whichever thread allocates; without this, collections would be
        # charged to the part that happens to be under way.
        if threading.get_ident() != self._ident:
            return
        if phase == "start":
            self.enter(self._collection)
        else:
            self.leave()

    def enter(self, part: Spent) -> None:
        """Begin a step of `part`."""
        self.note()
        self._stack.append(part)

    def leave(self) -> None:
        """End the innermost part."""
        self.note()
        self._stack.pop()


class _Steps:
    """Awaits a coroutine step by step."""

    def __init__(self, inner: Coroutine[Any, Any, Any], clocks: Clocks, part: Spent) -> None:
        self._inner = inner
        self._clocks = clocks
        self._part = part

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._inner.send
        value: Any = None
        while True:
            self._clocks.enter(self._part)
            try:
                pending = step(value)
            except StopIteration as end:
                return end.value
            finally:
                self._clocks.leave()
            try:
                step, value = self._inner.send, (yield pending)
            except BaseException as error:
                step, value = self._inner.throw, error


def watch_loop(loop: Clocks) -> None:
    """Put clocks around what the event loop's thread does for a write."""
    for name in ("create_message", "record_events", "take_call"):
        endpoint = loop.around_steps(getattr(middleware, name), "route: read body, draft, encode")
        setattr(middleware, name, endpoint)
    loop.around(intake, "authorize", "authorize, count")
    loop.around(intake, "parse", "decode JSON (msgspec, limits)")
    loop.around(Writer, "submit", "submit to the writer")
    loop.around(Writer, "_resolve", "wake the waiting requests")
    loop.around(Metrics, "count_acknowledgements", "count for /metrics")
    loop.around(intake, "Response", "build the answer")


def watch_writer(thread: Clocks) -> None:
    """Put clocks around what the writer's thread does."""
    run = ThreadWriter._run

    def timed_run(self: ThreadWriter) -> None:
        thread.begin()
        run(self)

    ThreadWriter._run = timed_run  # type: ignore[method-assign]
    thread.around(Translator, "translate_all", "translate calls of providers")
    thread.around(Store, "find_events", "look for duplicates")
    thread.around(Store, "find_conversations", "read states")
    thread.around(UnitOfWork, "append", "admit: row, fold, acknowledgement")
    thread.around(Store, "add_events", "insert events")
    thread.around(Store, "save_conversations", "write states")
    thread.around(Store, "commit", "commit (fsync)")


def main() -> None:
    """Serve like `convolake api`, and what was spent so far under /parts."""
    settings = Settings()
    loop = Clocks("loop", "receive (uvicorn, httptools), idle")
    thread = Clocks("writer", "drain, positions, idle")
    watch_loop(loop)
    watch_writer(thread)
    app = create_app(settings)

    @app.get("/parts")
    async def parts() -> Response:
        loop.note()
        return Response(msgspec.json.encode({**loop.spent, **thread.spent}))

    gc.collect()  # as `convolake api` does, or collections would seem to cost a fifth
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    loop.begin()
    served = _timed(middleware.FastPathMiddleware(app), loop)
    uvicorn.Server(uvicorn_config(served, host=settings.host, port=settings.port)).run()


def _timed(app: ASGIApp, loop: Clocks) -> ASGIApp:
    steps = loop.around_steps(app, "hot path, FastAPI")

    async def timed(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        await steps(scope, receive, loop.around_steps(send, "send (uvicorn, socket)"))

    return timed


if __name__ == "__main__":
    main()
