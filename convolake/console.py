"""Console output: results on standard output, everything else on standard error."""

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

console = Console(stderr=True, highlight=False)


def print_line(text: str, style: str | None = None) -> None:
    """Print one line to standard error without wrapping, so that keys and paths can be copied."""
    console.print(text, style=style, markup=False, soft_wrap=True)


TABLE_WIDTH = 140
"""Minimum width of a table, so that no column is cut where the output is no terminal."""


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table to standard output: the first column to the left, the others to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(escape, row))
    output = Console(highlight=False)
    output.width = max(output.width, TABLE_WIDTH)
    output.print(table)


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
