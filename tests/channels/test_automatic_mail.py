"""Automatic mail is recognised, a bounce becomes a receipt, and our own mail starts no loop."""

import pytest

from ingest.channels.base import Inbound, MessageItem, ReceiptItem
from ingest.channels.mail.automatic import automatic_reason
from ingest.channels.mail.email_mime import ADAPTER
from ingest.channels.mail.mime import read_mail
from ingest.channels.mail.outgoing import message_id_of
from tests.channels.mail_factories import (
    ADA,
    OUR_ADDRESS,
    items_of,
    make_account,
    make_call,
    make_mail,
    only_message,
    rendered_mail,
)
from tests.channels.recorded import needs_recorded, recorded

OURS = message_id_of("send-1", make_account())


def read(raw: bytes) -> list[Inbound]:
    return list(items_of(ADAPTER, make_call(raw), make_account()))


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Auto_Submitted": "auto-replied"}, "auto_submitted"),
        ({"Auto_Submitted": "Auto-Generated; by=x"}, "auto_submitted"),
        ({"Auto_Submitted": "auto-notified (calendar)"}, "auto_submitted"),
        ({"X_Autoreply": "yes"}, "auto_reply"),
        ({"X_Autorespond": "holiday"}, "auto_reply"),
        ({"X_Auto_Response_Suppress": "DR, OOF, AutoReply"}, "auto_reply"),
        ({"X_Auto_Response_Suppress": "All"}, "auto_reply"),
        ({"Precedence": "auto_reply"}, "auto_reply"),
        ({"Precedence": "Bulk"}, "mailing_list"),
        ({"Precedence": "junk"}, "mailing_list"),
        ({"List_Id": "<news.other.example>"}, "mailing_list"),
        ({"List_Unsubscribe": "<mailto:x@other.example>"}, "mailing_list"),
        ({"Return_Path": "<>"}, "null_return_path"),
        ({"From": "Mail Delivery <MAILER-DAEMON@x.example>"}, "mailer_daemon"),
        ({"From": "postmaster@x.example"}, "mailer_daemon"),
        ({"From": "no-reply@x.example", "Subject": "Automatic reply: An order"}, "vacation"),
        ({"X_MS_Exchange_Generated_Message_Source": "x", "Subject": "Abwesenheitsnotiz"}, "vacation"),
        ({"Content_Type": "multipart/report; report-type=disposition-notification"}, "read_receipt"),
        ({"Message_ID": OURS}, "own_mail"),
        ({"X_Convolake_Reference": "send-1"}, "own_mail"),
        ({"From": OUR_ADDRESS}, "own_mail"),
    ],
)  # fmt: skip
def test_a_mail_of_a_program_is_by_the_system_and_says_why(
    headers: dict[str, str], reason: str
) -> None:
    message = only_message(read(make_mail(**headers)))
    assert (message.author, message.payload["automatic"]) == ("system", reason)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Auto_Submitted": "no"},
        {"X_Auto_Response_Suppress": "DR"},
        {"Precedence": "normal"},
        {"Return_Path": "<ada@example.org>"},
        {"Subject": "Out of office chairs?"},
        {"Subject": "Automatic reply: you sent me this, why?"},
        {"From": "no-reply@form.example", "Reply_To": "ada@example.org"},
        {"List_Id": "<help.shop.example>", "Precedence": "list"},
        {"From": OUR_ADDRESS, "Reply_To": "ada@example.org", "List_Post": f"<mailto:{OUR_ADDRESS}>"},
        {"In_Reply_To": OURS, "References": OURS},
    ],
)  # fmt: skip
def test_a_mail_of_a_person_stays_the_customers(headers: dict[str, str]) -> None:
    message = only_message(read(make_mail(**headers)))
    assert message.author == "customer"
    assert "automatic" not in message.payload
    assert message.person is not None
    assert message.person.addresses[0].value == "ada@example.org"


def bounce(action: str = "failed", original: str = OURS) -> bytes:
    report = (
        "--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.example\r\n\r\n"
        f"Final-Recipient: rfc822; ada@example.org\r\nAction: {action}\r\nStatus: 5.1.1 (unknown)\r\n"
        "Diagnostic-Code: smtp; 550 no such user\r\n\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {original}\r\nTo: x@y.example\r\n\r\n--b--\r\n"
    )
    kind = "multipart/report; report-type=delivery-status; boundary=b"
    return make_mail(report, From="MAILER-DAEMON@mx.example", Content_Type=kind, Return_Path="<>")


def test_a_bounce_of_our_mail_is_a_failed_receipt_and_a_message_about_its_recipient() -> None:
    receipt, message = read(bounce())
    assert isinstance(receipt, ReceiptItem)
    assert (receipt.message, receipt.status, receipt.code) == (OURS, "failed", "5.1.1")
    assert receipt.reason == "smtp; 550 no such user"
    assert isinstance(message, MessageItem)
    assert (message.author, message.payload["automatic"]) == ("system", "delivery_report")
    assert message.person is not None
    assert message.person.addresses == ADA.addresses
    assert (message.text or "").strip() == "Sorry."
    assert OURS in message.thread


@pytest.mark.parametrize(
    ("action", "original"), [("delayed", OURS), ("failed", "<x@other.example>"), ("", OURS)]
)
def test_a_delay_or_a_bounce_of_another_mail_is_no_receipt(action: str, original: str) -> None:
    (message,) = read(bounce(action, original))
    assert isinstance(message, MessageItem)


def test_our_own_mail_that_returns_names_our_send_and_its_recipient() -> None:
    message = only_message(read(rendered_mail(ADAPTER, make_account())))
    assert (message.author, message.payload["automatic"]) == ("system", "own_mail")
    assert message.client_reference == "send-1"
    assert message.person is not None
    assert message.person.addresses == ADA.addresses


def test_our_automatic_answer_is_automatic_to_others() -> None:
    mail = read_mail(rendered_mail(ADAPTER, make_account(), is_automatic=True))
    assert automatic_reason(mail, "desk@other.example") is not None


@needs_recorded
def test_of_the_real_mails_only_the_automatic_ones_are_automatic() -> None:
    found = {
        path.stem
        for path in recorded("email", "*.eml")
        if automatic_reason(read_mail(path.read_bytes()), OUR_ADDRESS) is not None
    }
    assert found == {"auto_reply", "auto_reply_with_auto_submitted"}
