"""Corpora as DialogStudio collects them (Zhang et al. 2023): ABCD, AirDialogue, TweetSumm and BiTOD.

Each is a JSON array with fields of its own, which tell them apart. Only AirDialogue has times.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, ImportOptions, Item
from ingest.importers.dialogues import (
    AGENT,
    BOT,
    CUSTOMER,
    TurnTimes,
    dialogue,
    read_dialogues,
)
from ingest.importers.transcript import Person, Roles

_PEOPLE = {
    "customer": CUSTOMER,
    "agent": AGENT,
    "User": CUSTOMER,
    "Wizard": AGENT,
    "KnowledgeBase": BOT,
}


class _Abcd(Struct):
    """A conversation of ABCD; turns are pairs of a speaker and a text."""

    convo_id: int | str
    original: list[tuple[str, str]]


class _Air(Struct):
    """A dialogue of AirDialogue; a turn is "speaker: text"."""

    dialogue: list[str]
    timestamps: list[float]
    search_info: list[dict[str, Any]] = []


class _TweetTurn(Struct):
    """A tweet, as a list of sentences."""

    is_agent: bool
    sentences: list[str]


class _TweetDialog(Struct):
    dialog_id: str
    turns: list[_TweetTurn]


class _Tweets(Struct):
    """A dialogue of TweetSumm."""

    dialog: _TweetDialog


class _BitodEvent(Struct):
    Agent: str
    Text: str | None = None


class _Bitod(Struct):
    """A dialogue of BiTOD; an event without text is a call of the knowledge base, or its answer."""

    Dialogue_id: str
    Events: list[_BitodEvent]


class DialogStudioImporter:
    """Imports corpora of DialogStudio."""

    name = "dialogstudio"
    description = "Import dialogues of ABCD, AirDialogue, TweetSumm or BiTOD (DialogStudio)."
    file_help = "dialogues, .json"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield the messages and actions of each dialogue."""
        has_times = _begins_with_times(path)
        yield from read_dialogues(path, options, partial(_events, options), has_times=has_times)


def _begins_with_times(path: Path) -> bool:
    with path.open("rb") as file:
        return b"timestamps" in file.read(64 * 1024)


def _events(options: ImportOptions, item: Any, roles: Roles, place: str) -> Iterator[Item]:
    if isinstance(item, str):  # AirDialogue as DialogStudio has it: JSON in JSON
        item = msgspec.json.decode(item)
    clock = TurnTimes(options)
    if isinstance(item, dict):
        for field, kind, events in _FORMATS:
            if field in item:
                yield from events(msgspec.convert(item, kind), item, roles, place, clock)
                return
    raise msgspec.ValidationError("fields of none of the corpora")


def _abcd(
    given: _Abcd, item: Mapping[str, Any], roles: Roles, place: str, clock: TurnTimes
) -> Iterator[Item]:
    talk = dialogue("abcd", str(given.convo_id), roles, {"scenario": item.get("scenario")})
    for number, (speaker, text) in enumerate(given.original):
        if speaker == "action":
            yield from talk.event(
                "custom.action", str(number), clock.turn(), place, AGENT,
                text=text, visibility="internal",
            )  # fmt: skip
        else:
            person = _PEOPLE.get(speaker) or Person(speaker)
            yield from talk.message(str(number), person, text, clock.turn(), place)


def _air(
    given: _Air, item: Mapping[str, Any], roles: Roles, place: str, clock: TurnTimes
) -> Iterator[Item]:
    if len(given.timestamps) != len(given.dialogue):
        raise msgspec.ValidationError("as many timestamps as turns are needed")
    rest = {name: item[name] for name in item if name not in {"dialogue", "timestamps"}}
    key = _digest(item)
    talk = dialogue("airdialogue", key, roles, rest)
    for number, (turn, seconds) in enumerate(zip(given.dialogue, given.timestamps, strict=True)):
        speaker, _, text = turn.partition(": ")
        person = _PEOPLE.get(speaker) or Person(speaker)
        yield from talk.message(str(number), person, text, times.from_unix(seconds), place)


def _tweets(
    given: _Tweets, item: Mapping[str, Any], roles: Roles, place: str, clock: TurnTimes
) -> Iterator[Item]:
    rest = {"summaries": item.get("summaries")}
    talk = dialogue("tweetsumm", given.dialog.dialog_id, roles, rest)
    for number, turn in enumerate(given.dialog.turns):
        person = AGENT if turn.is_agent else CUSTOMER
        text = " ".join(turn.sentences)
        yield from talk.message(str(number), person, text, clock.turn(), place)


def _bitod(
    given: _Bitod, item: Mapping[str, Any], roles: Roles, place: str, clock: TurnTimes
) -> Iterator[Item]:
    talk = dialogue("bitod", given.Dialogue_id, roles, {"scenario": item.get("Scenario")})
    for number, turn in enumerate(given.Events):
        person = _PEOPLE.get(turn.Agent) or Person(turn.Agent)
        source = item["Events"][number]
        rest = {name: each for name, each in source.items() if name not in {"Agent", "Text"}}
        key, at = str(number), clock.turn()
        if turn.Text is not None:
            yield from talk.message(key, person, turn.Text, at, place, payload=rest)
        else:
            yield from talk.event(
                "bot.tool_called", key, at, place, person, payload=rest, visibility="internal"
            )


def _digest(item: Mapping[str, Any]) -> str:
    """Return an id of a dialogue that has none."""
    text = json.dumps(item, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


_Events = Callable[[Any, Mapping[str, Any], Roles, str, TurnTimes], Iterator[Item]]
_FORMATS: tuple[tuple[str, type[Struct], _Events], ...] = (
    ("original", _Abcd, _abcd),
    ("timestamps", _Air, _air),
    ("dialog", _Tweets, _tweets),
    ("Events", _Bitod, _bitod),
)
"""The field that tells a corpus, the struct of its dialogues, and the reader."""
