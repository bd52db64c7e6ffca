"""`convolake tail` sends each line of a log once, also when it is started again."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from ingest.api.app import create_app
from ingest.api.middleware import FastPathMiddleware
from ingest.auth.api_keys import get_or_create_local_key
from ingest.settings import Settings
from tests.api_server import Installation, run_server
from tests.factories import Clock, create_store


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Installation]:
    settings, clock = Settings(data=tmp_path / "data"), Clock()
    create_store(settings)
    key = get_or_create_local_key(settings, clock())
    with run_server(FastPathMiddleware(create_app(settings, clock))) as url:
        installation = Installation(url, key, settings, clock)
        with installation.http:
            yield installation


def line(number: int) -> str:
    return json.dumps(
        {"sender_id": "ada", "event": "user", "timestamp": 1_700_000_000 + number, "text": f"m{number}"}
    )  # fmt: skip


def run(running: Installation, log: Path, framework: str = "rasa") -> str:
    environment = running.environment | {"CONVOLAKE_DATA": str(running.settings.data)}
    result = CliRunner().invoke(app, ["tail", framework, str(log), "--once"], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def texts(running: Installation) -> list[str]:
    answer = running.http.get("/v1/conversations/rasa-ada/messages?limit=100")
    return [each["text"] for each in answer.json()["items"]]


def test_a_restart_continues_where_the_last_run_stopped(
    running: Installation, tmp_path: Path
) -> None:
    log = tmp_path / "events.log"
    log.write_text("".join(line(number) + "\n" for number in range(3)))
    run(running, log)
    with log.open("a") as file:
        file.write(line(3) + "\n" + line(4))  # the last line is not finished
    run(running, log)
    assert texts(running) == ["m0", "m1", "m2", "m3"]
    log.rename(tmp_path / "events.log.1")
    log.write_text(line(5) + "\n")
    run(running, log)
    assert texts(running) == ["m0", "m1", "m2", "m3", "m4", "m5"]
    sources = running.http.get("/v1/ingest-stats").json()["sources"]
    assert sum(each["duplicate"] for each in sources) == 0


def test_a_place_that_is_lost_doubles_nothing(running: Installation, tmp_path: Path) -> None:
    log = tmp_path / "events.log"
    log.write_text("".join(line(number) + "\n" for number in range(3)))
    run(running, log)
    for place in (running.settings.data / "tails").iterdir():
        place.unlink()
    run(running, log)
    assert texts(running) == ["m0", "m1", "m2"]


def test_a_line_that_is_no_event_is_named_with_its_number(
    running: Installation, tmp_path: Path
) -> None:
    log = tmp_path / "events.log"
    log.write_text(line(0) + "\n\n{cut\n" + line(1) + "\n")
    assert "line 3: malformed_body" in run(running, log)
    assert texts(running) == ["m0", "m1"]


def test_an_unknown_framework_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["tail", "nothing", str(tmp_path / "x"), "--once"])
    assert result.exit_code == 2
