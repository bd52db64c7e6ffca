"""`python -m benchmarks`: measure, print, and with --write keep what was found."""

import os
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import batch, load, message, parts, report, seal
from benchmarks.paired import Figure, Size

FIGURES = {
    "message": message.measure,
    "batch": batch.measure,
    "load": load.measure,
    "seal": seal.measure,
}


class Name(StrEnum):
    """What can be measured alone."""

    message = "message"
    batch = "batch"
    load = "load"
    seal = "seal"
    parts = "parts"


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Paired rounds; the figure is a median.")] = 5,
    only: Annotated[list[Name] | None, typer.Option(help="Measure this; may be repeated.")] = None,
    quick: Annotated[
        bool, typer.Option(help="A smoke run: one short round, numbers mean nothing.")
    ] = False,
    folder: Annotated[
        Path | None, typer.Option(help="Put temporary data here: a real disk, not memory.")
    ] = None,
    write: Annotated[bool, typer.Option(help="Write benchmarks/results.md.")] = False,
) -> None:
    """Measure Convolake against references, in turns, in one run."""
    for setting in [name for name in os.environ if name.startswith("CONVOLAKE_")]:
        del os.environ[setting]  # what is measured is what a new installation does
    console = Console(width=None if sys.stdout.isatty() else 120)
    size = Size(1 if quick else rounds, quick)
    wanted = [Name(each) for each in only or list(Name)]
    figures: list[Figure] = []
    found: dict[str, list[parts.Part]] = {}
    with tempfile.TemporaryDirectory(prefix="convolake-bench-", dir=folder) as name:
        work = Path(name)
        where = report.machine(work)
        for each in wanted:
            console.print(f"measuring {each} …", style="dim")
            if each is Name.parts:
                found = parts.measure(size, work)
            else:
                figures += FIGURES[each](size, work)
    report.show(console, figures, found, where)
    if write:
        report.write(figures, found, where)


if __name__ == "__main__":
    typer.run(main)
