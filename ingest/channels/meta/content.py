"""Checks that the outbound contents of Meta's products share."""

import mimetypes

from ingest.events.payloads import Attachment


class UnsendableContentError(Exception):
    """The provider would reject the content. `code` is the one that it would answer."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.code = code


def limited(text: str, limit: int, code: str) -> str:
    """Return a title or value with 1 to `limit` characters. Raises UnsendableContentError."""
    if not text or len(text) > limit:
        raise UnsendableContentError(f"a title or value has 1 to {limit} characters", code)
    return text


def link_of(attachment: Attachment, code: str) -> str:
    """Return the URL that the provider will fetch. Raises UnsendableContentError."""
    if not attachment.url or not attachment.url.startswith(("https://", "http://")):
        raise UnsendableContentError("an attachment needs a URL to fetch", code)
    return attachment.url


def media_type(attachment: Attachment) -> str:
    """Return the media type of an attachment without parameters, guessed from its URL if it has none; or ""."""
    guessed = mimetypes.guess_type((attachment.url or "").partition("?")[0])[0]
    return (attachment.content_type or guessed or "").partition(";")[0].strip().lower()
