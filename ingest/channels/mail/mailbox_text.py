"""Addresses as the text of a header."""

from ingest.channels.fields import text_of


def mailbox(address: str, name: str) -> str:
    """Return an address with its owner's name, quoted."""
    quoted = name.replace("\\", "").replace('"', "")
    return f'"{quoted}" <{address}>' if quoted else address


def mailbox_text(full: object, plain: str | None) -> str:
    """Return the addresses of Postmark's field `…Full`, an object or a list of them, else the plain field."""
    given = full if isinstance(full, list) else [full]
    found = [
        mailbox(address, text_of(each, "Name") or "")
        for each in given
        if isinstance(each, dict) and (address := text_of(each, "Email"))
    ]
    return ", ".join(found) or plain or ""
