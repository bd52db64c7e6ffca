"""Forms with files (RFC 7578), read by the standard library's reader of MIME."""

from email import message_from_bytes, policy
from email.message import EmailMessage, MIMEPart
from typing import NamedTuple


class Part(NamedTuple):
    """A field of a form; one with a file has its name."""

    name: str
    file_name: str | None
    content_type: str
    content: bytes


def read_form(content_type: str, body: bytes) -> list[Part]:
    """Return the parts of a form in order. Raises ValueError if it is none, or damaged."""
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    form = message_from_bytes(head + body, policy=policy.HTTP)
    assert isinstance(form, EmailMessage)
    if form.get_content_type() != "multipart/form-data" or form.defects:
        raise ValueError("not a form with files")
    return [_part(each) for each in form.iter_parts()]


def _part(part: MIMEPart) -> Part:
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    name = str(part.get_param("name", header="content-disposition"))
    return Part(name, part.get_filename(), part.get_content_type(), content)
