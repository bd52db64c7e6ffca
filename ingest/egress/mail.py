"""One mail to an SMTP server that an administrator configured: checked, and limited in time.

Like the HTTP client, it checks every address that the name resolves to, and connects to a checked one.
"""

import asyncio
import socket
import time
from collections.abc import Sequence

import aiosmtplib
from msgspec import Struct

from ingest.egress.client import EgressResult, resolve
from ingest.egress.ssrf import Network, is_allowed, is_in_networks

MAIL_SECONDS = 60.0
IMPLICIT_TLS_PORT = 465
"""Port on which TLS starts with the connection (RFC 8314)."""


class MailServer(Struct, frozen=True):
    """An SMTP server. `is_encrypted`: with TLS or STARTTLS, which is left out on trusted networks only."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    is_encrypted: bool = True


class MailClient:
    """Sends mails, each over a connection of its own."""

    def __init__(self, allowed: Sequence[Network] = (), seconds: float = MAIL_SECONDS) -> None:
        """Send with a time-out for a whole mail; `allowed`: private networks that may be called."""
        self._allowed = allowed
        self._seconds = seconds

    async def send(
        self, server: MailServer, sender: str, recipients: Sequence[str], content: bytes
    ) -> EgressResult:
        """Send a mail. `status` is that of the last SMTP reply, `body` its text.

        Without a reply to the content, the mail may have arrived. Never raises for the behaviour of a server.
        """
        started = time.monotonic()
        session = _Session(server)
        try:
            async with asyncio.timeout(self._seconds):
                await session.open(await self._connect(server))
                status, said = await session.transfer(sender, recipients, content)
        except aiosmtplib.SMTPResponseException as error:
            status, said = error.code, error.message
        except (aiosmtplib.SMTPException, OSError, UnicodeError, ValueError) as error:
            seconds, is_unsent = time.monotonic() - started, not session.has_sent_content
            return EgressResult(None, type(error).__name__, seconds, is_unsent=is_unsent)
        finally:
            session.close()
        return EgressResult(status, None, time.monotonic() - started, body=said.encode())

    async def _connect(self, server: MailServer) -> socket.socket:
        """Return a connection to a checked address of the server. Raises OSError."""
        addresses = await resolve(server.host, server.port)
        if not addresses or not all(is_allowed(each, self._allowed) for each in addresses):
            raise PermissionError("the name leads into a network that may not be called")
        if not server.is_encrypted and not all(
            is_in_networks(each, self._allowed) for each in addresses
        ):
            raise PermissionError("a mail without TLS stays in trusted networks")
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in addresses[0] else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.setblocking(False)
        try:
            await loop.sock_connect(connection, (addresses[0], server.port))
        except BaseException:
            connection.close()
            raise
        return connection


class _Session:
    """One connection to a server."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._smtp: aiosmtplib.SMTP | None = None
        self.has_sent_content = False

    async def open(self, connection: socket.socket) -> None:
        """Greet, encrypt and sign in."""
        server = self._server
        is_implicit = server.is_encrypted and server.port == IMPLICIT_TLS_PORT
        self._smtp = aiosmtplib.SMTP(
            hostname=server.host,
            local_hostname="convolake",
            use_tls=is_implicit,
            start_tls=server.is_encrypted and not is_implicit,
            username=server.username,
            password=server.password,
            sock=connection,
        )
        await self._smtp.connect()

    async def transfer(
        self, sender: str, recipients: Sequence[str], content: bytes
    ) -> tuple[int, str]:
        """Return the reply to the content. Raises SMTPException."""
        smtp = self._smtp
        assert smtp is not None  # noqa: S101
        await smtp.mail(sender)
        for recipient in recipients:
            await smtp.rcpt(recipient)
        self.has_sent_content = True
        reply = await smtp.data(content)
        return reply.code, reply.message

    def close(self) -> None:
        """End the connection without a further word: the reply to the content was the last that matters."""
        if self._smtp is not None:
            self._smtp.close()
