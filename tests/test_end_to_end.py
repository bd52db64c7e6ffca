"""The whole way, with every real process: an event posted shows as a figure in the warehouse."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings
from tests.api_server import environment_of_an_installation
from tests.factories import free_port

ROOT = Path(__file__).parent.parent


def environment(settings: Settings) -> dict[str, str]:
    ours = {
        "CONVOLAKE_DATA": str(settings.data),
        "CONVOLAKE_PORT": str(settings.port),
        "CONVOLAKE_DAGSTER_PORT": str(settings.dagster_port),
        "CONVOLAKE_DASHBOARD_PORT": str(settings.dashboard_port),
        "CONVOLAKE_SEAL_SECONDS": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    return environment_of_an_installation() | ours


@pytest.fixture
def free(tmp_path: Path) -> Settings:
    """Settings with unused ports."""
    return Settings(
        data=tmp_path / "data",
        port=free_port(),
        dagster_port=free_port(),
        dashboard_port=free_port(),
    )


@contextmanager
def running(settings: Settings, *command: str) -> Iterator["subprocess.Popen[str]"]:
    process = subprocess.Popen(
        [sys.executable, "-m", "convolake", *command],
        env=environment(settings), stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def convolake(
    settings: Settings, *arguments: str, expect: int = 0
) -> "subprocess.CompletedProcess[str]":
    found = subprocess.run(
        [sys.executable, "-m", "convolake", *arguments],
        env=environment(settings), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert found.returncode == expect, found.stderr
    return found


def lines_until(process: "subprocess.Popen[str]", *words: str) -> list[str]:
    """Lines of the screen until each of `words` began one."""
    assert process.stderr is not None
    seen: list[str] = []
    while not all(any(line.startswith(word) for line in seen) for word in words):
        line = process.stderr.readline()
        assert line, f"ended before {words}: {seen}"
        seen.append(line)
    return seen


def eventually(look: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.5)


def shell_blocks(page: str, heading: str = "") -> list[str]:
    """Return the shell blocks of a page, or of one section of it."""
    text = (ROOT / page).read_text()
    if heading:
        text = text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


def run_block(block: str, settings: Settings, key: str) -> str:
    """Run a block of the documents verbatim, but with this test's port. Return its output."""
    script = block.replace("localhost:8000", f"127.0.0.1:{settings.port}")
    found = subprocess.run(
        ["bash", "-ec", script.replace("curl -s", "curl -sf")],
        env={**environment(settings), "KEY": key}, cwd=settings.data,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr
    return found.stdout


@pytest.mark.long
def test_the_readme_and_the_guide_work_from_the_first_event_to_the_figure(
    free: Settings, browser: Any
) -> None:
    _, taste = shell_blocks("README.md")
    (handoff,) = shell_blocks("docs/guide.md", "Post an event")
    (queries,) = shell_blocks("docs/guide.md", "Query the warehouse")
    with running(free, "up") as process:
        lines = lines_until(process, "api", "dashboard", "dagster")
        key = next(line.strip() for line in lines if line.strip().startswith("ck_"))
        assert "Where is my order?" in run_block(taste, free, key)
        assert '"owner":"human"' in run_block(handoff, free, key).replace(" ", "")
        # The sensor finds the new segment and Dagster loads it: nothing else does.
        eventually(lambda: "order-7-h1" in _ask(free, "select handoff_id from handoffs"))
        url = f"http://127.0.0.1:{free.dashboard_port}/conversations?conversation=order-7"
        browser.get(url)
        eventually(lambda: "Where is my order?" in browser.page_source)
    assert process.returncode == 0
    assert "web" in run_block(queries, free, key)
    assert json.loads(convolake(free, "verify", "--json").stdout)["unsealed_events"] == 0


def _ask(settings: Settings, query: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "convolake", "sql", query, "--format", "json"],
        env=environment(settings), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return found.stdout


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--workers", "3"]], ids=["one API", "3 workers"])
def test_simulated_history_is_posted_loaded_verified_and_counted(
    free: Settings, options: list[str]
) -> None:
    with running(free, "serve", *options) as process:
        lines_until(process, "api")
        convolake(free, "simulate", "--days", "2", "--seed", "3")
        again = convolake(free, "simulate", "--days", "2", "--seed", "3")
        assert "rejected" not in again.stderr
        convolake(free, "load")
        verdict = json.loads(convolake(free, "verify", "--json").stdout)
        assert (verdict["ok"], verdict["unsealed_events"], verdict["unloaded_events"]) == (
            True,
            0,
            0,
        )
        rows = convolake(
            free, "sql", "select count(*) as n from conversations", "--format", "csv"
        ).stdout
        assert int(rows.splitlines()[1]) > 50
    assert process.returncode == 0


@pytest.mark.long
def test_each_error_message_says_what_to_do(free: Settings, tmp_path: Path) -> None:
    assert "convolake load" in convolake(free, "sql", "select 1", expect=1).stderr
    assert "convolake serve" in convolake(free, "verify", expect=1).stderr
    assert "does not exist" in convolake(free, "import", "star", "nowhere.jsonl", expect=2).stderr
    (tmp_path / "x.jsonl").write_text('{"DialogueID": 1}\n')
    assert (
        "Traceback"
        not in convolake(free, "import", "star", str(tmp_path / "x.jsonl"), expect=1).stderr
    )
    convolake(free, "load")
    assert "no_such_table" in convolake(free, "sql", "select * from no_such_table", expect=1).stderr


@pytest.mark.long
def test_a_used_port_is_reported_with_the_setting_that_changes_it(free: Settings) -> None:
    with running(free, "serve") as process:
        lines_until(process, "api")
        other = free.model_copy(update={"data": free.data.parent / "other"})
        assert "CONVOLAKE_PORT" in convolake(other, "serve", expect=1).stderr


@pytest.mark.long
@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["one API", "2 workers"])
def test_a_process_that_dies_is_restarted(free: Settings, options: list[str]) -> None:
    with running(free, "serve", *options) as process:
        lines_until(process, "api", "lake")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        for child in children:
            os.kill(int(child), signal.SIGKILL)
        lines = lines_until(process, "api stopped", "lake stopped")
        assert all("starting it again" in line for line in lines if "stopped" in line)
        lines_until(process, "api  ")
        convolake(free, "simulate", "--days", "1")
    assert process.returncode == 0
