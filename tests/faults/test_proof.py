"""The page of proof cannot be green by accident."""

import pytest

from tests.faults.proof import FAULTS, Finding, page, verdict

HELD = Finding("kill", False, "passed", 1.0, figures={"cycles": 50, "lost": 0})
CONTROL = Finding("kill", True, "passed", 1.0, figures={"loss": "7 of 90 lost"})


def test_a_fault_is_proven_when_its_test_passed_and_its_control_failed() -> None:
    assert verdict([HELD], [CONTROL]) == "held"
    assert "| 50 | – | – | 0 | – | – | 7 of 90 lost | held |" in page([HELD, CONTROL])


@pytest.mark.parametrize(
    ("fault", "control", "says"),
    [
        ([HELD], [], "not proven"),
        ([], [CONTROL], "not proven"),
        ([HELD], [Finding("kill", True, "failed", 1.0)], "control did not fail"),
        ([Finding("kill", False, "failed", 1.0)], [CONTROL], "BROKEN"),
        ([Finding("kill", False, "skipped", 0.0, "needs root")], [CONTROL], "needs root"),
        ([HELD, Finding("kill", False, "failed", 1.0)], [CONTROL], "BROKEN"),
    ],
)
def test_a_fault_without_both_results_is_not_proven(
    fault: list[Finding], control: list[Finding], says: str
) -> None:
    assert says in verdict(fault, control)


def test_an_untested_fault_is_listed_as_not_proven() -> None:
    assert page([]).count("not proven**: no fault test ran") == len(FAULTS)
