"""A mail gives its sender, subject, time, text and files, also where it breaks the rules."""

import base64
import random
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parseaddr
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.base import UnreadableCallError, UnreadableItem
from ingest.channels.mail.email_mime import ADAPTER
from ingest.channels.mail.html_text import html_to_text
from ingest.channels.mail.mail import Mailbox
from ingest.channels.mail.mime import MAX_TEXT, read_mail
from tests.channels.mail_factories import (
    items_of,
    make_account,
    make_call,
    make_mail,
    only_message,
)
from tests.channels.recorded import recorded

KOREAN = "한국말로 하는 것"
RUSSIAN = "Привет, мир"


def multipart(kind: str, *parts: bytes) -> bytes:
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + b"--b--\r\n"
    return make_mail(body, Content_Type=f"multipart/{kind}; boundary=b", MIME_Version="1.0")


def part(content: bytes, **headers: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def test_a_plain_mail_gives_every_field() -> None:
    mail = read_mail(make_mail("Hi\r\n\r\nAda", In_Reply_To="<0@shop.example>"))
    assert mail.mailboxes("from") == (Mailbox("Ada", "ada@example.org"),)
    assert (mail.decoded("subject"), mail.text) == ("An order", "Hi\n\nAda")
    assert mail.message_id() == "<1@example.org>"
    assert mail.message_ids("in-reply-to") == ("<0@shop.example>",)
    assert mail.sent_at() == 1_777_881_600_000_000
    assert mail.notes == ()


@pytest.mark.parametrize(
    ("charset", "raw", "text"),
    [
        ("euc-kr", KOREAN.encode("euc-kr"), KOREAN),
        ("windows-1251", RUSSIAN.encode("windows-1251"), RUSSIAN),
        ("iso-8859-1", "Größe".encode("latin-1"), "Größe"),
        ("utf-8", "Größe 👍".encode(), "Größe 👍"),
        ("", "Größe 👍".encode(), "Größe 👍"),
        ("", "Größe".encode("windows-1252"), "Größe"),
        ("x-unknown", "Größe".encode(), "Größe"),
        ("us-ascii", "Größe".encode(), "Größe"),
        ("utf-8", "Größe".encode("latin-1"), "Größe"),
        ("unicode_escape", rb"a\u0041", rb"a\u0041".decode()),
        ("hex", b"4142", "4142"),
        ('"utf-8', b"plain", "plain"),
    ],
)
def test_a_wrong_or_missing_charset_costs_no_letter(charset: str, raw: bytes, text: str) -> None:
    kind = f"text/plain; charset={charset}" if charset else "text/plain"
    mail = read_mail(make_mail(raw, Content_Type=kind, Content_Transfer_Encoding="8bit"))
    assert mail.text == text


def test_a_guessed_charset_is_noted() -> None:
    raw = make_mail("Größe".encode("latin-1"), Content_Type="text/plain; charset=utf-8")
    assert read_mail(raw).notes == ("charset_guessed",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Ada <ada@example.org>", [("Ada", "ada@example.org")]),
        ("=?utf-8?B?w4RkYQ==?= <ada@example.org>", [("Äda", "ada@example.org")]),
        ("=?utf-8?Q?Lovelace=2C_Ada?= <ada@example.org>", [("Lovelace, Ada", "ada@example.org")]),
        ('"Lovelace, Ada" <ada@example.org>', [("Lovelace, Ada", "ada@example.org")]),
        ("Lovelace, Ada <ada@example.org>", [("Lovelace, Ada", "ada@example.org")]),
        ("Ada Lovelace ada@example.org", [("Ada Lovelace", "ada@example.org")]),
        ("ada@example.org bob@example.org", [(None, "ada@example.org"), (None, "bob@example.org")]),
        ("A: ada@example.org, bob@example.org;", [(None, "ada@example.org"), (None, "bob@example.org")]),
        ("undisclosed-recipients:;", []),
        ("<>", []),
        ("((((" * 5000, []),
        ("Äda <ada@example.org>", [("Äda", "ada@example.org")]),
    ],
)  # fmt: skip
def test_addresses_are_found_in_odd_headers(
    value: str, expected: list[tuple[str | None, str]]
) -> None:
    mail = read_mail(make_mail(To=value))
    assert [(each.name, each.address) for each in mail.mailboxes("to")][:2] == expected


@pytest.mark.parametrize(
    "value", ["", "Pn, 29 paX 2007 21:13:00 +0100", "tomorrow", "Mon, 99 Foo", "0"]
)
def test_a_missing_or_bad_date_is_no_time(value: str) -> None:
    assert read_mail(make_mail(Date=value)).sent_at() is None


def test_a_mail_without_message_id_has_the_same_id_each_time() -> None:
    raw = make_mail(Message_ID="")
    assert read_mail(raw).message_id() == read_mail(raw).message_id()
    assert read_mail(raw).message_id() != read_mail(raw + b"!").message_id()
    assert read_mail(make_mail(Message_ID="no-brackets@x")).message_id() == "<no-brackets@x>"


