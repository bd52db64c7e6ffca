"""strace: makes a system call of a running process fail, or kills the process at it."""

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@contextmanager
def traced(pid: int, output: Path, *options: str) -> Iterator["subprocess.Popen[str]"]:
    """strace on a process and all its threads, from when the block begins."""
    strace = subprocess.Popen(
        ["strace", "-f", "-p", str(pid), "-o", str(output), *options],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert strace.stderr is not None
    try:
        line = strace.stderr.readline()
        if "not permitted" in line:
            pytest.skip("tracing other processes is not allowed here")
        assert "attached" in line, line
        yield strace
    finally:
        strace.terminate()
        strace.communicate(timeout=30)


_CALL = re.compile(r"^(\d+) +(\w+)\(", re.MULTILINE)


def calls(output: Path) -> Counter[str]:
    """How often the busiest thread made each system call: strace counts for each thread apart."""
    most: Counter[str] = Counter()
    for (_, name), count in Counter(_CALL.findall(output.read_text())).items():
        most[name] = max(most[name], count)
    return most
