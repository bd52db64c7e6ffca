"""`python -m benchmarks`: measure, print, and with --write keep what was found."""

import os
import shutil
import sys
import tempfile
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from benchmarks import (
    batch,
    channels,
    growth,
    imports,
    live,
    load,
    message,
    otlp,
    pages,
    parts,
    postgresql,
    report,
    seal,
    sizes,
    visible,
)
from benchmarks.paired import Size


class Name(StrEnum):
    """What can be measured alone."""

    message = "message"
    postgresql = "postgresql"
    batch = "batch"
    load = "load"
    seal = "seal"
    growth = "growth"
    pages = "pages"
    sizes = "sizes"
    visible = "visible"
    live = "live"
    channels = "channels"
    imports = "imports"
    otlp = "otlp"
    parts = "parts"


def measure(name: Name, size: Size, work: Path, found: report.Found) -> None:
    """Add to `found` what there is to say about `name`."""
    match name:
        case Name.message:
            found.figures.extend(message.measure(size, work))
        case Name.postgresql:
            found.figures.extend(postgresql.measure(size, work))
        case Name.batch:
            found.figures.extend(batch.measure(size, work))
        case Name.load:
            found.figures.extend(load.measure(size, work))
        case Name.seal:
            found.figures.extend(seal.measure(size, work))
        case Name.growth:
            figures, statements = growth.measure(size, work)
            found.figures.extend(figures)
            found.parts.update(statements)
        case Name.pages:
            found.levels.extend(pages.measure(size, work))
        case Name.sizes:
            found.levels.extend(sizes.measure(size, work))
        case Name.visible:
            found.levels.extend(visible.measure(size, work))
        case Name.live:
            found.levels.extend(live.measure(size, work))
        case Name.channels:
            figures, levels = channels.measure(size, work)
            found.figures.extend(figures)
            found.levels.extend(levels)
        case Name.imports:
            found.levels.extend(imports.measure(size, work))
        case Name.otlp:
            found.levels.extend(otlp.measure(size, work))
        case Name.parts:
            found.parts.update(parts.measure(size, work))


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
    found = report.Found([], [], {})
    failed: list[Name] = []
    with tempfile.TemporaryDirectory(prefix="convolake-bench-", dir=folder) as name:
        where = report.machine(Path(name))
        for each in wanted:
            console.print(f"measuring {each} …", style="dim")
            work = Path(name) / each
            work.mkdir()
            try:
                measure(each, size, work, found)
            except Exception:  # what was found before is not lost with it
                console.print_exception()
                failed.append(each)
            shutil.rmtree(work)
    report.show(console, found, where)
    if write:
        report.write(found, where)
    if failed:
        console.print(f"not measured: {', '.join(failed)}", style="red")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
