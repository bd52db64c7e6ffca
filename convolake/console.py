"""Console output: results on standard output, everything else on standard error."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

console = Console(stderr=True, highlight=False)


def print_line(text: str, style: str | None = None) -> None:
    """Print one line to standard error without wrapping, so that keys and paths can be copied."""
    console.print(text, style=style, markup=False, soft_wrap=True)


@contextmanager
def report_errors(*errors: type[Exception]) -> Iterator[None]:
    """Turn `errors` into one red line and exit code 1, and Ctrl-C into exit code 130."""
    try:
        yield
    except errors as error:
        print_line(str(error), "red")
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        print_line("stopped; it is safe to start this again")
        raise typer.Exit(130) from error


@contextmanager
def progress_bar(title: str, total: int | None = None) -> Iterator["ProgressBar"]:
    """Show a progress bar on standard error while the block runs."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=not sys.stderr.isatty()) as progress:
        yield ProgressBar(progress, title, total)


class ProgressBar:
    """One line of progress."""

    def __init__(self, progress: Progress, title: str, total: int | None) -> None:
        """Add a task; its total may be unknown."""
        self._progress = progress
        self._task = progress.add_task(title, total=total)

    def advance(self, count: int) -> None:
        """Add `count` finished items."""
        self._progress.advance(self._task, count)
