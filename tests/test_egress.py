"""Where webhooks may not go, and receivers that mean ill."""

import asyncio
import socket
import struct
import time
from ipaddress import ip_network
from typing import Any

import pytest

from ingest.egress.client import EgressClient, EgressResult, ForbiddenAddressError, check_url
from ingest.egress.ssrf import is_allowed
from tests.webhook_receiver import hostile

LOOPBACK = [ip_network("127.0.0.0/8")]

NEVER = """
127.0.0.1 127.0.0.2 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1
172.31.255.255 192.168.0.1 192.168.255.254 169.254.0.1 169.254.169.254 169.254.170.2
100.64.0.1 100.100.100.200 100.127.255.254 192.0.0.1 192.0.0.8 192.0.0.170 192.0.2.1
198.18.0.1 198.19.255.254 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 239.255.255.250
240.0.0.1 255.255.255.255 ::1 :: ::7f00:1 ::a00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1
::ffff:169.254.169.254 ::ffff:0:127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
64:ff9b:1::7f00:1 2002:7f00:1:: 2002:a00:1::1 2002:a9fe:a9fe::1 2001::1 2001:0:53aa:64c::1
2001:db8::1 2001:10::1 fe80::1 fe80::1%eth0 fec0::1 feff::1 fc00::1 fd00::1 fd00:ec2::254
ff02::1 ff05::2 ff0e::1 100::1 5f00::1 3fff::1 2001:2::1 2001:20::1
""".split()  # noqa: SIM905
PUBLIC = ["1.1.1.1", "8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001:800::200e"]

ODD_HOSTS = [
    "127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", "0", "0x7f000001",
    "①②⑦.0.0.1", "127。0。0。1", "[::1]", "[::ffff:127.0.0.1]", "[::]", "0.0.0.0", "LOCALHOST",  # noqa: S104
    "localhost.", "127.0.0.1.", "[::ffff:7f00:1]",
]  # fmt: skip


@pytest.mark.parametrize("address", NEVER)
def test_no_private_address_is_called(address: str) -> None:
    assert not is_allowed(address)


def test_the_list_has_more_than_sixty_private_addresses() -> None:
    assert len(set(NEVER)) >= 60


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    assert is_allowed(address)


def test_an_allowed_network_is_called() -> None:
    assert is_allowed("127.0.0.1", LOOPBACK)
    assert is_allowed("::ffff:127.0.0.1", LOOPBACK)
    assert not is_allowed("10.0.0.1", LOOPBACK)


def post(url: str, *allowed: Any, seconds: float = 5.0, body: bytes = b"{}") -> EgressResult:
    async def run() -> EgressResult:
        sender = EgressClient(allowed, seconds)
        try:
            return await sender.send(url, [], body)
        finally:
            await sender.close()

    return asyncio.run(run())


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_no_spelling_of_loopback_is_connected_to(host: str) -> None:
    with hostile(lambda _: None) as (url, connections):
        port = url.split(":")[2].split("/")[0]
        # Something is trusted, so that plain http and any port pass, but not this machine.
        outcome = post(f"http://{host}:{port}/hook", ip_network("10.99.0.0/16"))
        assert connections == []
    assert outcome.status is None


def test_a_name_with_a_public_and_a_private_address_is_not_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def both(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, 443)) for each in ("93.184.216.34", "127.0.0.1")]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", both)
    assert (post("https://two-faced.example/").error or "").startswith("forbidden")


def test_a_name_is_resolved_once_for_an_attempt_and_the_checked_address_is_called(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def rebinding(_self: Any, host: str, port: int, **__: Any) -> list[Any]:
        asked.append(host)
        return [(2, 1, 6, "", ("127.0.0.1" if len(asked) == 1 else "10.0.0.1", port))]

    with hostile(lambda each: each.sendall(b"HTTP/1.1 204 No\r\n\r\n")) as (url, connections):
        port = url.split(":")[2].split("/")[0]
        real = asyncio.base_events.BaseEventLoop.getaddrinfo

        async def resolve(self: Any, host: Any, port: Any, **more: Any) -> Any:
            if host == "rebinding.example":
                return await rebinding(self, host, port, **more)
            return await real(self, host, port, **more)

        monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", resolve)
        assert post(f"http://rebinding.example:{port}/", *LOOPBACK).status == 204
        assert asked == ["rebinding.example"]
        assert len(connections) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://user:secret@example.com/", "https://example.com:8443/",
        "ftp://example.com/", "file:///etc/passwd", "https://", "https:///path", "//example.com",
        "gopher://example.com", "https://example.com:99999/", "https://[::1", "not a url",
    ],
)  # fmt: skip
def test_an_invalid_webhook_url_is_rejected_at_once(url: str) -> None:
    with pytest.raises(ForbiddenAddressError):
        check_url(url, allows_http=False)


# --- receivers that mean ill


def wait_for_the_end(each: socket.socket) -> None:
    while each.recv(4096):
        pass


def drip(each: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000:
        each.sendall(bytes([byte]))
        time.sleep(0.02)


def endless(each: socket.socket) -> None:
    each.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        each.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")


def reset_after_success(each: socket.socket) -> None:
    each.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    each.close()


def reset_at_once(each: socket.socket) -> None:
    each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    each.close()


@pytest.mark.parametrize(
    ("behave", "status"),
    [
        (wait_for_the_end, None),
        (drip, None),
        (endless, 200),
        (reset_at_once, None),
        (lambda each: each.sendall(b"garbage\r\n\r\n"), None),
        (lambda each: each.sendall(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000), None),
    ],
)
def test_a_hostile_receiver_takes_no_longer_than_its_timeout(
    behave: Any, status: int | None
) -> None:
    with hostile(behave) as (url, _):
        outcome = post(url, *LOOPBACK, seconds=0.5)
    assert outcome.status == status
    assert outcome.is_success == (status == 200)
    assert outcome.seconds < 3


def test_a_reset_after_a_success_is_a_success_or_is_retried() -> None:
    """The reset may overtake the response: then the outcome is unknown, and the same id is sent again."""
    with hostile(reset_after_success) as (url, _):
        outcome = post(url, *LOOPBACK)
    assert outcome.status == 200 or outcome.error == "ReadError"


def test_a_redirect_to_a_metadata_address_is_not_followed() -> None:
    answer = b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"
    with hostile(lambda each: each.sendall(answer)) as (url, connections):
        outcome = post(url, *LOOPBACK)
        assert len(connections) == 1
    assert outcome.status == 302
    assert not outcome.is_success


def test_a_receiver_that_does_not_read_is_disconnected() -> None:
    with hostile(lambda each: time.sleep(1)) as (url, _):
        outcome = post(url, *LOOPBACK, seconds=0.5, body=b"x" * 20_000_000)
    assert outcome.error == "timeout"


def test_proxy_variables_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        hostile(lambda each: each.sendall(b"HTTP/1.1 502 No\r\n\r\n")) as (proxy, asked),
        hostile(lambda each: each.sendall(b"HTTP/1.1 204 No\r\n\r\n")) as (url, _),
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy)
        assert post(url, *LOOPBACK).status == 204
        assert asked == []
