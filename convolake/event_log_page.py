"""Prints `docs/event-log.md`: the format as a contract, with a worked example that really ran.

A small conversation goes through the writer and the sealer with its own clock and ids; the page shows the
resulting files. `make docs` prints it; a test fails when they differ.
"""

import asyncio
import json
import re
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq

from ingest.contract import COLUMNS, FORMAT_VERSION, manifest_path, to_micros
from ingest.events.draft import Draft
from ingest.events.timers import LifecyclePolicy
from ingest.lake.log_reader import SqliteLog
from ingest.lake.segments import Lake
from ingest.log.storage.engine import migrate, open_engine
from ingest.log.storage.store import Store
from ingest.log.thread_writer import ThreadWriter
from ingest.log.writer_requests import Append, IncomingEvent
from ingest.manifest import read_manifest
from ingest.settings import Settings

BEGIN = datetime(2030, 1, 1, 10, 0, tzinfo=UTC)

STORY: list[tuple[int, dict[str, Any]]] = [
    (0, {"event_type": "conversation.created", "event_id": "e1", "channel": "web",
         "payload": {"participants": [{"participant_id": "ada", "participant_role": "customer"},
                                      {"participant_id": "helper", "participant_role": "bot"}]}}),
    (4, {"event_type": "message.created", "event_id": "e2", "participant_id": "ada", "text": "Where is my order?"}),
    (5, {"event_type": "message.created", "event_id": "e3", "participant_id": "helper", "bot_version": "2.0",
         "in_reply_to": "e2", "text": "It will be with you tomorrow. 📦"}),
    (5, {"event_type": "message.created", "event_id": "e3", "participant_id": "helper", "bot_version": "2.0",
         "in_reply_to": "e2", "text": "It will be with you tomorrow. 📦"}),
    (3600, {"event_type": "message.created", "event_id": "e4", "participant_id": "ada", "text": "Thank you!"}),
]  # fmt: skip
"""Seconds after BEGIN, and the events; the third is sent twice, the last one arrives an hour later."""

SHOWN = (
    "position",
    "sequence",
    "event_type",
    "event_id",
    "session_id",
    "participant_role",
    "happened_at",
    "text",
    "payload",
)


def page() -> str:
    """Return the whole page, in Markdown."""
    return "\n".join([_HEAD, *_columns(), _LAYOUT, *_example(), _RULES]) + "\n"


_HEAD = f"""\
# The event log, format {FORMAT_VERSION}

Printed from the code by `make docs`; do not edit. This is the contract for programs that read the
record directly: what an event is, where it is stored, and how to verify that it is complete.

An event is one immutable fact. A correction is a new event. Within a shard, `position` counts
1, 2, 3 … without a gap; within a conversation, `sequence` does. **Order is by sequence only**,
never by a clock.

## Columns
"""

_LAYOUT = """
## On disk

```
lake/manifest.jsonl                                                  one line a sealed segment
lake/events/received_on=2030-01-01/0-000000000001-000000000007.parquet   shard, first and last position
```

A segment is a Parquet file (zstd) with the columns above, in order of position, of events received
on one UTC day. It is written under another name, flushed, renamed, its folder flushed; then its line
is appended to the manifest and flushed. A file without a line is not part of the record. Neither is a
last line without its newline.

Each line names path, shard, first and last position, rows, bytes and sha256 of its file, and a `chain`:
the sha256 of the chain value of the line before (nothing, for the first) followed by this line's other
fields as JSON with sorted keys and no spaces. So no line can be changed, lost or moved unnoticed.
"""

_RULES = """
## How to read it

1. Read the manifest; check the chain and that positions follow each other. Stop at the first line that fails.
2. Check the sha256 of each file before you read it: Parquet does not notice a flipped bit.
3. Read the files that the manifest names, never a pattern over the folder.
4. Older payloads (`schema_version`) are upcast on read; keep and skip unknown event types.

```python
from ingest.manifest import file_sha256, read_manifest

segments, _ = read_manifest(lake)  # raises ManifestError and names the line
good = [lake / each.path for each in segments if file_sha256(lake / each.path) == each.sha256]
```
"""


def _columns() -> Iterator[str]:
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in COLUMNS:
        yield f"| `{column.name}` | {column.type} | {column.meaning} |"


def _example() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        # The writer's SQLite and the reader's must not meet in one process.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            answers = pool.submit(write, path).result()
        _seal(path)
        yield "\n## A worked example\n"
        yield "Ada asks on the web, a bot answers, its answer is sent twice, and Ada is back an hour later.\n"
        yield "The events that were sent, and the answers of the log:\n"
        yield from _sent(answers)
        yield "\nThe rows of the segment (some columns). The server added the sessions; the second delivery is missing:\n"
        yield from _stored(path / "lake")
        yield "\nThe manifest's line (checksums shortened here):\n"
        yield "```json\n" + _line(path / "lake") + "\n```"


def write(folder: Path) -> list[tuple[str, int | None]]:
    """Record the story in `folder`; return status and sequence of each answer."""
    return asyncio.run(_write(folder))


async def _write(folder: Path) -> list[tuple[str, int | None]]:
    url = f"sqlite:///{folder / 'log.sqlite'}"
    migrate(url)
    now = [to_micros(BEGIN)]
    writer = ThreadWriter(
        Store(open_engine(url)),
        shard=0,
        policy=LifecyclePolicy.from_settings(Settings()),
        clock=lambda: now[0],
        new_id=str,
    )
    writer.start()
    answers: list[tuple[str, int | None]] = []
    for seconds, event in STORY:
        now[0] = to_micros(BEGIN) + seconds * 1_000_000
        draft = msgspec.convert({**event, "conversation_id": "order-7"}, Draft)
        submission = Append("mybot", "/v1/events", 1, [IncomingEvent(b"", draft)])
        (answer,) = await writer.submit(submission)
        answers.append((answer.status, answer.sequence))
    await asyncio.to_thread(writer.stop)
    return answers


def _seal(folder: Path) -> None:
    with SqliteLog(folder / "log.sqlite") as log:
        Lake(folder / "lake").seal(log.read({}, 100), BEGIN)


def _sent(answers: list[tuple[str, int | None]]) -> Iterator[str]:
    yield "| after | event_id | event_type | answer | sequence |"
    yield "|---|---|---|---|---|"
    for (seconds, event), (status, sequence) in zip(STORY, answers, strict=True):
        yield f"| {seconds} s | `{event['event_id']}` | `{event['event_type']}` | {status} | {sequence} |"


def _stored(lake: Path) -> Iterator[str]:
    (segment,) = read_manifest(lake)[0]
    yield f"| {' | '.join(SHOWN)} |"
    yield f"|{'---|' * len(SHOWN)}"
    for row in pq.read_table(lake / segment.path, partitioning=None).to_pylist():
        yield f"| {' | '.join(_cell(row[name]) for name in SHOWN)} |"


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return f"{value:%H:%M:%S}"
    text = "" if value is None else str(value)
    if _ID.fullmatch(text):
        return f"{text[:8]}…"
    return text if len(text) <= 48 else f"{text[:45]}…"


_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}")


def _line(lake: Path) -> str:
    body = json.loads(manifest_path(lake).read_text())
    shortened = {
        key: "…" if key in ("sha256", "chain", "bytes") else value for key, value in body.items()
    }
    return json.dumps(shortened, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    print(page(), end="")  # noqa: T201 (the page is the output)
