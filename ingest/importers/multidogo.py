"""MultiDoGO (Peskov et al. 2019): TSV of customers' turns or sentences, without times and without the agents."""

from collections.abc import Iterator
from pathlib import Path

from ingest.importers.base import NO_OPTIONS, Damage, ImportOptions, Item
from ingest.importers.dialogues import CUSTOMER, NO_TIMES, TurnTimes, dialogue
from ingest.importers.tables import Row, read_rows
from ingest.importers.transcript import Roles, Transcript

_NEEDED = ("conversationId", "turnNumber", "intent")


class MultidogoImporter:
    """Imports MultiDoGO."""

    name = "multidogo"
    description = "Import MultiDoGO dialogues (customers' turns)."
    file_help = "annotated turns or sentences, .tsv"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield each turn or sentence as a message; intents and slots are its `nlu`."""
        if options.starts_at is None:
            yield NO_TIMES
        roles = Roles(options)
        talk: Transcript | None = None
        clock = TurnTimes(options)
        for place, row in read_rows(path, separator="\t", encoding=options.encoding):
            if isinstance(row, Damage):
                yield row
                continue
            if any(not row.get(name) for name in _NEEDED):
                yield Damage(place, f"a row has {', '.join(_NEEDED)}")
                continue
            conversation = str(row["conversationId"])
            if talk is None or talk.key != conversation:
                talk, clock = dialogue("multidogo", conversation, roles, {}), TurnTimes(options)
            yield from _message(talk, row, place, clock)


def _message(talk: Transcript, row: Row, place: str, clock: TurnTimes) -> Iterator[Item]:
    numbers = (row["turnNumber"], row.get("sentenceNumber"))
    key = "-".join(str(each) for each in numbers if each is not None)
    intents = (row.get("intent") or "").split("<div>")
    payload = {
        "nlu": {"intent": intents[0], "intents": intents, "slots": row.get("slot-labels")},
        "utterance_id": row.get("utteranceId"),
    }
    text = row.get("utterance") or ""
    yield from talk.message(key, CUSTOMER, text, clock.turn(), place, payload=payload)
