"""An HTTP server on loopback that answers as a provider's API, and a client for rendered requests."""

import http.client
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from ingest.channels.base import Answer, HttpRequest, OutboundRequest


class Request(NamedTuple):
    """A request that a stand-in received. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Reply(NamedTuple):
    """The answer of a stand-in."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})


@contextmanager
def serve(answer: Callable[[Request], Reply]) -> Iterator[str]:
    """A server that listens until the block ends; gives its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", "0")))
            reply = answer(Request(self.command, self.path, headers, body))
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST  # noqa: N815 - the name is of the library

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def server_bind(self) -> None:
            socketserver.TCPServer.server_bind(self)  # does not resolve the host's name

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def send(request: OutboundRequest) -> Answer:
    """Send a rendered request, and return the answer."""
    assert isinstance(request, HttpRequest)
    url = urlsplit(request.url)
    connection = http.client.HTTPConnection(url.netloc, timeout=10)
    try:
        connection.request(request.method, url.path, request.body, dict(request.headers))
        response = connection.getresponse()
        headers = {name.lower(): value for name, value in response.getheaders()}
        return Answer(status=response.status, headers=headers, body=response.read())
    finally:
        connection.close()
