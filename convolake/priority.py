"""The CPU priority of loads: the API and the dashboard go first on a busy machine."""

import os

NICENESS = 10
"""Niceness of a process that loads: with it a reader gets about nine tenths of a core that both want."""

LOW = ("nice", "-n", str(NICENESS))
"""Start of a command line that runs with low priority."""


def lower_priority() -> None:
    """Give this thread, and the threads that it starts, low priority. Safe to repeat."""
    niceness = max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
