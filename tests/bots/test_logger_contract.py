"""The promises of the seam of bot loggers, which every registered logger keeps."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.bots import LOGGERS
from ingest.bots.base import BotLogger, Surroundings
from ingest.bots.bot_event import BotEvent, UnreadableRecordError, render
from ingest.events.draft import Draft, validate_draft
from ingest.importers import IMPORTERS
from ingest.importers.base import NO_OPTIONS, ImportedEvent

DOCS = Path(__file__).parents[2] / "docs/bots"


@pytest.fixture(params=LOGGERS.values(), ids=lambda logger: logger.name)
def logger(request: pytest.FixtureRequest) -> BotLogger:
    found: BotLogger = request.param
    return found


def made(logger: BotLogger, record: Any) -> list[dict[str, Any]]:
    parts = logger.open(Surroundings())(record)
    return [render(part) for part in parts if isinstance(part, BotEvent)]


def test_every_logger_has_an_importer_and_a_page_of_ten_lines(logger: BotLogger) -> None:
    assert LOGGERS[logger.name] is logger
    assert logger.name in [each.name for each in IMPORTERS]
    page = (DOCS / f"{logger.name}.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("10. ")]
    assert f"/v1/bots/{logger.name}" in page
    assert f"convolake import {logger.name}" in page


def test_the_example_gives_events_that_the_log_accepts_with_distinct_ids(logger: BotLogger) -> None:
    events = made(logger, logger.example)
    for event in events:
        validate_draft(msgspec.convert(event, Draft), None)
    assert len({event["event_id"] for event in events}) == len(events) > 0


def test_the_route_and_the_importer_read_the_same_events(logger: BotLogger, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps(logger.example) + "\n")
    importer = next(each for each in IMPORTERS if each.name == logger.name)
    items = importer.read(path, NO_OPTIONS)
    events = [item.event for item in items if isinstance(item, ImportedEvent)]
    assert [
        each for each in events if each["event_type"] != "conversation.created"
    ] == made(logger, logger.example)  # fmt: skip


def made_or_reason(logger: BotLogger, record: Any) -> tuple[list[dict[str, Any]], str]:
    """The events of a record, or why it has none."""
    try:
        return made(logger, record), ""
    except UnreadableRecordError as error:
        return [], str(error)


def test_a_record_of_another_framework_has_no_message(logger: BotLogger) -> None:
    for other in LOGGERS.values():
        if other is not logger:
            events, reason = made_or_reason(logger, other.example)
            texts = [each for each in events if each["event_type"] == "message.created"]
            assert not texts
            assert events or reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.parametrize("name", LOGGERS)
@given(data=st.data())
def test_any_field_of_a_record_may_be_anything(name: str, data: st.DataObject) -> None:
    """A field is replaced at any depth; the logger gives events, or an error with its reason."""
    record = json.loads(json.dumps(LOGGERS[name].example))
    place, key = record, data.draw(st.sampled_from(sorted(record)))
    while data.draw(st.booleans()) and isinstance(place[key], dict | list) and place[key]:
        place = place[key]
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
    place[key] = data.draw(JSON)
    events, reason = made_or_reason(LOGGERS[name], record)
    assert isinstance(reason, str)
    for event in events:
        msgspec.convert(msgspec.json.decode(msgspec.json.encode(event)), Draft)
