"""The real processes with one safeguard taken away: `python -m tests.faults.variants WHICH COMMAND`.

Never for anything but the controls of the fault tests.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest.log.storage.store import Store


def acknowledge_early() -> None:
    """Acknowledge what is not committed yet: a real commit every half second only."""
    commit = Store.commit
    last = time.monotonic()

    def sometimes(self: Store) -> None:
        nonlocal last
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            commit(self)

    Store.commit = sometimes  # type: ignore[method-assign]


def flush_as(level: str) -> Callable[[], None]:
    """Leave it to the operating system when commits reach the disk."""

    def change() -> None:
        opened = Store.__init__

        def unsynced(
            self: Store, engine: Any, shard: int = 0, writer_id: str | None = None
        ) -> None:
            opened(self, engine, shard, writer_id)
            self._cursor.execute(f"PRAGMA synchronous={level}")

        Store.__init__ = unsynced  # type: ignore[method-assign]

    return change


def ignore_failed_commits() -> None:
    """Take a commit that failed for one that did not."""
    for name in ("add_events", "save_conversations", "commit"):
        _ignore_failures(name)


def _ignore_failures(name: str) -> None:
    real = getattr(Store, name)

    def unsafe_variant(self: Store, *args: Any) -> None:
        try:
            real(self, *args)
        except Exception:
            self.rollback()

    setattr(Store, name, unsafe_variant)


def jump_with_the_clock() -> None:
    """A wall clock that is off by the seconds which stand in the file JUMP_FILE."""
    from ingest.api import app
    from ingest.clock import wall_clock

    offset = Path(os.environ["JUMP_FILE"])
    create = app.create_app

    def jumping(settings: Any, **more: Any) -> Any:
        return create(settings, lambda: wall_clock() + int(offset.read_text()) * 1_000_000, **more)

    app.create_app = jumping  # type: ignore[assignment]


def send_without_a_record() -> None:
    """Send to providers without a record of what is going out."""
    from ingest.delivery.destinations.base import Record
    from ingest.delivery.destinations.send_journal import SendJournal

    SendJournal.begin = lambda *_: Record()  # type: ignore[method-assign]


def also_in_the_writer(variant: str) -> None:
    """Start the writer's process with the same safeguard taken away."""
    from ingest.api import log_access

    log_access.WRITER_COMMAND = [sys.executable, "-m", "tests.faults.variants", variant, WRITER]


WRITER = "writer"

VARIANTS = {
    "unjournaled": send_without_a_record,
    "early": acknowledge_early,
    "off": flush_as("OFF"),
    "normal": flush_as("NORMAL"),
    "careless": ignore_failed_commits,
    "jumping": jump_with_the_clock,
}

if __name__ == "__main__":
    which, command = sys.argv[1:3]
    VARIANTS[which]()
    if command == WRITER:
        from ingest.api import writer_process

        writer_process.main(*map(int, sys.argv[3:]))
    elif command == "api":
        from convolake.api_service import run

        also_in_the_writer(which)
        sys.exit(run())
    else:
        from convolake.cli import app as command_line

        command_line(sys.argv[2:])
