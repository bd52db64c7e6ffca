"""`convolake tail` sends each line of a log once, also when it is started again."""

import json
from pathlib import Path

from typer.testing import CliRunner

from convolake.cli import app
from tests.api_server import Installation


def line(number: int) -> str:
    return json.dumps(
        {"sender_id": "ada", "event": "user", "timestamp": 1_700_000_000 + number, "text": f"m{number}"}
    )  # fmt: skip


def run(installation: Installation, log: Path, framework: str = "rasa") -> str:
    environment = installation.environment | {"CONVOLAKE_DATA": str(installation.settings.data)}
    result = CliRunner().invoke(app, ["tail", framework, str(log), "--once"], env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def texts(installation: Installation) -> list[str]:
    answer = installation.http.get("/v1/conversations/rasa-ada/messages?limit=100")
    return [each["text"] for each in answer.json()["items"]]


def test_a_restart_continues_where_the_last_run_stopped(
    installation: Installation, tmp_path: Path
) -> None:
    log = tmp_path / "events.log"
    log.write_text("".join(line(number) + "\n" for number in range(3)))
    run(installation, log)
    with log.open("a") as file:
        file.write(line(3) + "\n" + line(4))  # the last line is not finished
    run(installation, log)
    assert texts(installation) == ["m0", "m1", "m2", "m3"]
    log.rename(tmp_path / "events.log.1")
    log.write_text(line(5) + "\n")
    run(installation, log)
    assert texts(installation) == ["m0", "m1", "m2", "m3", "m4", "m5"]
    sources = installation.http.get("/v1/ingest-stats").json()["sources"]
    assert sum(each["duplicate"] for each in sources) == 0


def test_a_place_that_is_lost_doubles_nothing(installation: Installation, tmp_path: Path) -> None:
    log = tmp_path / "events.log"
    log.write_text("".join(line(number) + "\n" for number in range(3)))
    run(installation, log)
    for place in (installation.settings.data / "tails").iterdir():
        place.unlink()
    run(installation, log)
    assert texts(installation) == ["m0", "m1", "m2"]


def test_a_line_that_is_no_event_is_named_with_its_number(
    installation: Installation, tmp_path: Path
) -> None:
    log = tmp_path / "events.log"
    log.write_text(line(0) + "\n\n{cut\n" + line(1) + "\n")
    assert "line 3: malformed_body" in run(installation, log)
    assert texts(installation) == ["m0", "m1"]


def test_an_unknown_framework_is_an_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["tail", "nothing", str(tmp_path / "x"), "--once"])
    assert result.exit_code == 2
