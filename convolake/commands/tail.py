"""`tail`: sends what a bot framework writes into a log file to the API, without end."""

import time
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from convolake.console import print_line, report_errors
from convolake.file_tail import FileTail, Lines, Place
from ingest.bots import LOGGERS
from ingest.client import Client, ClientError
from ingest.settings import Settings

app = typer.Typer()

PAUSE_SECONDS = 1.0
MAX_LINE = 7 * 1024 * 1024
"""Bytes of a line; a request has at most 8 MiB."""

MAX_LINES = 5000
"""Lines of a request."""


@app.command()
def tail(
    framework: Annotated[str, typer.Argument(help=f"{', '.join(LOGGERS)}.")],
    file: Annotated[Path, typer.Argument(help="A file of JSON lines; it may be rotated.")],
    once: Annotated[
        bool, typer.Option("--once", help="Stop at the end of the file instead of waiting.")
    ] = False,
) -> None:
    """Send each line of a bot framework's log to the API as it is written: `convolake tail rasa events.log`.

    The place is kept in the data folder, so a restart continues there. Nothing is doubled.
    """
    from convolake.api_client import MissingKeyError, open_client

    if framework not in LOGGERS:
        raise typer.BadParameter(f"one of {', '.join(LOGGERS)}", param_hint="FRAMEWORK")
    settings = Settings()
    kept = place_path(settings, framework, file)
    with (
        report_errors(MissingKeyError, OSError, ClientError),
        FileTail(file, load_place(kept)) as lines,
        open_client(settings) as client,
    ):
        if lines.is_gap:
            print_line(f"{file} was rotated away meanwhile; lines of it may be missing", "yellow")
        while True:
            found = lines.read()
            if found is not None:
                send_lines(client, framework, found)
                save_place(kept, found.place)
            elif once:
                return
            else:
                time.sleep(PAUSE_SECONDS)


def send_lines(client: Client, framework: str, found: Lines) -> None:
    """Send lines, and print why some were not stored, with their numbers. Raises ClientError."""
    numbered = [each for each in enumerate(found.lines, found.first) if each[1].strip()]
    for number, line in numbered:
        if len(line) > MAX_LINE:
            print_line(f"{found.file}, line {number}: longer than {MAX_LINE:,} bytes", "red")
    part: list[tuple[int, bytes]] = []
    size = 0
    for number, line in (each for each in numbered if len(each[1]) <= MAX_LINE):
        if part and (size + len(line) > MAX_LINE or len(part) == MAX_LINES):
            _send(client, framework, found.file, part)
            part, size = [], 0
        part.append((number, line))
        size += len(line) + 1
    if part:
        _send(client, framework, found.file, part)


def _send(client: Client, framework: str, file: Path, part: list[tuple[int, bytes]]) -> None:
    result = client.record_logs(framework, [line for _, line in part])
    for each in result.errors:
        number = part[each.record][0]
        print_line(f"{file}, line {number}: {each.error.code}: {each.error.detail}", "red")


def place_path(settings: Settings, framework: str, file: Path) -> Path:
    """Return where the place in a file is kept."""
    name = blake2b(str(file.resolve()).encode(), digest_size=8).hexdigest()
    return settings.data / "tails" / f"{framework}-{name}.json"


def load_place(path: Path) -> Place | None:
    """Return the place that was kept; None if there is none."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Place)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def save_place(path: Path, place: Place) -> None:
    """Keep a place. A place that is lost costs a second reading, and doubles nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(place))
    new.replace(path)
