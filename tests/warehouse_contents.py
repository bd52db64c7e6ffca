"""What a warehouse holds, and histories that change it."""

import random
import shutil
from pathlib import Path
from typing import Any

import pytest

from convolake.verify_figures import check_figures
from convolake.verify_warehouse import check_warehouse, snapshot
from ingest.manifest import read_manifest
from tests.factories import Record, make_event, rows_of
from warehouse import model as model_module
from warehouse.lake import connect
from warehouse.model import definition_hashes, models


def contents(record: Record) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every model, in the order of its key."""
    with connect(record.settings.warehouse_path) as con:
        return {
            model.name: rows_of(con, f"select * from {model.name} order by {', '.join(model.key)}")
            for model in models()
        }


def delete_warehouse(record: Record) -> None:
    shutil.rmtree(record.settings.warehouse_path)


def make_busy_day(record: Record, seed: int, steps: int = 6) -> None:
    """Make several loads of a few new and old conversations, with handoffs, sessions and tests."""
    random_ = random.Random(seed)  # noqa: S311 (stories, not secrets)
    for step in range(steps):
        events: list[dict[str, Any]] = []
        if step == 0:
            events += [{"event_type": "contact.created", "contact_id": f"p{n}"} for n in range(8)]
        for number in random_.sample(range(8), 4):
            key = f"c{number}"
            events += [make_event("conversation.created", conversation_id=key, event_id=f"{key}-created",
                                contact_id=f"p{number}", channel=random_.choice(["web", "sms"]), is_test=number == 7)] if step == 0 or number > 3 else []  # fmt: skip
            events += [
                make_event(conversation_id=key, event_id=f"{key}-{step}-{part}")
                for part in range(2)
            ]
            if random_.random() < 0.5:
                events.append(
                    make_event("handoff.requested", conversation_id=key, handoff_id=f"h{step}")
                )
                events.append(make_event("handoff.accepted", conversation_id=key, handoff_id=f"h{step}", participant_id="mira", participant_role="agent"))  # fmt: skip
            if random_.random() < 0.3:
                events.append(
                    make_event(
                        "conversation.resolved", conversation_id=key, payload={"resolved_by": "bot"}
                    )
                )
        record.write([*events, change_of_merges(random_, step)])
        record.clock.forward(hours=random_.choice([0, 1, 9]))
        record.seal(rows=random_.choice([3, 50]))
        if random_.random() < 0.7:
            record.load()
    record.load()


def change_of_merges(chosen: random.Random, step: int) -> dict[str, Any]:
    """Return a merge of two contacts, or its undoing; one that would be a circle is rejected."""
    contact, into = (f"p{each}" for each in chosen.sample(range(8), 2))
    if step % 3 == 2:
        return {"event_type": "contact.unmerged", "contact_id": contact}
    return {"event_type": "contact.merged", "contact_id": contact, "payload": {"into": into}}


def failed_checks(record: Record) -> list[str]:
    """The part of `verify` that reads the lake and the warehouse."""
    segments = read_manifest(record.settings.lake_path)[0]
    with snapshot(record.settings.warehouse_path) as con:
        assert con is not None
        lake = record.settings.lake_path
        checks = [*check_warehouse(con, lake, segments, segments, "UTC"), *check_figures(con)]
    assert len(checks) > 15
    return [check.detail for check in checks if not check.ok]


def counts(conversations: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = (
        "conversation_id", "event_count", "message_count", "customer_message_count", "bot_message_count",
        "agent_message_count", "latest_at", "first_on", "last_on",
    )  # fmt: skip
    return [tuple(row[name] for name in names) for row in conversations]


CACHED = (models, definition_hashes)


def change_model(monkeypatch: pytest.MonkeyPatch, name: str, old: str, new: str) -> None:
    """Install another version in which the file of one model differs."""
    path = next(model_module.DIRECTORY.rglob(f"{name}.sql"))
    real = Path.read_text
    changed = real(path).replace(old, new)
    assert changed != real(path)
    monkeypatch.setattr(Path, "read_text", lambda self: changed if self == path else real(self))
    for cached in CACHED:
        cached.cache_clear()
