"""A writer's process that keeps little for an API that does not read: `python -m tests.log.small_buffers SOCKET ENTRY`."""

import sys

from ingest.api import writer_process
from ingest.log import shared_writer_server

MAX_UNSENT_BYTES = 1 << 20

if __name__ == "__main__":
    shared_writer_server.MAX_UNSENT_BYTES = MAX_UNSENT_BYTES
    writer_process.main(*map(int, sys.argv[1:]))
