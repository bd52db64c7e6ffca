"""A file of any number of conversations is read in bounded memory."""

import json
import tracemalloc
from collections import deque
from pathlib import Path

import pytest

from ingest.importers import IMPORTERS
from ingest.importers.base import NO_OPTIONS


def peak(path: Path) -> int:
    """Bytes that reading a file takes at most, with its events thrown away."""
    importer = next(each for each in IMPORTERS if each.name == "openai-chat")
    tracemalloc.start()
    deque(importer.read(path, NO_OPTIONS), maxlen=0)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.long
def test_twice_the_chats_take_no_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.bots.openai_chat.KEPT_HISTORIES", 200)
    monkeypatch.setattr("ingest.importers.bot_logs.KNOWN_CONVERSATIONS", 200)
    peaks = []
    for count in (1_000, 4_000):
        path = tmp_path / f"{count}.jsonl"
        with path.open("w") as file:
            for number in range(count):
                messages = [{"role": "user", "content": f"question {number}"}] * 3
                file.write(json.dumps({"id": f"chat-{number}", "messages": messages}) + "\n")
        peaks.append(peak(path))
    assert peaks[1] < peaks[0] * 1.3
