"""Files of a mail that goes out over a provider's API: as its documentation wants them, and not too large."""

import json
from base64 import b64decode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.channels.base import (
    ChannelAdapter,
    File,
    FileRequest,
    HttpRequest,
    OutboundRequest,
    Unsendable,
)
from ingest.channels.mail import mailgun, postmark, sendgrid
from ingest.channels.multipart import multipart
from ingest.channels.registry import ADAPTERS
from ingest.events.payloads import Attachment
from tests.channels.mail_factories import make_account, rendered
from tests.channels.stand_ins.forms import read_form

URL = "https://shop.example/hat.png"
HAT = File(bytes(range(256)), "image/png", "Hüt/e\r\n.png")
EML = File(b"From: a\r\n\r\nb", "message/rfc822", "old.eml")
MIB = 1024 * 1024
PROVIDERS = pytest.mark.parametrize(
    ("adapter", "most"), [(sendgrid.ADAPTER, 20), (postmark.ADAPTER, 7), (mailgun.ADAPTER, 17)]
)
MAILS = pytest.mark.parametrize("provider", ["email", "sendgrid", "postmark", "mailgun"])


def request_of(adapter: ChannelAdapter, **rest: Any) -> OutboundRequest:
    account = make_account(adapter.provider, options={"media": "upload"})
    return rendered(adapter, account, **{"attachments": [Attachment(url=URL)], **rest})


def built(adapter: ChannelAdapter, *files: File) -> HttpRequest:
    request = request_of(adapter)
    assert isinstance(request, FileRequest)
    assert [each.url for each in request.attachments] == [URL]
    found = request.build(files)
    assert isinstance(found, HttpRequest)
    return found


def test_sendgrid_gets_files_as_base64_with_their_name_and_type() -> None:
    content = json.loads(built(sendgrid.ADAPTER, HAT, EML).body)
    hat, eml = content["attachments"]
    assert b64decode(hat.pop("content"), validate=True) == HAT.content
    assert hat == {"type": "image/png", "filename": "Hüt_e__.png", "disposition": "attachment"}
    assert (eml["type"], eml["filename"]) == ("application/octet-stream", "old.eml")
    assert content["content"] == [{"type": "text/plain", "value": "Good day"}]


def test_postmark_gets_files_as_base64_with_their_name_and_type() -> None:
    content = json.loads(built(postmark.ADAPTER, HAT).body)
    (hat,) = content["Attachments"]
    assert b64decode(hat.pop("Content"), validate=True) == HAT.content
    assert hat == {"Name": "Hüt_e__.png", "ContentType": "image/png"}


def test_mailgun_gets_files_as_parts_of_a_form() -> None:
    request = built(mailgun.ADAPTER, HAT, EML)
    parts = read_form(dict(request.headers)["content-type"], request.body)
    fields = {name: content.decode() for name, file, _, content in parts if file is None}
    assert (fields["text"], fields["v:convolake_reference"]) == ("Good day", "send-1")
    assert [each for each in parts if each[1] is not None] == [
        ("attachment", "Hüt_e__.png", "image/png", HAT.content),
        ("attachment", "old.eml", "application/octet-stream", EML.content),
    ]


@PROVIDERS
def test_files_together_are_at_most_as_large_as_the_provider_takes(
    adapter: ChannelAdapter, most: int
) -> None:
    request = request_of(adapter)
    assert isinstance(request, FileRequest)
    half = File(bytes(most * MIB // 2), "a/b", "half")
    assert isinstance(request.build([half, half]), HttpRequest)
    too_large = request.build([half, half, File(b"x", "a/b", "more")])
    assert isinstance(too_large, Unsendable)
    assert too_large.code == "5.3.4"


@MAILS
def test_a_file_is_fetched_only_if_the_account_says_so_and_it_has_a_url(provider: str) -> None:
    adapter = ADAPTERS[provider]
    listed = rendered(adapter, make_account(provider), attachments=[Attachment(url=URL)])
    assert not isinstance(listed, FileRequest)
    inline = request_of(adapter, attachments=[Attachment(url="cid:1"), Attachment(name="a.png")])
    assert not isinstance(inline, FileRequest)
    alone = request_of(adapter, text=None)
    assert isinstance(alone, FileRequest)


@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,9}", fullmatch=True), st.text(max_size=50)),
    st.binary(max_size=200),
)
def test_a_form_is_read_by_others_as_it_was_meant(fields: dict[str, str], content: bytes) -> None:
    file = File(content, "image/png", "a.png")
    (_, kind), body = multipart(fields, [("file", file)])
    assert multipart(fields, [("file", file)]) == (("content-type", kind), body)
    head, _, rest = body.partition(b"\r\n")
    boundary = kind.partition("boundary=")[2].encode()
    assert head == b"--" + boundary
    parts = rest.removesuffix(b"\r\n--" + boundary + b"--\r\n").split(
        b"\r\n--" + boundary + b"\r\n"
    )
    values = [each.partition(b"\r\n\r\n")[2] for each in parts]
    assert values == [*(each.encode() for each in fields.values()), content]