def test_nul_bytes_are_replaced_and_noted() -> None:
    mail = read_mail(make_mail(b"a\0b", Subject="x\0y"))
    assert (mail.text, mail.decoded("subject")) == ("a\ufffdb", "x\ufffdy")
    assert "nul_replaced" in mail.notes


def test_plain_text_is_preferred_and_html_is_read_without_it() -> None:
    plain, html = part(b"Hi", Content_Type="text/plain"), part(b"<p>Ho", Content_Type="text/html")
    empty = part(b" ", Content_Type="text/plain")
    assert read_mail(multipart("alternative", html, plain)).text == "Hi"
    assert read_mail(multipart("alternative", empty, html)).text == "Ho"
    assert read_mail(multipart("mixed", plain, html)).text == "Hi\nHo"
    assert read_mail(make_mail(b"<b>Hi</b>", Content_Type="TEXT/HTML")).text == "Hi"


def test_html_gives_what_a_person_reads() -> None:
    html = (
        "<html><head><title>t</title><style>p{}</style></head><body><p>Hi&nbsp;Ada,<br>one &amp; two</p>"
        "<script>alert(1)</script><ul><li>a</li><li>b</li></ul><blockquote>old<br>text</blockquote>"
        "<pre>x\n  y</pre>"
    )
    text = html_to_text(html)
    assert text.startswith("Hi Ada,\none & two")
    assert "- a\n- b" in text
    assert "> old\n> text" in text
    assert "x\n  y" in text
    assert "alert" not in text
    assert html_to_text("<div>never closed <![bad") != ""
    assert html_to_text("") == ""


def test_files_are_listed_with_name_type_size_and_content_id() -> None:
    picture = part(
        base64.b64encode(b"x" * 30),
        Content_Type='image/png; name="a.png"',
        Content_Transfer_Encoding="base64",
        Content_ID="<pic@x>",
        Content_Disposition="inline",
    )
    named = part(
        b"1", Content_Type="text/csv", Content_Disposition="attachment; filename*=utf-8''%C3%A4.csv"
    )
    tnef = part(b"1", Content_Type="application/ms-tnef; name=winmail.dat")
    invitation = part(b"BEGIN:VCALENDAR", Content_Type="text/calendar; method=REQUEST")
    folder = part(b"1", Content_Type='a/b; name="=?utf-8?Q?..=2F..=2Fetc=2Fpasswd?="')
    text = part(b"Hi", Content_Type="text/plain")
    mail = read_mail(multipart("mixed", text, picture, named, tnef, invitation, folder))
    assert mail.text == "Hi"
    assert [(each.name, each.content_type) for each in mail.attachments] == [
        ("a.png", "image/png"),
        ("ä.csv", "text/csv"),
        ("winmail.dat", "application/ms-tnef"),
        (None, "text/calendar"),
        ("passwd", "a/b"),
    ]
    assert (mail.attachments[0].size, mail.attachments[0].url) == (30, "cid:pic@x")
    assert mail.notes == ("tnef_not_read", "calendar")


def test_an_attached_mail_is_a_file_and_not_the_text() -> None:
    inner = part(make_mail("old", Subject="Old one"), Content_Type="message/rfc822")
    mail = read_mail(multipart("mixed", part(b"Hi", Content_Type="text/plain"), inner))
    assert (mail.text, mail.attachments[0].name) == ("Hi", "Old one.eml")


def nested(depth: int) -> bytes:
    head = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i)
        for i in range(depth)
    )
    return make_mail("").removesuffix(b"\r\n") + head + b"Content-Type: text/plain\r\n\r\ndeep\r\n"


def test_fifty_levels_are_read_and_more_are_left_out() -> None:
    assert (read_mail(nested(50)).text or "").strip() == "deep"
    bounded = read_mail(nested(100))
    assert bounded.text is None
    assert "parts_left_out" in bounded.notes
    assert len(bounded.attachments) == 1
    assert "unreadable_structure" in read_mail(nested(3_000)).notes


def test_many_parts_and_ten_megabytes_are_bounded() -> None:
    many = multipart("mixed", *[part(b"x", Content_Type="a/b")] * 1_500)
    assert len(read_mail(many).attachments) <= 1_001
    big = read_mail(make_mail("word " * 2_000_000))
    assert len(big.text or "") == MAX_TEXT
    assert "text_cut" in big.notes


def test_a_damaged_line_between_headers_hides_none_of_them() -> None:
    raw = b"Received: by x\r\nquite Delivered-To: x\r\n" + make_mail("Hi")
    mail = read_mail(raw)
    assert (mail.decoded("subject"), mail.text) == ("An order", "Hi")
    assert "header_left_out" in mail.notes


@pytest.mark.parametrize("raw", [b"", b"{}", b"\x00" * 100, b"just words"])
def test_bytes_that_are_no_mail_are_unreadable(raw: bytes) -> None:
    with pytest.raises(UnreadableCallError):
        read_mail(raw)


def test_a_mail_without_any_sender_is_kept_as_unreadable() -> None:
    call = make_call(make_mail(From=""))
    (item,) = items_of(ADAPTER, call, make_account())
    assert isinstance(item, UnreadableItem)
    assert item.raw == call.body


