"""Mail goes out over SMTP as the rules demand, and raw mails that come in are the provider's only with a password."""

import asyncio
import re
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.base import (
    Address,
    Answer,
    Choice,
    InvalidSignatureError,
    MailRequest,
    Person,
    Rejected,
    Retry,
    Sent,
    Unsendable,
)
from ingest.channels.basic_auth import basic_value
from ingest.channels.mail.email_mime import ADAPTER, SmtpSettings, smtp_settings
from ingest.channels.mail.outgoing import message_id_of
from ingest.channels.reply_tokens import reply_token, token_key
from ingest.events.payloads import Attachment
from tests.channels.mail_factories import (
    ADA,
    NOW,
    OUR_ADDRESS,
    items_of,
    make_account,
    make_call,
    make_mail,
    make_message,
    only_message,
)

TOKEN = reply_token("c1")


def render(person: Person = ADA, options: dict[str, str] | None = None, **rest: Any) -> MailRequest:
    sent = ADAPTER.render(make_message(**rest), person, make_account(options=options or {}))
    assert not isinstance(sent, Unsendable)
    (request,) = sent
    assert isinstance(request, MailRequest)
    return request


def parsed(request: MailRequest) -> EmailMessage:
    mail = message_from_bytes(request.content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    assert not mail.defects
    return mail


class MailServer:
    """A stand-in of an SMTP server: it keeps what it takes, and answers as it is told."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answer = "250 2.0.0 queued"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.taken.append(envelope)
        return self.answer


@pytest.fixture
def server() -> Iterator[tuple[MailServer, int]]:
    handler = MailServer()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield handler, port
    finally:
        controller.stop()


def send(request: MailRequest, port: int) -> Answer:
    """Send over SMTP and return the reply to the content."""

    async def talk() -> aiosmtplib.SMTPResponse:
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False, timeout=10)
        async with client:
            await client.mail(request.sender)
            for each in request.recipients:
                await client.rcpt(each)
            try:
                return await client.data(request.content)
            except aiosmtplib.SMTPDataError as error:
                return aiosmtplib.SMTPResponse(error.code, error.message)

    reply = asyncio.run(talk())
    headers = {"message-id": request.message_id}
    return Answer(status=reply.code, headers=headers, body=reply.message.encode())


def test_a_mail_arrives_at_a_server_byte_for_byte(server: tuple[MailServer, int]) -> None:
    handler, port = server
    text = "Grüße 👍\n.\n..dots\nשלום\u200d 漢字"
    request = render(text=text)
    assert ADAPTER.interpret(send(request, port)) == Sent(request.message_id)
    (envelope,) = handler.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (OUR_ADDRESS, ["ada@example.org"])
    mail = message_from_bytes(envelope.content, policy=policy.default)  # type: ignore[arg-type]
    assert isinstance(mail, EmailMessage)
    assert mail.get_content().replace("\r\n", "\n") == text + "\n"
    for answer, expected in (("451 4.3.0 try later", Retry), ("554 5.7.1 no spam", Rejected)):
        handler.answer = answer
        assert isinstance(ADAPTER.interpret(send(request, port)), expected)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (250, b"ok", Sent("<m>")),
        (421, b"4.3.2 down", Retry("the server asks to try later, code 421")),
        (550, b"5.1.1 unknown", Rejected("the server rejected the mail", "5.1.1")),
        (535, b"5.7.8 bad password", Retry("the server does not accept the credentials")),
        (550, b"unknown user", Rejected("the server rejected the mail", "550")),
    ],
)
def test_replies_mean_what_rfc_5321_says(status: int, body: bytes, expected: object) -> None:
    answer = Answer(status=status, headers={"message-id": "<m>"}, body=body)
    assert ADAPTER.interpret(answer) == expected


def test_an_answer_names_the_mail_and_its_whole_chain() -> None:
    chain = tuple(f"<{i}@example.org>" for i in range(12))
    thread = (*chain[:-1], token_key(TOKEN))
    request = render(
        in_reply_to=chain[-1], thread=thread, subject="An order", options={"name": "The Shop"}
    )
    mail = parsed(request)
    assert mail["In-Reply-To"] == chain[-1]
    assert str(mail["References"]).split() == list(chain)
    assert mail["Subject"] == f"Re: An order [#{TOKEN}]"
    assert mail["Message-ID"] == request.message_id == "<convolake.send-1@shop.example>"
    assert mail["From"] == f"The Shop <{OUR_ADDRESS}>"
    assert mail["To"] == "Ada <ada@example.org>"
    assert mail["Date"].datetime.timestamp() == NOW // 1_000_000
    assert mail["Auto-Submitted"] is None
    assert mail["Reply-To"] is None
    assert mail.get_content_type() == "text/plain"
    assert mail.get_content_charset() == "utf-8"


def test_the_mark_of_an_answer_is_set_once_and_options_choose_the_tokens() -> None:
    thread = ("<1@x>", token_key(TOKEN))
    subject = f"AW: An order [#{TOKEN}]"
    assert parsed(render(thread=thread, subject=subject))["Subject"] == subject
    options = {"subject_tokens": "no", "reply_tokens": "yes"}
    mail = parsed(render(thread=thread, subject="x", options=options))
    assert (mail["Subject"], mail["Reply-To"]) == ("Re: x", f"help+c-{TOKEN}@shop.example")


def test_a_reply_to_our_mail_has_the_keys_of_its_conversation_best_first() -> None:
    ours = message_id_of("send-1", make_account())
    raw = make_mail(
        In_Reply_To=ours,
        References=f"<1@x> <2@x> {ours}",
        Delivered_To=f"help+c-{TOKEN}@shop.example",
        Subject=f"Re: x [#{reply_token('c2')}]",
    )
    message = only_message(items_of(ADAPTER, make_call(raw), make_account()))
    assert message.thread == (
        ours,
        "<2@x>",
        "<1@x>",
        token_key(TOKEN),
        token_key(reply_token("c2")),
    )
    assert message.in_reply_to == ours
    plain = only_message(items_of(ADAPTER, make_call(make_mail(Subject="Re: x")), make_account()))
    assert plain.thread == ()


def test_an_automatic_mail_says_so() -> None:
    first, answer = render(is_automatic=True), render(is_automatic=True, in_reply_to="<1@x>")
    assert parsed(first)["Auto-Submitted"] == "auto-generated"
    assert parsed(answer)["Auto-Submitted"] == "auto-replied"
    assert parsed(answer)["X-Auto-Response-Suppress"] == "All"


def test_each_attempt_has_the_same_message_id_and_odd_references_have_one_too() -> None:
    account = make_account()
    assert render(now=NOW + 1).message_id == render().message_id
    for reference in ("a b", "é" * 300, "<x>", "a..b", "a\r\nBcc: x", ""):
        assert re.fullmatch(
            r"<convolake\.[0-9a-f]{40}@shop\.example>", message_id_of(reference, account)
        )


def test_files_and_choices_become_lines() -> None:
    mail = parsed(
        render(
            text="Choose",
            attachments=[Attachment(url="https://x.example/a.pdf", name="Bill")],
            quick_replies=[Choice("Yes"), Choice("No")],
            buttons=[Choice("Pay", url="https://x.example/pay")],
        )
    )
    lines = mail.get_content().splitlines()
    assert lines == [
        "Choose",
        "",
        "Bill: https://x.example/a.pdf",
        "Yes",
        "No",
        "Pay: https://x.example/pay",
    ]


@pytest.mark.parametrize(
    ("person", "rest"),
    [
        (Person(addresses=(Address("phone", "+4915112345678"),)), {}),
        (Person(addresses=(Address("email", "äda@example.org"),)), {}),
        (Person(addresses=(Address("email", "a@b@c"),)), {}),
        (ADA, {"text": " "}),
        (ADA, {"text": None}),
    ],
)
def test_a_message_that_no_server_takes_is_unsendable(person: Person, rest: dict[str, Any]) -> None:
    assert isinstance(ADAPTER.render(make_message(**rest), person, make_account()), Unsendable)


def test_an_international_domain_goes_out_in_ascii() -> None:
    person = Person(addresses=(Address("email", "ada@bücher.example"),))
    assert render(person).recipients == ("ada@xn--bcher-kva.example",)


HOSTILE = st.text(max_size=60) | st.sampled_from(
    ["a\r\nBcc: evil@x.example", "\n\nbody", "\x0b\x85\u2028Bcc: x", "\0"]
)


@settings(max_examples=200, deadline=None)
@given(name=HOSTILE, subject=HOSTILE, reference=HOSTILE, thread=HOSTILE, text=HOSTILE)
def test_no_message_adds_a_header(
    name: str, subject: str, reference: str, thread: str, text: str
) -> None:
    person = Person(addresses=ADA.addresses, name=name)
    rendered = ADAPTER.render(
        make_message(
            reference=reference,
            subject=subject,
            thread=(thread,),
            in_reply_to=thread,
            text=f"x{text}",
        ),
        person,
        make_account(options={"name": name, "default_subject": subject}),
    )
    assert not isinstance(rendered, Unsendable)
    head, _, _ = rendered[0].content.partition(b"\r\n\r\n")  # type: ignore[union-attr]
    names = [
        line.partition(b":")[0]
        for line in head.split(b"\r\n")
        if not line.startswith((b" ", b"\t"))
    ]
    allowed = {b"From", b"To", b"Subject", b"Date", b"Message-ID", b"In-Reply-To", b"References"}
    allowed |= {
        b"X-Convolake-Reference",
        b"Content-Type",
        b"Content-Transfer-Encoding",
        b"MIME-Version",
    }
    assert set(names) <= allowed
    assert len(names) == len(set(names))
    assert b"\n" not in head.replace(b"\r\n", b"")


def test_only_the_password_opens_and_during_a_rotation_both_do() -> None:
    account = make_account(secrets={"webhook_password": ["new", "old"]})
    for password in ("new", "old"):
        call = make_call(b"", headers={"authorization": basic_value("convolake", password)})
        ADAPTER.verify(call, account, NOW)
    ADAPTER.verify(ADAPTER.sign(b"x", "message/rfc822", account, NOW), account, NOW)
    for header in (
        "", "Basic", "Basic !", "Bearer new", "Basic é", basic_value("convolake", ""), basic_value("x", "new"),
        basic_value("convolake", "New"), basic_value("convolake", "new") + "x",
    ):  # fmt: skip
        with pytest.raises(InvalidSignatureError):
            ADAPTER.verify(make_call(b"", headers={"authorization": header}), account, NOW)
    with pytest.raises(InvalidSignatureError):
        ADAPTER.verify(
            ADAPTER.sign(b"x", "", make_account(secrets={}), NOW), make_account(secrets={}), NOW
        )


def test_the_smtp_server_is_read_from_the_account() -> None:
    options = {"smtp_host": "mx.example", "smtp_port": "465", "smtp_user": "u"}
    account = make_account(options=options, secrets={"smtp_password": ["p"]})
    assert smtp_settings(account) == SmtpSettings("mx.example", 465, "u", "p", True)
    bare = make_account(options={"smtp_host": "mx", "smtp_port": "x", "smtp_encryption": "no"})
    assert smtp_settings(bare) == SmtpSettings("mx", 587, None, None, False)
