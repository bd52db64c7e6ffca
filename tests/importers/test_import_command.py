"""`convolake import` over a real API: dry run, options, and what the sessions become."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from ingest.client import Client
from ingest.contract import from_micros
from ingest.importers import IMPORTERS
from ingest.importers.runner import run_import
from tests.api_server import WAIT, Installation, wait_until
from tests.factories import Record
from tests.importers.samples import SAMPLES

BY_NAME = {importer.name: importer for importer in IMPORTERS}


@pytest.fixture
def environment(
    installation: Installation, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, str]:
    """The environment of a command that talks to the API."""
    variables = {**installation.environment, "CONVOLAKE_DATA": str(tmp_path / "client")}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


def convolake(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["import", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


CHAT = """\
13/01/24, 10:00 - Ada: Where is my parcel?
13/01/24, 10:05 - Shop: On its way.
15/01/24, 18:00 - Ada: It is here.
"""


@pytest.fixture
def chat(tmp_path: Path) -> str:
    path = tmp_path / "Chat with Ada.txt"
    path.write_text(CHAT)
    return str(path)


def test_a_dry_run_says_what_would_come_and_what_is_ambiguous(
    environment: dict[str, str], chat: str, installation: Installation
) -> None:
    code, output = convolake("whatsapp", chat, "--dry-run")
    assert code == 0
    assert "1 conversations, 3 messages, 2 participants" in output
    assert "from 2024-01-13T10:00:00+00:00 to 2024-01-15T18:00:00+00:00" in output
    assert "the times have no zone; they are in UTC (--zone)" in output
    assert "role of 2 senders: Ada, Shop; they are customers" in output
    with Client(installation.url, installation.key) as client:
        assert list(client.conversations()) == []


def test_options_answer_what_the_file_does_not_say(
    environment: dict[str, str], chat: str, installation: Installation
) -> None:
    options = ("--zone", "Europe/Berlin", "--role", "Shop=agent", "--role", "*=customer")
    code, output = convolake("whatsapp", chat, *options)
    assert code == 0, output
    assert "6 read, 6 accepted" in output
    assert "(--" not in output
    with Client(installation.url, installation.key) as client:
        (found,) = client.conversations()
        messages = list(client.messages(found.conversation_id))
    assert [each.participant_role for each in messages] == ["customer", "agent", "customer"]
    assert messages[0].happened_at == datetime(2024, 1, 13, 9, 0, tzinfo=UTC)


def test_rejected_and_damaged_places_are_listed_and_the_exit_code_is_not_zero(
    environment: dict[str, str], tmp_path: Path
) -> None:
    sample = SAMPLES["jsonl"]
    bad_type = json.dumps({"event_id": "e", "event_type": "no.type", "conversation_id": "c"})
    path = sample.write(tmp_path, [sample.good(1), b"{", bad_type.encode()])
    code, output = convolake("jsonl", str(path))
    assert code == 1
    assert "2 read, 1 accepted, 1 rejected, 1 damaged" in output
    assert "line 2: not an event" in output
    assert "line 3: " in output


@pytest.mark.parametrize(
    "wrong",
    [("--zone", "Mars/Base"), ("--dates", "dym"), ("--role", "Shop=boss"), ("--role", "Shop"),
     ("--encoding", "klingon"), ("--starts-at", "soon"), ("--map", "=x")],
)  # fmt: skip
def test_a_wrong_option_is_explained(
    environment: dict[str, str], chat: str, wrong: tuple[str, str]
) -> None:
    code, output = convolake("whatsapp", chat, *wrong)
    assert code == 2
    assert wrong[0] in re.sub(r"\x1b\[[0-9;]*m", "", output)


def test_several_files_are_imported_by_one_command(
    environment: dict[str, str], tmp_path: Path
) -> None:
    paths = []
    for day in ("2024-01-01", "2024-01-02"):
        paths.append(tmp_path / f"{day}.log")
        paths[-1].write_text("[10:00] <ada> hello\n")
    code, output = convolake("irc", *map(str, paths))
    assert code == 0
    assert output.count("3 read, 3 accepted") == 2


def test_imported_sessions_end_by_their_own_times(
    chat: str, installation: Installation, record: Record
) -> None:
    """Both sessions end a time-out after their last message, years before the import."""
    with Client(installation.url, installation.key) as client:
        run_import(BY_NAME["whatsapp"], Path(chat), client)
    installation.clock.forward(minutes=16)  # the import counts as complete

    def ended() -> list[datetime]:
        query = (
            "select happened_at from events where event_type = 'session.ended' order by position"
        )
        return [from_micros(row["happened_at"]) for row in record.log(query)]

    wait_until(lambda: len(ended()) == 2, WAIT, "the end of the last session")
    timeout = installation.settings.session_timeouts[""]
    day = datetime(2024, 1, 13, tzinfo=UTC)
    assert ended() == [
        day + timedelta(hours=10, minutes=5) + timeout,
        day + timedelta(days=2, hours=18) + timeout,
    ]


def test_a_command_loads_what_other_formats_need_only_with_their_first_table() -> None:
    code = (
        "import sys, convolake.commands.import_file, convolake.api_client;"
        "print([name for name in ('polars', 'alembic') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"
