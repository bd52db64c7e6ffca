"""How often a fault is repeated, and what its test found, written down for `docs/proof.md`."""

import json
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from ingest.settings import Settings
from tests.factories import free_port
from tests.faults.proof import FAULTS, Finding, commit

Found = Callable[..., None]

RESULTS = os.environ.get("PROVE") or None
"""A file for the results: then every fault runs whole. Unset: the quick part."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "fault(name): holds a promise while this breaks")
    config.addinivalue_line("markers", "control(name): must fail where the fault's test holds")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An installation on a free port, in a folder that also gets the logs of its processes."""
    return Settings(data=tmp_path / "place" / "data", port=free_port())


@pytest.fixture
def whole() -> bool:
    return RESULTS is not None


@pytest.fixture
def cycles(whole: bool) -> Callable[[int, int], int]:
    """`cycles(quick, whole)`: how often, in this run."""
    return lambda quick, all_of_them: all_of_them if whole else quick


@pytest.fixture
def found(request: pytest.FixtureRequest) -> Found:
    """Say what was found, before anything is asserted about it."""

    def write(**figures: Any) -> None:
        request.node.user_properties.append(("found", figures))

    return write


def _role(item: pytest.Item) -> tuple[str, bool] | None:
    for name in ("fault", "control"):
        mark = item.get_closest_marker(name)
        if mark is not None:
            assert mark.args[0] in FAULTS, mark.args[0]
            return mark.args[0], name == "control"
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    role = _role(item)
    if RESULTS is not None and role is not None and (report.when == "call" or not report.passed):
        reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else ""
        figures: dict[str, Any] = {}
        for name, value in item.user_properties:
            if name == "found" and isinstance(value, dict):
                figures |= value
        reason = str(reason).removeprefix("Skipped: ")
        finding = Finding(*role, report.outcome, report.duration, reason, figures, commit())
        Path(RESULTS).parent.mkdir(parents=True, exist_ok=True)
        with Path(RESULTS).open("a") as file:
            file.write(json.dumps(vars(finding)) + "\n")
    return report
