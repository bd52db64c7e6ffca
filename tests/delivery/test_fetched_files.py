"""A fetched file has a name and a type in any case, and nothing else can hide in them."""

import pytest

from ingest.channels.base import File
from ingest.delivery.destinations.base import Rejected, Retry
from ingest.delivery.destinations.files import files_of
from ingest.egress.client import EgressResult
from ingest.events.payloads import Attachment


def fetched(attachment: Attachment, **headers: str) -> File:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found = files_of([attachment], [EgressResult(200, None, 0.1, None, named, b"x")])
    assert not isinstance(found, Retry | Rejected)
    (file,) = found
    return file


@pytest.mark.parametrize(
    ("attachment", "header", "name", "content_type"),
    [
        (Attachment(url="https://a.example/b/hat.png?v=1"), "", "hat.png", "image/png"),
        (Attachment(url="https://a.example/h%C3%BCt"), "IMAGE/PNG; q=1", "hüt", "image/png"),
        (Attachment(url="https://a.example/"), "", "file", "application/octet-stream"),
        (Attachment(url="https://a.example/b.pdf"), "application/octet-stream", "b.pdf", "application/pdf"),
        (Attachment(url="https://a.example/1", name="b.pdf"), "text/html", "b.pdf", "text/html"),
        (Attachment(url="https://a.example/1", content_type="text/css"), "a/b", "1", "text/css"),
        (Attachment(url="https://a.example/1", content_type="a/b\r\nBcc: c"), "", "1", "application/octet-stream"),
        (Attachment(url="https://a.example/1", content_type="no type"), "a b/c", "1", "application/octet-stream"),
    ],
)  # fmt: skip
def test_name_and_type_are_those_of_the_message_else_of_the_server_else_of_the_url(
    attachment: Attachment, header: str, name: str, content_type: str
) -> None:
    file = fetched(attachment, content_type=header)
    assert (file.name, file.content_type) == (name, content_type)


def test_one_missing_file_is_the_result_of_all() -> None:
    there = EgressResult(200, None, 0.1)
    away = EgressResult(None, "timeout", 0.1)
    attachments = [Attachment(url="https://a.example/1"), Attachment(url="https://a.example/2")]
    assert files_of(attachments, [there, away]) == Retry("an attachment was not fetched: timeout")
