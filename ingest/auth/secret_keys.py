"""The keys that encrypt the secrets of the store: from a setting, or from a file in the data folder."""

from functools import partial

from ingest.accounts.secret_box import SecretBox, new_key
from ingest.auth.secret_files import write_private
from ingest.settings import Settings


def open_secret_box(settings: Settings) -> SecretBox:
    """Return the box with the keys of this installation; create the key file on demand.

    Raises InvalidKeyError.
    """
    return SecretBox(_read_keys(settings), partial(_read_keys, settings))


def _read_keys(settings: Settings) -> list[str]:
    if settings.secret_keys is not None:
        return _split(settings.secret_keys.get_secret_value().replace(",", "\n"))
    path = settings.secret_keys_path
    if not path.exists():
        write_private(path, new_key())
    return _split(path.read_text())


def add_key(settings: Settings) -> SecretBox:
    """Put a new key before those of the key file, and return the box with all of them.

    Raises InvalidKeyError. The old keys stay, so that nothing becomes unreadable.
    """
    path = settings.secret_keys_path
    keys = [new_key(), *_read_keys(settings)]
    box = SecretBox(keys)
    partial = path.with_suffix(".new")
    partial.unlink(missing_ok=True)
    write_private(partial, "\n".join(keys))
    partial.replace(path)
    return box


def _split(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]
