"""How commands speak: results on standard output, everything else on standard error."""

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

screen = Console(stderr=True, highlight=False)


def say(text: str, style: str | None = None) -> None:
    """One line for the person, never folded: keys and paths are copied from it."""
    screen.print(text, style=style, markup=False, soft_wrap=True)


@contextmanager
def complaining(*errors: type[Exception]) -> Iterator[None]:
    """Turn `errors` into one red line and exit code 1; Ctrl-C into exit code 130."""
    try:
        yield
    except errors as error:
        say(str(error), "red")
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        say("stopped; it is safe to start this again")
        raise typer.Exit(130) from error


@contextmanager
def progress(title: str, total: int | None = None) -> Iterator["Bar"]:
    """A bar on standard error while the block runs."""
    columns = (
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=screen, transient=not sys.stderr.isatty()) as bar:
        yield Bar(bar, title, total)


class Bar:
    """One line of progress."""

    def __init__(self, bar: Progress, title: str, total: int | None) -> None:
        """`total` may be unknown."""
        self._bar = bar
        self._task = bar.add_task(title, total=total)

    def advance(self, count: int) -> None:
        """`count` more are done."""
        self._bar.advance(self._task, count)
