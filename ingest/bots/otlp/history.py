"""The messages of a conversation so far: a call repeats them, and each is stored once. Pure."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Literal

from msgspec import Struct

from ingest.bots.chat_messages import ChatMessage

Part = Literal["history", "input", "output", "other"]
"""Where a message was seen first: before a call, given to it, returned by it; or not in a span at all."""


class Entry(Struct, frozen=True):
    """A message that is known: who spoke (`user` or `assistant`), its text, its event, and its trace."""

    role: str
    text: str
    event_id: str
    part: Part = "other"
    trace_id: str = ""


class Placed(Struct, frozen=True):
    """A message of a span: its number among all of them, its part, and the entry that it repeats, if any."""

    number: int
    message: ChatMessage
    part: Part
    known: Entry | None


class History:
    """The known messages, in order. The messages of a span are matched with them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Begin with the entries of the log."""
        self._entries: list[Entry] = []
        self._places: dict[tuple[str, str], list[int]] = defaultdict(list)
        for each in entries:
            self.add(each)

    def add(self, entry: Entry) -> None:
        """Add a message at the end."""
        self._places[entry.role, entry.text].append(len(self._entries))
        self._entries.append(entry)

    def match(
        self, trace_id: str, inputs: Sequence[ChatMessage], outputs: Sequence[ChatMessage]
    ) -> list[Placed]:
        """Return the messages of a call, and which of them are known.

        Of the inputs, all up to the bot's last message are history: it is matched from its end, with
        any entry. The rest is of this call: it repeats an entry only of its own trace, or one that no
        call has brought as its own.
        """
        said = [(n, each) for n, each in enumerate([*inputs, *outputs]) if is_said(each)]
        last = last_of_bot(inputs)
        history = [each for each in said if each[0] <= last]
        found = self._match_history([each for _, each in history])
        taken = {place for place in found if place is not None}
        after = max(taken, default=-1)
        placed = [
            self._placed(n, each, "history", place)
            for (n, each), place in zip(history, found, strict=True)
        ]
        for n, each in said[len(history) :]:
            place = self._find_own(each, trace_id, after, taken)
            taken |= set() if place is None else {place}
            placed.append(self._placed(n, each, "input" if n < len(inputs) else "output", place))
        return placed

    def _match_history(self, old: Sequence[ChatMessage]) -> list[int | None]:
        """Return the entries that a history repeats: as many of the first ones as it begins with.

        The rest, of one that was cut off, is matched from its end, each message before the last one found.
        """
        pairs = zip(old, self._entries, strict=False)
        begin = sum(1 for _ in takewhile(lambda each: _key(each[0]) == _key_of(each[1]), pairs))
        found: list[int | None] = []
        before = len(self._entries)
        for message in reversed(old[begin:]):
            places = self._places.get(_key(message), [])
            at = bisect_left(places, before) - 1
            place = places[at] if at >= 0 and places[at] >= begin else None
            before = before if place is None else place
            found.append(place)
        return [*range(begin), *reversed(found)]

    def _find_own(
        self, message: ChatMessage, trace_id: str, after: int, taken: set[int]
    ) -> int | None:
        """Return the first entry after the history that a message of this call repeats."""
        for place in self._places.get(_key(message), []):
            entry = self._entries[place]
            is_own = entry.trace_id == trace_id or entry.part in ("history", "other")
            if place > after and place not in taken and is_own:
                return place
        return None

    def _placed(self, number: int, message: ChatMessage, part: Part, place: int | None) -> Placed:
        return Placed(number, message, part, None if place is None else self._entries[place])


def last_of_bot(inputs: Sequence[ChatMessage]) -> int:
    """Return the place of the bot's last message, also if it only calls a tool; -1 without one: all before is history."""
    return max((n for n, each in enumerate(inputs) if each.role == "assistant"), default=-1)


def is_said(message: ChatMessage) -> bool:
    """Return whether a participant says something with a message."""
    is_spoken = bool(message.text.strip() or message.attachments)
    return message.role in ("user", "assistant") and is_spoken


def text_of(text: str | None, urls: Iterable[str] = ()) -> str:
    """Return what two messages have in common that are the same: spaces do not count, libraries fold them."""
    return " ".join((text or "").split()) or " ".join(urls)


def text_of_message(message: ChatMessage) -> str:
    """Return the same of a message of a call."""
    return text_of(message.text, (str(each.get("url", "")) for each in message.attachments))


def _key_of(entry: Entry) -> tuple[str, str]:
    return entry.role, entry.text


def _key(message: ChatMessage) -> tuple[str, str]:
    return message.role, text_of_message(message)
