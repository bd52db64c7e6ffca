"""Encryption of secrets in the store: Fernet (AES-128-CBC and HMAC-SHA256), with keys from outside the database."""

from collections.abc import Callable, Sequence
from functools import lru_cache

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ingest.errors import UnreadableSecretError

SEALED = "fernet:"
"""What an encrypted secret begins with. Other text was stored before secrets were encrypted."""

CACHED_SECRETS = 1_000


class InvalidKeyError(ValueError):
    """A key of the setting `CONVOLAKE_SECRET_KEYS` or of the key file is not one of Fernet."""


class SecretBox:
    """Encrypts with the first key, and decrypts with each of them. Thread-safe."""

    def __init__(
        self, keys: Sequence[str], read_again: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """`keys`: URL-safe base64 of 32 bytes, the newest first. Raises InvalidKeyError.

        `read_again` returns the keys as they are now: another process may have added one.
        """
        self._keys = list(keys)
        self._fernet = _fernet(keys)
        self._read_again = read_again
        self.open = lru_cache(CACHED_SECRETS)(self._open)

    def seal(self, secret: str) -> str:
        """Return the secret, encrypted."""
        return SEALED + self._fernet.encrypt(secret.encode()).decode()

    def _open(self, sealed: str) -> str:
        """Return the secret of `seal`. Raises UnreadableSecretError if no key fits."""
        if not sealed.startswith(SEALED):
            return sealed
        token = sealed.removeprefix(SEALED)
        try:
            return self._fernet.decrypt(token).decode()
        except InvalidToken:
            pass
        try:
            return self._newest().decrypt(token).decode()
        except (InvalidToken, InvalidKeyError, OSError):
            raise UnreadableSecretError(
                "no key decrypts this secret; restore the key (CONVOLAKE_SECRET_KEYS or secret.keys), "
                "or set the secret again"
            ) from None

    def _newest(self) -> MultiFernet:
        """Return the keys as they are now."""
        keys = self._keys if self._read_again is None else list(self._read_again())
        if keys != self._keys:
            self._fernet, self._keys = _fernet(keys), keys
        return self._fernet

    def reseal(self, sealed: str) -> str:
        """Return the secret encrypted with the first key. Raises UnreadableSecretError."""
        return self.seal(self._open(sealed))


def _fernet(keys: Sequence[str]) -> MultiFernet:
    try:
        return MultiFernet([Fernet(key) for key in keys])
    except (ValueError, TypeError) as error:
        raise InvalidKeyError(
            "a secret key is 32 bytes as URL-safe base64; `convolake channels new-key` makes one"
        ) from error


def is_sealed(secret: str) -> bool:
    """Return whether a stored secret is encrypted."""
    return secret.startswith(SEALED)


def new_key() -> str:
    """Return a random key."""
    return Fernet.generate_key().decode()
