"""Files go out as files: fetched, uploaded to WhatsApp or attached to a mail, and nothing is sent twice for them."""

from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_network
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from convolake.loopback_server import Reply, Request, serve
from ingest.settings import Settings
from tests.channels.stand_ins.meta import MetaStandIn, meta_stand_in
from tests.delivery.channel_rig import ChannelRig
from tests.factories import Clock, Record, free_port
from tests.webhook_receiver import Receiver

pytestmark = pytest.mark.allows_loopback

PNG = b"\x89PNG\r\n\x1a\n\x00\xff--boundary\r\n" + bytes(range(256))
PHONE = "4915112345678"
PRIVATE = "https://10.1.2.3/a.png"
"""An address in a private network that the settings do not allow."""


class Files:
    """A server with the files of a shop. `faults`: answers that it gives first."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.faults: list[Reply] = []
        self.content_type = "image/png"
        self.content = PNG

    def answer(self, request: Request) -> Reply:
        assert (request.method, request.body) == ("GET", b"")
        assert "authorization" not in request.headers
        self.asked.append(request.path)
        if self.faults:
            return self.faults.pop(0)
        return Reply(200, self.content, {"content-type": self.content_type})


@pytest.fixture
def files() -> Iterator[Files]:
    found = Files("")
    with serve(found.answer) as url:
        found.url = url
        yield found


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"attachment_networks": {ip_network("127.0.0.0/8")}})


@pytest.fixture
def rig(record: Record, clock: Clock, receiver: Receiver) -> Iterator[ChannelRig]:
    rig = ChannelRig(record, clock, receiver)
    yield rig
    rig.close()


@pytest.fixture
def meta(clock: Clock) -> Iterator[MetaStandIn]:
    with meta_stand_in() as found:
        found.now = clock()
        found.last_inbound = {PHONE: clock()}
        yield found


def open_whatsapp(rig: ChannelRig, meta: MetaStandIn, **policy: Any) -> None:
    options = {
        "api_url": f"{meta.url}/whatsapp",
        "phone_number_id": "555",
        "media": "upload",
    }
    secrets = {"access_token": [meta.token]}
    rig.add_account(
        "shop", "whatsapp_cloud", "whatsapp", options=options, secrets=secrets, **policy
    )
    rig.open(linked={"kind": "phone", "address": f"+{PHONE}"}, channel="whatsapp")


def attachment(url: str, **over: str) -> dict[str, Any]:
    return {"payload": {"attachments": [{"url": url, **over}]}}


def contents(meta: MetaStandIn) -> list[Any]:
    """Return what WhatsApp sent, in order: the text, or kind and fields of a file."""
    kinds = [(each.body["type"], each.body) for each in meta.taken]
    return [body["text"]["body"] if kind == "text" else (kind, body[kind]) for kind, body in kinds]


def test_whatsapp_gets_the_file_and_then_the_message_with_its_id(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    open_whatsapp(rig, meta)
    message = rig.say("c0", "Look", **attachment(f"{files.url}/shop/hat.png"))
    rig.deliver()
    assert contents(meta) == ["Look", ("image", {"id": "media-1"})]
    assert meta.stored["media-1"] == ("image/png", "hat.png", PNG)
    assert rig.states(message) == ["sent", "sent"]
    assert [each[0] for each in rig.receipts(message)] == ["message.submitted"]


def test_a_document_has_its_name_and_the_type_that_the_message_says(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    open_whatsapp(rig, meta)
    bill = attachment(f"{files.url}/x?id=7", name="Rechnung 漢.pdf", content_type="application/pdf")
    rig.say("c0", None, **bill)
    rig.deliver()
    assert contents(meta) == [("document", {"id": "media-1", "filename": "Rechnung 漢.pdf"})]
    assert files.asked == ["/x?id=7"]


def test_a_file_that_is_not_there_now_is_fetched_again_before_the_next_message(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    open_whatsapp(rig, meta)
    files.faults = [Reply(503, b""), Reply(429, b"", {"retry-after": "60"})]
    first = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    rig.say("c0", "after it")
    rig.deliver()
    assert rig.states(first) == ["waiting"]
    rig.deliver(until=lambda: len(meta.taken) == 2)
    assert contents(meta) == [("image", {"id": "media-1"}), "after it"]
    assert len(files.asked) == 3


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(404, b""), "an attachment was not fetched: status 404"),
        (Reply(302, b"", {"location": PRIVATE}), "an attachment was not fetched: status 302"),
        (Reply(200, bytes(2_000)), "the attachments are larger than 25 MiB"),
        (
            Reply(200, b"x", {"content-encoding": "gzip"}),
            "an attachment is compressed by its server",
        ),
    ],
)
def test_a_file_that_cannot_be_fetched_fails_its_message_and_the_next_one_follows(
    rig: ChannelRig,
    meta: MetaStandIn,
    files: Files,
    monkeypatch: pytest.MonkeyPatch,
    reply: Reply,
    reason: str,
) -> None:
    monkeypatch.setattr("ingest.delivery.sender.MAX_FILE_BYTES", 1_000)
    open_whatsapp(rig, meta)
    files.faults = [reply]
    message = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    rig.say("c0", "after it")
    rig.deliver()
    ((kind, payload),) = rig.receipts(message)
    assert (kind, payload["reason"]) == ("message.failed", reason)
    assert payload["error_code"] == "attachment"
    assert contents(meta) == ["after it"]


@pytest.mark.parametrize("url", [PRIVATE, "https://user:word@shop.example/a.png"])
def test_no_file_is_fetched_from_where_no_request_may_go(
    rig: ChannelRig, meta: MetaStandIn, url: str
) -> None:
    open_whatsapp(rig, meta)
    message = rig.say("c0", None, **attachment(url))
    rig.deliver()
    ((kind, payload),) = rig.receipts(message)
    assert kind == "message.failed"
    assert payload["reason"].startswith("an attachment may not be fetched, forbidden: ")
    assert meta.taken == []
    assert meta.stored == {}


def test_a_network_that_webhooks_may_call_is_no_network_of_files(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    """Who may write a message is no administrator, and the customer gets the file."""
    rig.record.settings = rig.record.settings.model_copy(update={"attachment_networks": set()})
    open_whatsapp(rig, meta)
    message = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    rig.deliver()
    assert files.asked == []
    assert [each[0] for each in rig.receipts(message)] == ["message.failed"]


def test_an_upload_without_an_answer_is_repeated_because_it_sends_nothing(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    open_whatsapp(rig, meta, send="at_most_once")
    faults = [(500, {}, b""), (429, {"retry-after": "5"}, b"")]
    meta.fault = lambda: faults.pop(0) if faults else None
    message = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    rig.deliver(until=lambda: rig.states(message) == ["sent"])
    assert len(meta.taken) == 1


def test_an_upload_that_meta_rejects_fails_the_message(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    open_whatsapp(rig, meta)
    message = rig.say("c0", None, **attachment(f"{files.url}/a.exe", content_type="a/exe"))
    rig.deliver()
    ((kind, payload),) = rig.receipts(message)
    assert (kind, payload["error_code"]) == ("message.failed", "100")


def test_a_file_that_is_too_large_for_its_kind_is_not_uploaded(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    open_whatsapp(rig, meta)
    files.content = bytes(500 * 1024 + 1)
    files.content_type = "image/webp"
    message = rig.say("c0", None, **attachment(f"{files.url}/wave"))
    rig.deliver()
    ((kind, payload),) = rig.receipts(message)
    assert (kind, payload["error_code"]) == ("message.failed", "131053")
    assert meta.stored == {}


def test_the_record_that_a_message_goes_out_comes_after_its_upload(
    rig: ChannelRig, meta: MetaStandIn, files: Files
) -> None:
    """A crash in an upload leaves no message in doubt: it is uploaded again, and sent once."""
    open_whatsapp(rig, meta)
    message = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    states: list[list[str]] = []
    meta.fault = lambda: states.append(rig.states(message))
    rig.deliver()
    assert states == [[], ["sending"]]
    assert rig.states(message) == ["sent"]


@pytest.mark.parametrize(
    ("policy", "state", "messages"), [("at_most_once", "unknown", 0), ("at_least_once", "sent", 1)]
)
def test_in_doubt_whether_the_message_was_taken_the_policy_decides(
    rig: ChannelRig, meta: MetaStandIn, files: Files, policy: str, state: str, messages: int
) -> None:
    open_whatsapp(rig, meta, send=policy)
    faults: list[Any] = [None, (500, {}, b"")]
    meta.fault = lambda: faults.pop(0) if faults else None
    message = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    rig.deliver(until=lambda: rig.states(message) == [state])
    assert len(meta.taken) == messages
    assert len(meta.stored) == 1 + messages


class Postbox:
    """An SMTP server that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []

    async def handle_DATA(  # noqa: N802 - the name that aiosmtpd calls
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        self.taken.append(envelope.content)
        return "250 OK"


def mail_in(postbox: Postbox) -> EmailMessage:
    (content,) = postbox.taken
    found = message_from_bytes(content, policy=policy.default)
    assert isinstance(found, EmailMessage)
    return found


@pytest.fixture
def postbox(rig: ChannelRig) -> Iterator[Postbox]:
    found = Postbox()
    controller = Controller(found, hostname="127.0.0.1", port=free_port())
    controller.start()
    options = {
        "smtp_host": "127.0.0.1",
        "smtp_port": str(controller.port),
        "smtp_encryption": "no",
        "media": "upload",
    }
    rig.add_account("shop", "email", "email", address="help@shop.example", options=options)
    rig.open(linked={"kind": "email", "address": "ada@mail.example"}, channel="email")
    yield found
    controller.stop()


def test_a_mail_has_the_files_in_it_byte_for_byte(
    rig: ChannelRig, postbox: Postbox, files: Files
) -> None:
    attachments = [
        {"url": f"{files.url}/hat.png"},
        {"url": f"{files.url}/2", "name": "Rechnung\r\nBcc: x 漢/.png"},
        {"url": f"{files.url}/3", "name": "old.eml", "content_type": "message/rfc822"},
        {"url": "cid:inline", "name": "no file"},
    ]
    rig.say("c0", "Look", payload={"attachments": attachments})
    rig.deliver()
    mail = mail_in(postbox)
    body = mail.get_body(("plain",))
    assert body is not None
    assert body.get_content().split() == ["Look", "no", "file:", "cid:inline"]
    found = [
        (each.get_filename(), each.get_content_type(), each.get_payload(decode=True))
        for each in mail.iter_attachments()
    ]
    assert found == [
        ("hat.png", "image/png", PNG),
        ("Rechnung__Bcc: x 漢_.png", "image/png", PNG),
        ("old.eml", "application/octet-stream", PNG),
    ]
    assert "Bcc" not in mail


def test_a_mail_of_a_file_alone_goes_out(rig: ChannelRig, postbox: Postbox, files: Files) -> None:
    message = rig.say("c0", None, **attachment(f"{files.url}/hat.png"))
    rig.deliver()
    (attached,) = mail_in(postbox).iter_attachments()
    assert attached.get_content() == PNG
    assert rig.states(message) == ["sent"]


def test_a_mail_waits_for_its_file(rig: ChannelRig, postbox: Postbox, files: Files) -> None:
    files.faults = [Reply(500, b"")]
    message = rig.say("c0", "Look", **attachment(f"{files.url}/hat.png"))
    rig.deliver()
    assert postbox.taken == []
    rig.deliver(until=lambda: rig.states(message) == ["sent"])
    assert len(postbox.taken) == 1


def test_files_that_are_too_large_together_fail_the_mail(
    rig: ChannelRig, postbox: Postbox, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.channels.mail.email_mime.MAX_FILE_BYTES", len(PNG))
    url = f"{files.url}/hat.png"
    one = rig.say("c0", "one", **attachment(url))
    two = rig.say("c0", "two", payload={"attachments": [{"url": url}, {"url": url}]})
    rig.deliver()
    assert rig.states(one) == ["sent"]
    ((kind, payload),) = rig.receipts(two)
    assert (kind, payload["error_code"]) == ("message.failed", "5.3.4")


def test_the_files_of_a_message_have_a_limit_together(
    rig: ChannelRig, postbox: Postbox, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.delivery.sender.MAX_FILE_BYTES", 2 * len(PNG))
    url = f"{files.url}/hat.png"
    two = rig.say("c0", "two", payload={"attachments": [{"url": url}] * 2})
    rig.deliver()
    assert rig.states(two) == ["sent"]
    four = rig.say("c0", "four", payload={"attachments": [{"url": url}] * 4})
    rig.deliver()
    assert len(files.asked) == 2 + 3, "after the first failure nothing is fetched"
    ((_, payload),) = rig.receipts(four)
    assert payload["reason"] == "the attachments are larger than 25 MiB"
