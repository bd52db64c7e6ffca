"""Loads have low CPU priority, so that the API and the dashboard go first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convolake.priority import AUTOGROUP, NICENESS
from convolake.services import all_services
from ingest.settings import Settings
from tests.factories import free_port

NICENESS_OF_A_THREAD = """
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

SUPERVISE = """
import os, sys
from pathlib import Path
from convolake.supervisor import Service, Supervisor
show = '''
import os, pathlib
group = pathlib.Path("/proc/self/autogroup")
print(os.getpriority(os.PRIO_PROCESS, 0), group.read_text() if group.exists() else "nice", flush=True)
os.kill(os.getppid(), 15)
os.read(0, 1)
'''
name, is_background = sys.argv[1], sys.argv[1] == "back"
with Supervisor(Path(sys.argv[2]), print) as supervisor:
    service = Service(name, [sys.executable, "-c", show], is_background=is_background)
    supervisor.run([service])
"""


def test_the_threads_of_a_load_have_low_priority() -> None:
    done = subprocess.run(
        [sys.executable, "-c", NICENESS_OF_A_THREAD], stdout=subprocess.PIPE, check=True
    )
    assert int(done.stdout) >= NICENESS


@pytest.mark.parametrize(("name", "is_low"), [("front", False), ("back", True)])
def test_a_service_in_the_background_and_its_session_have_low_priority(
    name: str, is_low: bool, tmp_path: Path
) -> None:
    subprocess.run([sys.executable, "-c", SUPERVISE, name, tmp_path], check=True, timeout=60)
    niceness, *_, group = (tmp_path / f"{name}.log").read_text().split()
    ours = os.getpriority(
        os.PRIO_PROCESS, 0
    )  # a command that ran in this process may have lowered it
    assert int(niceness) == (max(NICENESS, ours) if is_low else ours)
    if AUTOGROUP.exists():
        assert (int(group) >= NICENESS) == is_low


def test_only_dagster_which_loads_is_in_the_background(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PORT", "DAGSTER_PORT", "DASHBOARD_PORT"):
        monkeypatch.setenv(f"CONVOLAKE_{name}", str(free_port()))
    services = all_services(Settings(data=settings.data))
    assert [each.name for each in services if each.is_background] == ["dagster"]
