"""Prints `docs/proof.md` from what the fault tests found: `python -m tests.faults.proof RESULTS`."""

import json
import os
import platform
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

FAULTS = {
    "kill": "kill -9 of the API under load",
    "writer kill": "kill -9 of the writer's process, and of the API above it, under load; unanswered events are sent again",
    "power cut": "power cut: ext4 shut down without flushing its journal, then kill -9",
    "load power cut": "power cut during and right after a load",
    "seal crash": "kill at every write, flush and rename of one seal",
    "load crash": "kill at every write, flush and rename of one load",
    "fsync error": "every fsync fails from some commit on",
    "disk full": "the data folder's disk is full, then enlarged",
    "damage": "flipped bits, truncated and alien files in the lake",
    "loaders": "two and four loaders at once",
    "readers": "readers during loads and maintenance",
    "requests": "requests with broken bodies, headers and parameters, to every route",
    "deliveries": "kill -9 of the API between a commit and its webhooks",
    "sends": "kill -9 of the API while it sends messages to a provider, at most once and at least once",
    "listeners": "kill -9 of the API with many subscribers; they reconnect with their last sequence",
    "reconnect": "kill -9 of the API with 10,000 subscribers; all reconnect at once",
    "clock": "the clock jumps 10 minutes back, 3 days on, and back, under load",
}
"""Every fault that must be in the proof, with what is done. A missing one is not proven."""

COLUMNS = ("cycles", "acknowledged", "unknown", "lost", "doubled", "holes")


@dataclass
class Finding:
    """One test's outcome and figures: of a fault, or of its control."""

    fault: str
    is_control: bool
    outcome: str
    seconds: float
    reason: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    commit: str = "unknown"


def verdict(fault: list[Finding], control: list[Finding]) -> str:
    """`held` only if every test of the fault passed and every control did what it must: fail.

    A control's test passes when the control was seen to fail.
    """
    for name, findings in (("", fault), ("control ", control)):
        if not findings:
            return f"**not proven**: no {name or 'fault '}test ran"
        for each in findings:
            if each.outcome == "skipped":
                return f"not run: {each.reason}"
            if each.outcome != "passed":
                return f"**{'the control did not fail' if name else 'BROKEN'}**"
    return "held"


def row(name: str, findings: list[Finding]) -> str:
    """The fault's line of the table; figures of several tests are added up."""
    mine = [each for each in findings if each.fault == name]
    fault = [each for each in mine if not each.is_control]
    control = [each for each in mine if each.is_control]
    cells = [FAULTS[name]]
    for column in COLUMNS:
        values = [each.figures[column] for each in fault if column in each.figures]
        cells.append(f"{sum(values):,}" if values else "–")
    cells.append("; ".join(each.figures["loss"] for each in control if "loss" in each.figures))
    cells.append(verdict(fault, control))
    return "| " + " | ".join(cells) + " |"


def page(findings: list[Finding]) -> str:
    """The whole document."""
    header = ["fault", *COLUMNS, "the control's loss", "verdict"]
    lines = [
        _OPENING,
        *(f"- {line}" for line in _machine(findings)),
        "",
        "| " + " | ".join(header) + " |",
        "|" + "|".join(["---", *["---:"] * len(COLUMNS), "---", "---"]) + "|",
        *(row(name, findings) for name in FAULTS),
        "",
        "## Tested system",
        "",
        *(
            f"- **{FAULTS[each.fault]}**: {each.figures['note']}"
            for each in findings
            if "note" in each.figures
        ),
    ]
    return "\n".join(lines) + "\n"


_OPENING = """\
# Proof

Printed by `make prove` from what the tests in `tests/faults` found; no figure here is typed in.

Clients remember what was acknowledged; afterwards the record is read. *Acknowledged*: answered
with success. *Unknown*: sent, never answered; such an event may be there, at most once. *Lost*:
acknowledged and not there, or not in its place. *Doubled*: there more than once. *Holes*: missing
positions or sequences. Each fault has a control, a variant without the safeguard or the naive
way to do the same, which must fail in the same set-up; a fault whose control does not fail counts
as not proven.
"""


@cache
def commit() -> str:
    """Return the tested commit, and whether the files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--exclude=*"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return described.stdout.strip() or "unknown"


def _machine(findings: list[Finding]) -> list[str]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    seconds = sum(each.seconds for each in findings)
    commits = ", ".join(dict.fromkeys(each.commit for each in findings))
    packages = ("duckdb", "duckdb-extension-ducklake", "pyarrow", "adbc-driver-sqlite", "fastapi")
    return [
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commits}, {seconds / 60:.0f} minutes of tests",
        f"{os.cpu_count()} cores ({_processor()}), {memory:.0f} GiB, Linux {platform.release()}",
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
    ]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def read(path: Path) -> list[Finding]:
    """The findings of a run; none if it came to none."""
    if not path.exists():
        return []
    return [Finding(**json.loads(line)) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    sys.stdout.write(page(read(Path(sys.argv[1]))))
