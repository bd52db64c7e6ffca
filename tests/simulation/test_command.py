"""`convolake simulate --channel`: options as people type them, and an exit code that says whether anything differs."""

import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from convolake.cli import app
from convolake.commands.simulate import report_result
from convolake.commands.simulation_options import seconds, share
from convolake.simulation.comparison import Difference
from convolake.simulation.comparison import Result as Compared
from convolake.simulation.expected import expect
from convolake.simulation.plan import Size, make_plan
from convolake.simulation.providers import PROVIDERS
from convolake.simulation.report import MAX_CHARACTERS, lines_of_result, lines_of_schedule
from convolake.simulation.schedule import Faults, make_schedule

DOCUMENT = Path(__file__).parents[2] / "docs/simulation.md"
EXAMPLE = DOCUMENT.read_text().partition("```\n$ ")[2].partition("\n```")[0]


def simulate(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["simulate", *arguments])


@pytest.mark.parametrize(
    ("text", "value"),
    [("5%", 0.05), ("0.05", 0.05), ("100%", 1.0), ("0%", 0.0), ("0.5%", 0.005), (" 20% ", 0.2)],
)
def test_a_share_is_a_percentage_or_a_fraction(text: str, value: float) -> None:
    assert share(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "-1%", "101%", "5", "5 %", "five", "1e-2", "nan", "٥%"])
def test_what_is_no_share_is_an_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        share(text)


@pytest.mark.parametrize(("text", "value"), [("15s", 15), ("15", 15), ("120s", 120)])
def test_seconds_may_have_a_unit(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "15m", "1.5s", "-4s", "s"])
def test_what_are_no_seconds_is_an_error(text: str) -> None:
    with pytest.raises(typer.BadParameter):
        seconds(text)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--duplicates", "5%"], "--duplicates has a meaning only with --channel"),
        (["--days", "1", "--keep", "x"], "--keep has a meaning only with --channel"),
        (["--channel", "sms", "--live"], "--live has a meaning only without --channel"),
        (["--channel", "sms", "--hidden-numbers", "5%"], "--hidden-numbers"),
        (["--channel", "telegram", "--drop-receipts", "5%"], "--drop-receipts"),
        (["--channel", "sms", "--slow-bot", "1s"], "--slow-bot"),
        (["--channel", "fax"], "fax"),
    ],
)
def test_an_option_that_would_change_nothing_is_an_error(arguments: list[str], reason: str) -> None:
    answer = simulate(*arguments)
    assert answer.exit_code == 2
    assert reason in " ".join(re.sub(r"[│╭╮╰╯─]", " ", answer.stderr).split())


def test_a_folder_that_exists_is_not_used(tmp_path: Path) -> None:
    answer = simulate("--channel", "sms", "--keep", str(tmp_path))
    assert answer.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_a_simulation_without_differences_exits_with_0_and_keeps_the_named_folder(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "kept"
    answer = simulate("--channel", "telegram", "--conversations", "2", "--keep", str(folder))
    assert answer.exit_code == 0, answer.output
    assert re.fullmatch(r"\d+ facts compared with the warehouse: 0 differences\n", answer.stdout)
    assert (folder / "warehouse").is_dir()


def test_a_difference_is_printed_and_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    report_result(Compared(1, ()))
    with pytest.raises(typer.Exit) as exited:
        report_result(Compared(1, (Difference("x", None, "y"),), "the API"))
    assert exited.value.exit_code == 1
    assert capsys.readouterr().out.splitlines() == [
        "1 facts compared with the warehouse: 0 differences",
        "x: expected nothing, found y",
        "1 facts compared with the API: 1 differences",
    ]


def test_the_printed_example_is_what_its_command_prints() -> None:
    command, *shown = EXAMPLE.splitlines()
    given = dict(zip(command.split()[2::2], command.split()[3::2], strict=True))
    provider, seed = PROVIDERS[given["--channel"]], int(given["--seed"])
    size = Size(40, seconds(given["--slow-bot"]), share(given["--hidden-numbers"]))
    faults = (share(given[name]) for name in ("--duplicates", "--reorder", "--drop-receipts"))
    plan = make_plan(seed, size, provider)
    schedule = make_schedule(plan, seed, Faults(*faults))
    facts = sum(len(row) for row in expect(provider, plan, schedule).values())
    assert shown == [
        *lines_of_schedule(plan, schedule), *lines_of_result(Compared(facts, ())),
    ]  # fmt: skip


def test_each_difference_is_a_line_that_says_what_was_expected_and_found() -> None:
    long = "a" * (MAX_CHARACTERS + 1)
    found = Difference("message 1.1.1: text", "Hi", None), Difference("x", None, long)
    assert list(lines_of_result(Compared(1_234, found))) == [
        "message 1.1.1: text: expected Hi, found nothing",
        f"x: expected nothing, found {long[:-1]}…",
        "1,234 facts compared with the warehouse: 2 differences",
    ]
