"""What a run found, as tables: on the screen with rich, and as `results.md`."""

import os
import platform
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.paired import Figure
from benchmarks.parts import Part

RESULTS = Path(__file__).parent / "results.md"
PACKAGES = (
    "convolake", "fastapi", "starlette", "uvicorn", "uvloop", "httptools", "pydantic", "msgspec",
    "sqlalchemy", "duckdb", "duckdb-extension-ducklake", "pyarrow", "adbc-driver-sqlite",
)  # fmt: skip

FIGURE_HEAD = ["figure", "ours/s", "reference/s", "ratio", "min–max", "target", "reached", "later"]
PART_HEAD = ["thread: part", "CPU µs/event", "waited µs/event", "share of CPU"]


def machine(work: Path) -> str:
    """The machine, and what a flush to disk costs in `work`: the floor of one message."""
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
    """The packages that matter to the figures."""
    return ", ".join(f"{name} {version(name)}" for name in PACKAGES)


def _figure_row(figure: Figure) -> list[str]:
    goal = figure.target
    return [
        figure.name,
        f"{figure.ours:,.0f}",
        f"{figure.theirs:,.0f}",
        f"{figure.ratio:.2f}",
        f"{min(figure.ratios):.2f}–{max(figure.ratios):.2f}",
        "–" if goal is None else f"{goal:.2f}",
        "–" if goal is None else "yes" if figure.ratio >= goal else "NO",
        _later(figure),
    ]


def _later(figure: Figure) -> str:
    if figure.later is None:
        return "–"
    return f"{figure.later:.2f} {'reached' if figure.ratio >= figure.later else 'not yet'}"


def _part_row(part: Part) -> list[str]:
    waited = "–" if "idle" in part.name else f"{part.waited:.1f}"
    return [part.name, f"{part.cpu:.1f}", waited, f"{part.share:.0%}"]


def _tables(
    figures: list[Figure], parts: dict[str, list[Part]]
) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    if figures:
        rounds = len(figures[0].pairs)
        title = f"Medians of {rounds} paired rounds; ratio = ours / reference"
        yield title, FIGURE_HEAD, [_figure_row(figure) for figure in figures]
    for name, each in parts.items():
        yield f"Where the time goes: {name}", PART_HEAD, [_part_row(part) for part in each]


def _notes(figures: list[Figure]) -> list[str]:
    return [
        "; ".join([f"{figure.name}: {figure.unit}, against {figure.reference}", *figure.notes])
        for figure in figures
    ]


def show(console: Console, figures: list[Figure], parts: dict[str, list[Part]], where: str) -> None:
    """Print everything."""
    for title, head, rows in _tables(figures, parts):
        table = Table(*head, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)
    for note in _notes(figures):
        console.print(f"- {note}", highlight=False)
    console.print(f"{where}\n{versions()}", style="dim", highlight=False)


def write(figures: list[Figure], parts: dict[str, list[Part]], where: str) -> None:
    """Write RESULTS anew."""
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
    for title, head, rows in _tables(figures, parts):
        lines += ["", f"## {title}", "", _line(head), _line(["---"] * len(head))]
        lines += [_line(row) for row in rows]
    notes = _notes(figures)
    if notes:
        lines += ["", "## Notes", "", *(f"- {note}" for note in notes)]
    RESULTS.write_text("\n".join(lines) + "\n")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
