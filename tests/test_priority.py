"""Loads have low CPU priority, so that the API and the dashboard go first."""

import subprocess
import sys

import pytest

from convolake.priority import NICENESS
from convolake.services import all_services
from ingest.settings import Settings
from tests.factories import free_port

NICENESS_OF_THREADS = """
import os, threading
from convolake.priority import lower_priority
lower_priority()
lower_priority()
found = []
thread = threading.Thread(target=lambda: found.append(os.getpriority(os.PRIO_PROCESS, 0)))
thread.start()
thread.join()
print(found[0])
"""


def test_the_threads_of_a_load_have_low_priority() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NICENESS_OF_THREADS], stdout=subprocess.PIPE, check=True
    )
    assert int(done.stdout) >= NICENESS


def test_only_dagster_which_loads_is_started_with_low_priority(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PORT", "DAGSTER_PORT", "DASHBOARD_PORT"):
        monkeypatch.setenv(f"CONVOLAKE_{name}", str(free_port()))
    services = all_services(Settings(data=settings.data))
    assert [each.name for each in services if "nice" in each.argv[0]] == ["dagster"]
