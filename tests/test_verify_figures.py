"""`verify` computes the marts a second time, by other code, and finds a rule that is wrong in a model."""

import shutil
from pathlib import Path

import pytest

from convolake import verify
from ingest.settings import Settings
from tests.adbc_process import run_in_adbc_process
from tests.factories import Clock, Record
from tests.test_rules_agree import write_history
from tests.test_verify import in_warehouse

WRONG_FIGURES: dict[str, tuple[str, str]] = {
    "a resolution that disappears when the conversation is closed": (
        "resolutions",
        "delete from resolutions where sequence = (select min(sequence) from resolutions)",
    ),
    "a resolver who is not that of the event": (
        "resolutions",
        "update resolutions set resolved_by = coalesce(resolved_by, '') || 'x'",
    ),
    "a rating that is not a number": ("feedback", "update feedback set score = 'nan'"),
    "the server's events as activity": (
        "conversations",
        "update conversations set latest_at = latest_at + interval 1 day",
    ),
    "the contact of an agent": ("conversations", "update conversations set contact_id = 'mira'"),
    "internal notes as messages": (
        "conversations",
        "update conversations set message_count = message_count + 1",
    ),
    "an edit after the deletion": ("messages", "update messages set is_edited = true"),
    "a negative wait": ("handoffs", "update handoffs set wait_seconds = -5"),
}


@pytest.fixture
def history(record: Record, clock: Clock) -> Record:
    """Random conversations, with ratings that can and cannot be read."""
    write_history(record, clock)
    rating = {
        "event_type": "feedback.submitted",
        "conversation_id": "c1",
        "participant_id": "ada",
        "participant_role": "customer",
    }
    record.write([rating | {"payload": {"score": score}} for score in (5, 4.5, None)])
    record.seal()
    record.load()
    return record


def failures(settings: Settings) -> list[str]:
    verdict = run_in_adbc_process(verify.verify, settings)
    return [check.name for check in verdict.checks if not check.ok]


@pytest.mark.long
def test_the_figures_of_random_histories_agree_and_each_wrong_one_is_found(
    history: Record, tmp_path: Path
) -> None:
    assert failures(history.settings) == []
    for number, (name, (table, statement)) in enumerate(WRONG_FIGURES.items()):
        damaged = history.settings.model_copy(update={"data": tmp_path / f"damaged-{number}"})
        shutil.copytree(history.settings.data, damaged.data)
        in_warehouse(statement)(damaged)
        assert f"{table} have the figures of their events" in failures(damaged), name
