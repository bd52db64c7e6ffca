"""The server on loopback answers requests that arrive in parallel."""

import socket
import threading
from contextlib import ExitStack
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler

from convolake.loopback_server import LoopbackServer, Reply, Request, serve

PARALLEL_SENDS = 64
POST = b"POST /send HTTP/1.1\r\nhost: provider\r\ncontent-length: 2\r\n\r\n{}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(2)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Write nothing."""


def test_requests_that_arrive_before_the_server_accepts_are_all_answered() -> None:
    with LoopbackServer(("127.0.0.1", 0), _Handler) as server, ExitStack() as stack:
        address = ("127.0.0.1", int(server.server_address[1]))
        clients = [
            stack.enter_context(socket.create_connection(address, timeout=10))
            for _ in range(PARALLEL_SENDS)
        ]
        for each in clients:
            each.sendall(POST)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            assert [each.recv(12) for each in clients] == [b"HTTP/1.0 204"] * PARALLEL_SENDS
        finally:
            server.shutdown()
            thread.join()


def test_a_request_reaches_the_function_as_it_was_sent_and_its_reply_returns() -> None:
    received: list[Request] = []

    def answer(request: Request) -> Reply:
        received.append(request)
        return Reply(201, b"made", {"x-id": "7"})

    with serve(answer) as url:
        client = HTTPConnection(*_address(url), timeout=10)
        client.request("POST", "/send", b"{}", {"host": "provider"})
        reply = client.getresponse()
        body = reply.read()
        client.close()
    (request,) = received
    assert (request.method, request.path, request.body) == ("POST", "/send", b"{}")
    assert request.headers["host"] == "provider"
    assert (reply.status, reply.getheader("x-id"), body) == (201, "7", b"made")


def test_no_reply_closes_the_connection() -> None:
    with serve(lambda _: None) as url, socket.create_connection(_address(url), 10) as client:
        client.sendall(POST)
        assert client.recv(1) == b""


def _address(url: str) -> tuple[str, int]:
    host, port = url.removeprefix("http://").split(":")
    return host, int(port)
