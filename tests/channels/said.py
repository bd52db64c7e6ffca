"""What a recorded call says, as an independent reading finds it."""

from typing import Any

from msgspec import Struct


class Said(Struct, frozen=True):
    """An event of a call: a message by default, or what happened to one.

    `provider_id`: the id of the message that it is or is about; None where the provider gives none. `at`:
    seconds since 1970, None where the call has no time that counts. `sender`: the id or number of the
    customer; None where our side wrote. `author`: the role of who wrote it, None where none counts. `details`:
    fields of its payload; `data`: the whole of it. `until`: it is about every message that we sent
    to the person on this page so far.
    """

    channel: str
    provider_id: str | None
    text: str | None = None
    at: float | None = None
    sender: str | None = None
    kind: str = "message.created"
    author: str | None = "customer"
    details: dict[str, Any] = {}
    data: dict[str, Any] | None = None
    until: float | None = None
    page: str | None = None
    has_text: bool = True

    @property
    def is_message(self) -> bool:
        return self.kind == "message.created"


def credible(at: float) -> float | None:
    """Return a time that the log keeps: one before 1990 is a broken clock."""
    return at if at > 631_152_000 else None
