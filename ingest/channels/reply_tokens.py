"""Marks in a mail that say which conversation a reply to it belongs to.

A reply mostly names the Message-ID of the mail that it answers. Where a mail program loses it, the address that the reply
goes to (`help+c-<token>@shop.example`) or the subject (`[#<token>]`) has the conversation's token. A subject without a token says nothing.
Pure: the token is derived from the conversation's id, so it is the same in every mail. It is a name and
no proof of who writes.
"""

import re
from base64 import b32encode
from uuid import uuid5

from ingest.contract import NAMESPACE

_TOKEN = "[a-z2-7]{16}"  # noqa: S105 - a pattern
_TAGGED = re.compile(rf"[^@]*\+c-({_TOKEN})@[^@]+\Z", re.IGNORECASE)
_IN_SUBJECT = re.compile(rf"\[#({_TOKEN})\]", re.IGNORECASE)


def reply_token(conversation_id: str) -> str:
    """Return the token of a conversation: 16 characters of a-z and 2-7."""
    derived = uuid5(NAMESPACE, f"reply/{conversation_id}").bytes
    return b32encode(derived[:10]).decode().lower()


def token_key(token: str) -> str:
    """Return the thread key of a token, as `Item.thread` and payload.thread have it."""
    return f"token:{token.lower()}"


def reply_address(address: str, token: str) -> str:
    """Return our own mail address with the token: `help@shop.example` → `help+c-<token>@shop.example`."""
    local, at, domain = address.rpartition("@")
    return f"{local}+c-{token}{at}{domain}"


def subject_with_token(subject: str, token: str) -> str:
    """Return the subject with the token at its end, once."""
    bare = _IN_SUBJECT.sub("", subject).strip()
    return f"{bare} [#{token}]".strip()


def key_of_recipient(address: str) -> str | None:
    """Return the thread key in an address that a mail was sent to, or None."""
    found = _TAGGED.match(address.strip())
    return None if found is None else token_key(found[1])


def key_of_subject(subject: str) -> str | None:
    """Return the thread key in a subject, or None. The last token is ours: a quoted one comes before it."""
    found = _IN_SUBJECT.findall(subject)
    return token_key(found[-1]) if found else None
