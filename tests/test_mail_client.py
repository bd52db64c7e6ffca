"""A mail to a server: what its replies mean, what a lost answer means, and which servers may be called."""

import asyncio
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any, cast

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from ingest.egress.client import EgressResult
from ingest.egress.mail import MailClient, MailServer
from tests.factories import free_port

LOOPBACK = (ip_network("127.0.0.0/8"),)
CONTENT = b"Subject: Hello\r\n\r\nHello Ada\r\n"


class Postbox:
    """Takes mails, with the replies that a test wants."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.recipient_reply = self.content_reply = "250 OK"

    async def handle_RCPT(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        if self.recipient_reply.startswith("2"):
            envelope.rcpt_tos.append(address)
        return self.recipient_reply

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        self.taken.append(envelope)
        if not self.content_reply:
            cast("asyncio.Transport", server.transport).abort()
        return self.content_reply or "250 OK"


@pytest.fixture
def postbox() -> Postbox:
    return Postbox()


@pytest.fixture
def port(postbox: Postbox) -> Iterator[int]:
    controller = Controller(postbox, hostname="127.0.0.1", port=free_port())
    controller.start()
    yield controller.port
    controller.stop()


def send(port: int, allowed: Any = LOOPBACK, **over: Any) -> EgressResult:
    server = MailServer("127.0.0.1", port, is_encrypted=over.pop("is_encrypted", False))
    client = MailClient(allowed, seconds=10)
    return asyncio.run(client.send(server, "help@shop.example", ["ada@mail.example"], CONTENT))


def test_a_mail_arrives_byte_for_byte_with_its_envelope(postbox: Postbox, port: int) -> None:
    assert send(port).status == 250
    (mail,) = postbox.taken
    assert (mail.mail_from, mail.rcpt_tos) == ("help@shop.example", ["ada@mail.example"])
    assert mail.content == CONTENT


@pytest.mark.parametrize("reply", ["550 no such mailbox", "451 try again later"])
def test_a_reply_of_the_server_has_its_status_and_its_text(
    postbox: Postbox, port: int, reply: str
) -> None:
    postbox.recipient_reply = reply
    result = send(port)
    assert (result.status, result.body.decode()) == (int(reply[:3]), reply[4:])
    assert postbox.taken == []
    postbox.recipient_reply, postbox.content_reply = "250 OK", reply
    assert send(port).status == int(reply[:3])


def test_a_lost_answer_after_the_content_means_that_it_may_have_arrived(
    postbox: Postbox, port: int
) -> None:
    postbox.content_reply = ""
    result = send(port)
    assert (result.status, result.is_unsent) == (None, False)
    assert len(postbox.taken) == 1


def test_without_a_connection_nothing_was_sent() -> None:
    result = send(free_port())
    assert (result.status, result.is_unsent) == (None, True)


def test_a_server_in_a_private_network_is_called_only_if_that_is_allowed(
    postbox: Postbox, port: int
) -> None:
    for is_encrypted in (True, False):
        result = send(port, allowed=(), is_encrypted=is_encrypted)
        assert (result.error, result.is_unsent) == ("PermissionError", True)
    assert postbox.taken == []


def test_without_starttls_a_mail_that_has_to_be_encrypted_is_not_sent(
    postbox: Postbox, port: int
) -> None:
    result = send(port, is_encrypted=True)
    assert result.is_unsent
    assert postbox.taken == []
