"""What `convolake export` writes comes in again as the same events."""

from pathlib import Path

from convolake.export import export
from ingest.contract import from_micros
from ingest.importers.base import NO_OPTIONS, Damage, ImportedEvent, Skipped
from ingest.importers.jsonl import JsonlImporter
from ingest.settings import Settings
from tests.factories import START, Clock, Record, make_conversation
from warehouse.export_format import Format

SAME = (
    "event_id, event_type, conversation_id, participant_id, text, payload, happened_at, occurred_at"
)
QUERY = f"select {SAME} from events where source = 'test' order by position"


def test_an_export_comes_in_again_as_the_same_events(record: Record, tmp_path: Path) -> None:
    at = START.isoformat()
    given = [{**event, "happened_at": at} for event in make_conversation(messages=3)]
    given[-1]["text"] = 'Grüße "🤓"\n\\ end'
    record.publish(given)
    folder = tmp_path / "out"
    export(record.settings.warehouse_path, folder, Format.jsonl, ["events"], from_micros(0))
    items = list(JsonlImporter().read(folder / "events.jsonl", NO_OPTIONS))
    assert not [item for item in items if isinstance(item, Damage)]
    assert {item.reason for item in items if isinstance(item, Skipped)} >= {
        "only the server writes session.started"
    }
    other = Record(Settings(data=tmp_path / "other"), Clock())
    other.write(item.event for item in items if isinstance(item, ImportedEvent))
    assert other.log(QUERY) == record.log(QUERY) != []
