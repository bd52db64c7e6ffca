"""Tokens that providers use once: a second call with one has to say the same, as a repeated call does."""

import threading

from cachetools import TTLCache

from ingest.clock import Clock

SECONDS = 1_800.0
"""Time for which a token is kept: longer than its timestamp is valid, on either side of our clock."""

MAX_TOKENS = 200_000


class UsedTokens:
    """The tokens that this process has seen, of every account. Thread-safe; a restart forgets them."""

    def __init__(self, clock: Clock) -> None:
        """`clock` gives microseconds."""
        self._said: TTLCache[tuple[str, str], bytes] = TTLCache(
            MAX_TOKENS, SECONDS, timer=lambda: clock() / 1_000_000
        )
        self._lock = threading.Lock()

    def is_reused(self, account_id: str, token: str, said: bytes) -> bool:
        """Note what a call with a token says; return whether an earlier one with it said something else."""
        with self._lock:
            return bool(self._said.setdefault((account_id, token), said) != said)
