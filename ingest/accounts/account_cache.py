"""Channel accounts in memory, for the routes that providers call."""

from sqlalchemy import Engine

from ingest.accounts.registry import ChannelAccount, get_account, open_account
from ingest.accounts.secret_box import SecretBox
from ingest.channels.base import Account
from ingest.clock import Clock

CACHED_ACCOUNTS = 1_000
CACHE_MICROSECONDS = 5_000_000
"""Time after which this process sees a change that another one made: 5 s."""

Opened = tuple[ChannelAccount, Account]


class AccountCache:
    """Accounts by id, with their secrets. Thread-safe: each step is one operation of a dict."""

    def __init__(self, engine: Engine, secrets: SecretBox, clock: Clock) -> None:
        """`engine` only reads; `clock` gives microseconds."""
        self._engine = engine
        self._secrets = secrets
        self._clock = clock
        self._accounts: dict[str, tuple[int, Opened]] = {}

    def get_cached(self, account_id: str) -> Opened | None:
        """Return an account that is enabled and in memory, or None. Does not read the store."""
        until, opened = self._accounts.get(account_id, (0, None))
        return opened if until > self._clock() else None

    def get(self, account_id: str) -> Opened | None:
        """Return an account that is enabled, or None. Raises UnreadableSecretError."""
        found = self.get_cached(account_id)
        if found is not None:
            return found
        stored = get_account(self._engine, account_id)
        if stored is None or stored.disabled_at is not None:
            return None
        opened = stored, open_account(self._secrets, stored)
        if len(self._accounts) >= CACHED_ACCOUNTS:
            self._accounts = {}
        self._accounts[account_id] = self._clock() + CACHE_MICROSECONDS, opened
        return opened

    def forget(self, account_id: str) -> None:
        """Read an account again: it changed."""
        self._accounts.pop(account_id, None)
