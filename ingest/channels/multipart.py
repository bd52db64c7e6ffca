"""Forms with files (RFC 7578), the same bytes for the same content."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b

import httpx2

from ingest.channels.base import File

_UNUSED_URL = "https://form.invalid/"


def multipart(
    fields: Mapping[str, str], files: Sequence[tuple[str, File]]
) -> tuple[tuple[str, str], bytes]:
    """Return the header Content-Type and the body. `files`: each with the name of its field."""
    digest = blake2b(digest_size=24)
    for _, file in files:
        digest.update(file.content)
    kind = f"multipart/form-data; boundary=convolake-{digest.hexdigest()}"
    parts = [(field, (each.name, each.content, each.content_type)) for field, each in files]
    form = httpx2.Request(
        "POST", _UNUSED_URL, headers={"content-type": kind}, data=dict(fields), files=parts
    )
    return ("content-type", kind), form.read()
