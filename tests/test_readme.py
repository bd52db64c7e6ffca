"""Every command block and every command of the README's table runs as it is printed, against `convolake serve`.

Only what the text leaves open is replaced: the port, FILE and FOLDER. The 60 days are one, and Ctrl-C ends --live.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.auth.api_keys import get_or_create_local_key
from ingest.client import Client
from ingest.clock import wall_clock
from ingest.settings import Settings
from tests.api_server import environment_of_an_installation
from tests.factories import create_store, free_port
from tests.importers.test_star import make_dialogue
from tests.test_end_to_end import running

ROOT = Path(__file__).parents[1]
LONG_RUNNING = ("convolake up", "convolake serve")
"""Commands that run until Ctrl-C: the fixture runs `serve`, tests/test_end_to_end.py runs `up`."""


def blocks(name: str) -> list[str]:
    """Return the shell blocks of a document, except those that make, stop or start programs."""
    found = re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(), re.DOTALL)
    return [each for each in found if not re.search(r"^make |convolake serve", each, re.MULTILINE)]


def table_rows() -> list[str]:
    """Return the commands of the table, except those that run until Ctrl-C."""
    rows = re.findall(r"^\| `(convolake [^`]+)`", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert len(rows) > 10
    return [each for each in rows if each not in LONG_RUNNING]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """An installation of `convolake serve`: the environment of its user."""
    folder = tmp_path_factory.mktemp("readme")
    settings = Settings(data=folder / "data", port=free_port())
    create_store(settings)
    key = get_or_create_local_key(settings, wall_clock())
    with running(settings, "serve"), Client(settings.url, key) as client:
        client.wait_until_ready()
        yield environment_of_an_installation() | {
            "CONVOLAKE_DATA": str(settings.data),
            "CONVOLAKE_PORT": str(settings.port),
            "KEY": key,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "FOLDER": str(folder),
        }


def run(served: dict[str, str], command: str) -> str:
    done = subprocess.run(
        ["sh", "-ec", command.replace("localhost:8000", f"localhost:{served['CONVOLAKE_PORT']}")],
        env=served,
        cwd=served["FOLDER"],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.long
@pytest.mark.timeout(600)
def test_every_block_and_every_command_runs_as_printed(served: dict[str, str]) -> None:
    shown = [run(served, block) for block in blocks("README.md")]
    assert "Where is my order?" in shown[-1]
    for command in table_rows():
        run(served, runnable(command, Path(served["FOLDER"])))
    for block in blocks("docs/guide.md"):  # last: it registers a hook that never answers
        answers = run(served, block)
        assert "urn:convolake:error" not in answers, answers


def runnable(command: str, folder: Path) -> str:
    """Return a command with what the table leaves open."""
    if command == "convolake import star FILE":
        file = folder / "dialogues.json"
        file.write_text(json.dumps(make_dialogue()))
        return f"convolake import star {file}"
    if command == "convolake restore FOLDER":
        return f"CONVOLAKE_DATA={folder}/restored convolake restore {folder}/copy"
    if "--live" in command:
        stopped = "timeout --preserve-status -s INT 30 convolake simulate --days 1 --live"
        return f"{stopped} || test $? -eq 130"  # what a shell answers after Ctrl-C
    if command == "convolake sql":
        return 'convolake sql "select count(*) from events"'
    return command.replace("FOLDER", f"{folder}/copy")
