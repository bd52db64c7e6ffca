"""`convolake import`, killed with SIGKILL at random places again and again: the next run makes the log complete, and exact."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.client import Client
from ingest.importers import IMPORTERS
from ingest.importers.runner import ImportReport, run_import
from tests.api_server import Installation
from tests.factories import Record
from tests.faults.tracing import calls, needs_strace
from tests.installations import installed

pytestmark = [needs_strace, pytest.mark.long, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
BY_NAME = {importer.name: importer for importer in IMPORTERS}
MESSAGES, EACH = 9_000, 8
"""Messages of a file, and of a conversation in it."""

KILLS = 6
"""Runs that are killed, of one file."""

LATEST = 0.7
"""The last place as a share of a whole run: in another run the bytes may come in fewer parts."""

PLACES = ("sendto", "recvfrom")
"""System calls at which a run is killed: parts of a request, and the answer to it."""

STARTED = 1_700_000_000


def numbered() -> Iterator[tuple[int, int]]:
    """Yield each message with its conversation: eight at a time take turns."""
    for number in range(MESSAGES):
        yield number, number // (EACH * EACH) * EACH + number % EACH


def text_of(number: int) -> str:
    """A text of some length that no other message has."""
    return f"Message {number}: שלום 👩🏽\u200d🚀 " + "and so on " * (number % 40)


def write_jsonl(folder: Path) -> Path:
    lines, seen = [], set[int]()
    for number, conversation in numbered():
        given: dict[str, Any] = {
            "conversation_id": f"jsonl-{conversation}",
            "happened_at": f"2024-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z",
        }
        if conversation not in seen:
            seen.add(conversation)
            people = [{"participant_id": "ada", "participant_role": "customer"}]
            lines.append(
                given
                | {"event_id": f"created-{conversation}", "event_type": "conversation.created"}
                | {"channel": "web", "payload": {"participants": people}}
            )
        said = {"event_type": "message.created", "participant_id": "ada", "text": text_of(number)}
        lines.append(given | said | {"event_id": f"said-{number}"})
    path = folder / "events.jsonl"
    path.write_bytes(msgspec.json.Encoder().encode_lines(lines))
    return path


def write_csv(folder: Path) -> Path:
    path = folder / "chats.csv"
    with path.open("w") as file:
        file.write("conversation,sender,role,time,text\n")
        for number, conversation in numbered():
            time = f"2024-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
            file.write(f'csv-{conversation},ada,customer,{time},"{text_of(number)}"\n')
    return path


def write_whatsapp(folder: Path) -> Path:
    path = folder / "WhatsApp Chat with Ada.txt"
    with path.open("w") as file:
        for number in range(MESSAGES):
            time = f"{number // 1440 + 13:02}/01/24, {number // 60 % 24:02}:{number % 60:02}"
            file.write(f"{time} - {('Ada', 'Shop')[number % 2]}: {text_of(number)}\n")
    return path


def write_mbox(folder: Path) -> Path:
    path = folder / "inbox.mbox"
    first = dict[int, str]()
    with path.open("wb") as file:
        for number, conversation in numbered():
            mail = EmailMessage()
            mail["From"], mail["To"] = "Ada <ada@shop.example>", "help@shop.example"
            mail["Message-ID"] = f"<{number}@shop.example>"
            mail["Date"] = (
                f"Mon, 1 Jan 2024 {number // 3600:02}:{number // 60 % 60:02}:{number % 60:02} +0000"
            )
            if conversation in first:
                mail["In-Reply-To"] = first[conversation]
            first.setdefault(conversation, mail["Message-ID"])
            mail.set_content(text_of(number), cte="8bit")
            file.write(b"From ada@shop.example Mon Jan  1 10:00:00 2024\n" + bytes(mail) + b"\n")
    return path


def write_slack(folder: Path) -> Path:
    day = MESSAGES // 3
    for start in range(0, MESSAGES, day):
        messages = [
            {"type": "message", "user": f"U{number % 5}", "text": text_of(number)}
            | {"ts": f"{STARTED + start * 43 + number}.{number:06}"}
            for number in range(start, start + day)
        ]
        path = folder / "export" / ("general", "help")[start // day % 2] / f"day-{start}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.encode(messages))
    return folder / "export"


FILES: dict[str, Callable[[Path], Path]] = {
    "jsonl": write_jsonl,
    "csv": write_csv,
    "whatsapp": write_whatsapp,
    "mbox": write_mbox,
    "slack": write_slack,
}


@pytest.mark.parametrize("name", FILES)
def test_an_import_that_is_killed_again_and_again_is_exact_in_the_end(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "file").mkdir()
    path = FILES[name](tmp_path / "file")
    with installed(tmp_path / "whole") as whole:
        places = places_of(name, path, whole, tmp_path / "trace")
        expected = stored(whole)
    left = [0]
    with installed(tmp_path / "killed") as killed:
        for place in places:
            kill_at(place, name, path, killed, tmp_path / "trace")
            left.append(count(killed))
        report = finish(name, path, killed)
        assert report.is_complete
        assert (report.duplicate, report.accepted) == (left[-1], report.read - left[-1])
        assert stored(killed) == expected
        assert finish(name, path, killed).duplicate == report.read
    assert left == sorted(left), "no run takes anything away"
    assert len(set(left)) > 2, "several runs were killed in the middle"
    assert left[-1] < report.read


def run(name: str, path: Path, installation: Installation, trace: Path, *options: str) -> int:
    """Import a file in a process of its own under strace; return the exit code."""
    observed = ("-e", f"trace={','.join(PLACES)}", *options)
    environment = os.environ | installation.environment | {"CONVOLAKE_DATA": str(trace.parent)}
    command = [sys.executable, "-m", "convolake", "import", name, str(path)]
    return subprocess.run(
        ["strace", "-f", "-o", str(trace), *observed, *command],
        cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False,
    ).returncode  # fmt: skip


def places_of(
    name: str, path: Path, installation: Installation, trace: Path
) -> list[tuple[str, int]]:
    """Import a file without a kill; return places at which other runs are killed, each later than the one before."""
    assert run(name, path, installation, trace) == 0
    counted = calls(trace)
    shares = [(each + random.random()) / KILLS * LATEST for each in range(KILLS)]  # noqa: S311
    calls_killed = random.choices(PLACES, k=KILLS)  # noqa: S311
    return [
        (call, 1 + int(counted[call] * share))
        for call, share in zip(calls_killed, shares, strict=True)
    ]


def kill_at(
    place: tuple[str, int], name: str, path: Path, installation: Installation, trace: Path
) -> None:
    call, number = place
    inject = f"inject={call}:signal=SIGKILL:when={number}"
    assert run(name, path, installation, trace, "-e", inject) == -9, place


def finish(name: str, path: Path, installation: Installation) -> ImportReport:
    with Client(installation.url, installation.key) as client:
        return run_import(BY_NAME[name], path, client)


def stored(installation: Installation) -> list[dict[str, Any]]:
    """Return every column of every event, without its place in the log."""
    rows = log(installation, "select * from events order by conversation_id, sequence, event_id")
    return [{k: v for k, v in row.items() if k != "position"} for row in rows]


def count(installation: Installation) -> int:
    """Return the number of events that the import stored; the server's own are more."""
    (row,) = log(installation, "select count(*) as events from events where source <> 'convolake'")
    return int(row["events"])


def log(installation: Installation, sql: str) -> list[dict[str, Any]]:
    return Record(installation.settings, installation.clock).log(sql)
