"""A writer's process whose next commit fails when a file says so: `python -m tests.log.broken_disk FILE SOCKET …`."""

import sqlite3
import sys
from pathlib import Path

from ingest.api import writer_process
from ingest.log.storage.store import Store

if __name__ == "__main__":
    broken = Path(sys.argv[1])
    commit = Store.commit

    def fail_or_commit(self: Store) -> None:
        if broken.exists():
            raise sqlite3.OperationalError("disk I/O error")
        commit(self)

    Store.commit = fail_or_commit  # type: ignore[method-assign]
    writer_process.main(*map(int, sys.argv[2:]))
