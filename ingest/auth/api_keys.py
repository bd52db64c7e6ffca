"""API keys: `ck_<key id>_<256-bit secret>_<checksum>`.

Only a SHA-256 of the secret is stored (it is random, so a slow hash would add nothing). Prefix
and checksum let secret scanners find a leaked key. A key writes as its `source`; two keys may
share one, so a key can be rotated without duplicate events.
"""

import hashlib
import hmac
import re
import secrets
import threading
import time
import zlib
from collections.abc import Callable
from typing import NamedTuple

from cachetools import TTLCache
from sqlalchemy import ClauseElement, Engine, func, insert, select, update

from ingest.auth.permissions import DEFAULT_SCOPES, SCOPES, Caller
from ingest.auth.secret_files import write_private
from ingest.channels.source import CHANNEL_SOURCE
from ingest.clock import wall_clock
from ingest.errors import UnauthorizedError
from ingest.events.stored_event import SYSTEM_SOURCE
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.tables import api_keys
from ingest.settings import Settings

CACHE_SECONDS = 5.0
"""Maximum time for which a revoked key is still accepted: 5 s."""

MAX_CACHED_CALLERS = 10_000
"""Maximum number of keys whose caller is kept in memory: 10,000."""

RESERVED_SOURCES = (SYSTEM_SOURCE, CHANNEL_SOURCE)
"""Sources of the server itself, and of providers' calls."""

SOURCE_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:@+=~-]{0,127}\Z"


class UnknownScopeError(ValueError):
    """The scope does not exist; no key was created."""


class InvalidSourceError(ValueError):
    """A key cannot write under this name; no key was created."""


class Grant(NamedTuple):
    """The rights of a key. Empty `channels`: all channels. `expires_at` is in microseconds."""

    scopes: frozenset[str] = DEFAULT_SCOPES
    channels: frozenset[str] = frozenset()
    expires_at: int | None = None


ADMIN_GRANT = Grant(frozenset({"admin"}))


class ApiKeyInfo(NamedTuple):
    """A key in a list: without the secret."""

    key_id: str
    source: str
    scopes: str
    channels: str
    created_at: int
    expires_at: int | None
    last_used_at: int | None
    revoked_at: int | None


def create_key(engine: Engine, source: str, created_at: int, grant: Grant | None = None) -> str:
    """Create a key that writes as `source`. Return the key: it cannot be read again later.

    Raises InvalidSourceError, UnknownScopeError.
    """
    grant = grant or Grant()
    if unknown := sorted(grant.scopes - set(SCOPES)):
        raise UnknownScopeError(
            f"{unknown[0]!r} is not a scope; the scopes are {', '.join(SCOPES)}"
        )
    if not re.match(SOURCE_PATTERN, source) or source.partition("~")[0] in RESERVED_SOURCES:
        raise InvalidSourceError(
            f"{source!r} cannot be a source: 1 to 128 of A-Z a-z 0-9 . _ : @ + = ~ -, the first a "
            f"letter or digit; {' and '.join(RESERVED_SOURCES)} are the server itself"
        )
    key_id, secret = secrets.token_hex(6), secrets.token_hex(32)
    with engine.begin() as connection:
        connection.execute(
            insert(api_keys).values(
                key_id=key_id,
                source=source,
                secret_sha256=_sha256(secret),
                scopes=" ".join(sorted(grant.scopes)),
                channels=" ".join(sorted(grant.channels)),
                created_at=created_at,
                expires_at=grant.expires_at,
            )
        )
    return f"ck_{key_id}_{secret}_{_checksum(key_id + secret)}"


def update_last_used(key_id: str, last_used_at: int) -> ClauseElement:
    """Return the statement that records the last use of a key; the log's writer executes it."""
    return update(api_keys).where(api_keys.c.key_id == key_id).values(last_used_at=last_used_at)


