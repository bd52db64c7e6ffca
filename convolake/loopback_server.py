"""An HTTP server on loopback that takes the place of what an installation calls: a provider, a webhook."""

import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import Any, NamedTuple

POLL_SECONDS = 0.01


class Request(NamedTuple):
    """A request that the server received. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """The answer to a request."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = MappingProxyType({})
    then: Callable[[], object] = lambda: None
    """Called when the answer is sent."""


class LoopbackServer(ThreadingHTTPServer):
    """Accepts as many connections at the same time as the dispatcher opens."""

    daemon_threads = True
    request_queue_size = 128
    """Connections that wait to be accepted. With the library's 5, Linux resets some of 32 parallel ones."""

    def server_bind(self) -> None:
        """Bind without resolving the host's name, which can take seconds."""
        socketserver.TCPServer.server_bind(self)


@contextmanager
def serve(answer: Callable[[Request], Reply | None]) -> Iterator[str]:
    """Serve on a free port until the block ends; yield the URL, without a slash at its end.

    `answer` is called by several threads. None closes the connection without an answer.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body go out together

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            size = int(headers.get("content-length", "0"))
            body = self.rfile.read(size)
            if len(body) < size:  # the sender ended in the middle of it
                return
            reply = answer(Request(self.command, self.path, headers, body))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)
            self.wfile.flush()
            reply.then()

        do_GET = do_PUT = do_POST  # noqa: N815 - the names are of the library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as above
            """Write no access log."""

    with LoopbackServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