HEADERS = (
    "From", "To", "Subject", "Date", "Message-ID", "Content-Type", "Content-Transfer-Encoding", "References",
    "In-Reply-To", "Content-Disposition", "Auto-Submitted", "List-Id", "Reply-To", "Return-Path",
)  # fmt: skip
VALUES = (
    b"multipart/mixed; boundary=b", b"multipart/report; report-type=delivery-status; boundary=b", b"base64",
    b"text/html; charset=utf-7", b"=?utf-8?B?!!?=", b"=?x?q?=zz?=", b"<a@b> <c@d>", b"message/delivery-status",
    b"message/rfc822", b"attachment; filename*0*=utf-8'%ff; filename*1=x", b"uuencode", b"quoted-printable",
)  # fmt: skip
LINES = (
    b"--b",
    b"--b--",
    b"",
    b"Content-Type: text/html",
    b"Action: failed",
    b"begin 644 x",
    b"=E4=",
)


def odd_mail(seed: int) -> bytes:
    """Return a mail of plausible and of random pieces."""
    chance = random.Random(seed)  # noqa: S311 - no secret

    def piece(known: Sequence[bytes]) -> bytes:
        return (
            chance.choice(known)
            if chance.random() < 0.6
            else chance.randbytes(chance.randrange(30))
        )

    headers = [
        chance.choice(HEADERS).encode() + b": " + piece(VALUES) for _ in range(chance.randrange(9))
    ]
    lines = [piece(LINES) for _ in range(chance.randrange(20))]
    return b"\r\n".join([*headers, b"", *lines])


@settings(max_examples=1000, deadline=None)
@given(seed=st.integers(0, 2**64))
def test_whatever_a_mail_has_only_one_error_is_raised(seed: int) -> None:
    try:
        items = items_of(ADAPTER, make_call(odd_mail(seed)), make_account())
    except UnreadableCallError:
        return
    for item in items:
        assert "\0" not in str(getattr(item, "text", ""))
        str(item).encode()  # no lone surrogate


ODD_TO_THE_STANDARD_LIBRARY = (
    # its strict policy reads no address, another name, or no header at all
    "raw_email_multiple_from", "mix_caps_content_type", "raw_email_incorrect_header", "raw_email_string_in_date",
)  # fmt: skip


@pytest.mark.parametrize("path", recorded("email", "*.eml"), ids=lambda each: each.stem)
def test_a_real_mail_is_read_as_the_strict_parser_reads_it(path: Path) -> None:
    raw = path.read_bytes()
    mail = read_mail(raw)
    if any(name in path.name for name in ODD_TO_THE_STANDARD_LIBRARY):
        assert mail.mailboxes("from")
        assert mail.decoded("subject")
        return
    other = message_from_bytes(raw, policy=policy.default)
    assert isinstance(other, EmailMessage)
    assert mail.mailboxes("from")[0].address == parseaddr(str(other["from"]))[1]
    assert mail.decoded("subject") == str(other["subject"] or "").strip()
    assert mail.sent_at() == _time(other)
    plain = other.get_body(("plain",))
    if plain is not None and (plain.get_content_charset() or "utf-8") != "x-unknown":
        expected = plain.get_content().replace("\r\n", "\n").strip()
        assert expected in (mail.text or "").strip() or not expected.isascii()


def _time(mail: EmailMessage) -> int | None:
    date: datetime | None = mail["date"].datetime if mail["date"] else None
    if date is None:
        return None
    aware = date if date.tzinfo else date.replace(tzinfo=UTC)
    return round((aware - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1e6)


@pytest.mark.parametrize("path", recorded("email", "*.eml"), ids=lambda each: each.stem)
def test_a_real_mail_becomes_one_message_of_its_sender(path: Path) -> None:
    message = only_message(items_of(ADAPTER, make_call(path.read_bytes()), make_account()))
    assert message.person is not None
    assert message.person.addresses[0].kind == "email"
    assert message.text or message.attachments
    assert message.text != message.payload["email"].get("subject") or not message.attachments
    assert message.payload["email"]["message_id"] == message.provider_id


@pytest.mark.parametrize(
    "raw",
    [
        nested(60)[:-6] + b"abc\r\n" * 40_000,
        nested(1) + b"--b0\r\n" * 500_000,
        b"To: a@b\r\n" * 60_000 + make_mail("x"),
        make_mail(b"<p>x</p>" * 300_000, Content_Type="text/html"),
        make_mail(b"a: b\r\n\r\n" * 100_000, Content_Type="message/delivery-status"),
        make_mail(Subject="=?a?q?" * 20_000, From="(" * 20_000, References="<a@b> " * 20_000),
        b"Content-Type: message/rfc822\r\n\r\n" * 2_000 + make_mail("x"),
    ],
    ids=("depth", "delimiters", "headers", "html", "report", "encoded", "mails"),
)
def test_no_mail_takes_long(raw: bytes) -> None:
    started = time.perf_counter()
    with suppress(UnreadableCallError):
        items_of(ADAPTER, make_call(raw), make_account())
    assert time.perf_counter() - started < 6
