"""The recorded calls of providers. They lie next to the checkout, because other people's data is no part of it."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[3] / "shared/data/C_webhooks"
MAIL = FOLDER / "email"

needs_recorded = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="the recorded calls are not next to the checkout"
)


def recorded(folder: str, pattern: str = "*") -> list[Path]:
    """Return the files of a folder and of those in it, in order; none if they are not there."""
    return sorted(path for path in (FOLDER / folder).rglob(pattern) if path.is_file())
