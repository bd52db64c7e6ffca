"""Every benchmark runs: a change of the code must not break one unnoticed."""

import subprocess
import sys

import pytest

from benchmarks.__main__ import Name

NEED_DLT = {Name.load, Name.seal}
"""These compare with a library that `make bench` installs into an environment of its own."""


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(set(Name) - NEED_DLT))
def test_a_quick_run_measures_something(name: Name) -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