def revoke_key(engine: Engine, key_id: str, revoked_at: int) -> bool:
    """Revoke the key. Return False if no valid key has this id."""
    with engine.begin() as connection:
        changed = connection.execute(
            update(api_keys)
            .where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            .values(revoked_at=revoked_at)
        )
    return changed.rowcount == 1


def list_keys(engine: Engine) -> list[ApiKeyInfo]:
    """Return every key, oldest first."""
    columns = [api_keys.c[name] for name in ApiKeyInfo._fields]
    query = select(*columns).order_by(api_keys.c.created_at, api_keys.c.key_id)
    with engine.connect() as connection:
        return [ApiKeyInfo(*row) for row in connection.execute(query)]


def create_first_key(settings: Settings, created_at: int) -> str | None:
    """Create the first key of a new installation. Return None if a key already exists."""
    migrate(settings.database_url)
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        is_new = not connection.execute(select(func.count()).select_from(api_keys)).scalar()
    key = create_key(engine, "default", created_at, ADMIN_GRANT) if is_new else None
    engine.dispose()
    return key


def get_or_create_local_key(settings: Settings, created_at: int) -> str:
    """Return the key of clients on this machine; the first call creates it in the data folder."""
    if settings.api_key is not None:
        return settings.api_key.get_secret_value()
    path = settings.local_key_path
    if not path.exists():
        migrate(settings.database_url)
        engine = open_engine(settings.database_url)
        write_private(path, create_key(engine, "local", created_at, ADMIN_GRANT))
        engine.dispose()
    return path.read_text().strip()


def _sha256(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _checksum(text: str) -> str:
    return f"{zlib.crc32(text.encode()):08x}"


class ApiKeyAuthenticator:
    """Finds the caller of a request by its API key. Caches callers for CACHE_SECONDS. Thread-safe."""

    def __init__(
        self,
        engine: Engine,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], int] = wall_clock,
    ) -> None:
        """`clock` is monotonic, in seconds; `now` is in microseconds."""
        self._engine = engine
        self._now = now
        self._used: dict[str, int] = {}
        self._callers: TTLCache[str, Caller] = TTLCache(MAX_CACHED_CALLERS, CACHE_SECONDS, clock)
        self._lock = threading.Lock()

    def authenticate(self, authorization: str) -> Caller:
        """Return the caller whose key is in an Authorization header. Raises UnauthorizedError."""
        try:
            with self._lock:
                return self._callers[authorization]
        except KeyError:
            pass
        if not authorization.startswith("Bearer ck_"):
            raise UnauthorizedError(
                "send `Authorization: Bearer ck_…`; `convolake keys create` makes a key"
            )
        caller = self._look_up(authorization[7:])
        with self._lock:
            self._callers[authorization] = caller
        return caller

    def is_cached(self, authorization: str) -> bool:
        """Return whether `authenticate` would answer without reading the store."""
        with self._lock:
            return authorization in self._callers

    def drain_usage(self) -> dict[str, int]:
        """Return when each key was used since the last call, to CACHE_SECONDS."""
        used, self._used = self._used, {}
        return used

    def _look_up(self, token: str) -> Caller:
        key_id, _, rest = token.removeprefix("ck_").partition("_")
        secret = rest.partition("_")[0]
        with self._engine.connect() as connection:
            row = connection.execute(
                select(api_keys).where(api_keys.c.key_id == key_id, api_keys.c.revoked_at.is_(None))
            ).first()
        stored = row.secret_sha256 if row is not None else ""
        whole = token == f"ck_{key_id}_{secret}_{_checksum(key_id + secret)}"
        if row is None or not whole or not hmac.compare_digest(stored, _sha256(secret)):
            raise UnauthorizedError("this key is not known here, or it was revoked")
        if row.expires_at is not None and row.expires_at <= self._now():
            raise UnauthorizedError("this key has expired; `convolake keys create` makes a new one")
        self._used[key_id] = self._now()
        return Caller(row.source, frozenset(row.scopes.split()), frozenset(row.channels.split()))
