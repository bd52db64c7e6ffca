"""Which keys lead the next message of a channel account to a conversation. Pure."""

from functools import lru_cache
from hashlib import blake2b

from ingest.events.stored_event import StoredEvent, decode_payload
from ingest.events.types import EVENT_TYPES

_FIELDS = ("thread", "bindings")
_QUOTED = tuple(f'"{each}"' for each in _FIELDS)
_REMEMBERING = frozenset(
    kind.name
    for kind in EVENT_TYPES.values()
    if any(field in kind.payload.__struct_fields__ for field in _FIELDS)
)

CONTACT = "contact/"
"""Beginning of a key that all channel accounts share: they continue one conversation of a person."""


@lru_cache(maxsize=4096)
def thread_key(channel_account: str, key: str) -> str:
    """Return the name under which the store keeps a key: 32 hexadecimal digits, and no personal data."""
    scope = "" if key.startswith(CONTACT) else channel_account
    return blake2b(f"{scope}\n{key}".encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def thread_keys(event: StoredEvent) -> list[str]:
    """Return the names of the keys that an event remembers for its conversation; mostly none."""
    if event.payload is None or event.channel_account is None:
        return []
    if event.event_type not in _REMEMBERING or not any(each in event.payload for each in _QUOTED):
        return []
    payload = decode_payload(event)
    given = [payload.get(name) for name in _FIELDS]
    keys = [key for each in given if isinstance(each, list) for key in each]
    return [thread_key(event.channel_account, key) for key in keys if isinstance(key, str)]
