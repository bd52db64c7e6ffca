"""The client that commands use."""

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings


class MissingKeyError(Exception):
    """The settings name a remote API, but no key for it."""


def open_client(settings: Settings) -> Client:
    """Return a client of this installation's API. Raises MissingKeyError.

    The local key opens the local log, so no other machine receives it.
    """
    is_local = settings.url.rstrip("/") == settings.local_url
    if settings.api_key is None and not is_local:
        raise MissingKeyError(
            f"set CONVOLAKE_API_KEY to a key of {settings.api_url} (`convolake keys create` there)"
        )
    return Client(settings.url, get_or_create_local_key(settings, wall_clock()))
