"""Files that only their owner may read."""

import secrets
from contextlib import suppress
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write a line to a file of mode 600, completely or not at all. The first writer wins."""
    partial = path.with_suffix(f".{secrets.token_hex(4)}")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial.touch(mode=0o600, exist_ok=False)
    partial.write_text(text + "\n")
    with suppress(FileExistsError):
        path.hardlink_to(partial)
    partial.unlink()
