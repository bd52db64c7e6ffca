"""The CPU priority of loads: the API and the dashboard go first on a busy machine."""

import os
from contextlib import suppress
from pathlib import Path

NICENESS = 10
"""Niceness of a process that loads: with it a reader gets about nine tenths of a core that both want."""

AUTOGROUP = Path("/proc/self/autogroup")
"""Niceness of a session. Linux compares sessions with each other before the processes of one."""


def lower_priority() -> None:
    """Give this thread, and the threads that it starts, low priority. Safe to repeat."""
    niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, niceness)


def lower_session_priority() -> None:
    """Give this process and its session low priority: for a process that has a session of its own."""
    lower_priority()
    with suppress(OSError):  # not Linux, or a kernel without groups
        AUTOGROUP.write_text(str(NICENESS))
