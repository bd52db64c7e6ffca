"""What a run found, as tables: on the screen with rich, and as `results.md`."""

import os
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.paired import Figure, Goal, Level
from benchmarks.parts import Part

RESULTS = Path(__file__).parent / "results.md"
PACKAGES = (
    "convolake", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "msgspec",
    "sqlalchemy", "duckdb", "duckdb-extension-ducklake", "pyarrow", "adbc-driver-sqlite",
)  # fmt: skip

FIGURE_HEAD = ["figure", "ours", "reference", "ratio", "min–max", "must", "aim"]
LEVEL_HEAD = ["figure", "found", "min–max", "must", "aim"]
PART_HEAD = ["thread: part", "CPU µs/event", "waited µs/event", "share of CPU"]


def machine(work: Path) -> str:
    """Return the machine, and what a flush to disk costs in `work`: the floor of one message."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{_processor()}, {os.cpu_count()} processors, {memory:.0f} GiB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"fdatasync of 4 KiB {_flush_ms(work):.2f} ms (median of 200), "
        f"load average before {os.getloadavg()[0]:.1f}"
    )


def _processor() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _flush_ms(work: Path) -> float:
    path = work / "flush"
    waits = []
    with path.open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            started = time.perf_counter()
            os.fdatasync(file.fileno())
            waits.append(time.perf_counter() - started)
    path.unlink()
    return sorted(waits)[100] * 1000


def versions() -> str:
    """Return the packages that matter to the figures."""
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)


def _figure_row(figure: Figure) -> list[str]:
    return [
        figure.name,
        f"{_number(figure.ours)}{figure.scale}",
        f"{_number(figure.theirs)}{figure.scale}",
        f"{figure.ratio:.2f}",
        f"{min(figure.ratios):.2f}–{max(figure.ratios):.2f}",
        *_goal(figure.goal, figure.ratio),
    ]


def _level_row(level: Level) -> list[str]:
    return [
        level.name,
        f"{_number(level.value)} {level.unit}",
        f"{_number(min(level.values))}–{_number(max(level.values))}",
        *_goal(level.goal, level.value),
    ]


def _goal(goal: Goal, found: float) -> tuple[str, str]:
    sign = "≤ " if goal.at_most else ""
    must = aim = "–"
    if goal.must is not None:
        must = f"{sign}{goal.must:g} {'yes' if goal.reached(found, goal.must) else 'NO'}"
    if goal.aim is not None:
        aim = f"{sign}{goal.aim:g} {'reached' if goal.reached(found, goal.aim) else 'not yet'}"
    return must, aim


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _part_row(part: Part) -> list[str]:
    waited = "–" if "idle" in part.name else f"{part.waited:.1f}"
    return [part.name, f"{part.cpu:.1f}", waited, f"{part.share:.0%}"]


@dataclass(frozen=True)
class Found:
    """All that a run found."""

    figures: list[Figure]
    levels: list[Level]
    parts: dict[str, list[Part]]


def _tables(found: Found) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    if found.figures:
        rounds = len(found.figures[0].pairs)
        title = f"Medians of {rounds} paired rounds; ratio = ours / reference"
        yield title, FIGURE_HEAD, [_figure_row(figure) for figure in found.figures]
    if found.levels:
        yield "Medians without a reference", LEVEL_HEAD, [_level_row(each) for each in found.levels]
    for name, each in found.parts.items():
        yield f"Where the time goes: {name}", PART_HEAD, [_part_row(part) for part in each]


def _notes(found: Found) -> list[str]:
    compared = [
        "; ".join([f"{figure.name}: {figure.unit}, against {figure.reference}", *figure.notes])
        for figure in found.figures
    ]
    return compared + [
        f"{level.name}: {'; '.join(level.notes)}" for level in found.levels if level.notes
    ]


def show(console: Console, found: Found, where: str) -> None:
    """Print everything."""
    for title, head, rows in _tables(found):
        table = Table(*head, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for note in _notes(found):
        console.print(f"- {note}", highlight=False)
    console.print(f"{where}\n{versions()}", style="dim", highlight=False)


def write(found: Found, where: str) -> None:
    """Write RESULTS."""
    now = datetime.now(UTC)
    lines = [
        "# Results of `make bench`",
        "",
        f"{now:%Y-%m-%d %H:%M} UTC. {where}.",
        "",
        f"Versions: {versions()}.",
        "",
        "What is compared is the ratio; absolute rates hold for this machine and hour alone.",
    ]
    for title, head, rows in _tables(found):
        lines += ["", f"## {title}", "", _line(head), _line(["---"] * len(head))]
        lines += [_line(row) for row in rows]
    notes = _notes(found)
    if notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in notes)]
    RESULTS.write_text("\n".join(lines) + "\n")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
