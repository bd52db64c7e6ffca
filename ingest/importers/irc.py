"""IRC channel logs: `[12:18] <nick> text`, one file a day; the date is in the file's name.

A log has no zone (Ubuntu's are in UTC), and can cross midnight. Old logs have a 12-hour clock. A nick that
is changed stays the same participant. Lines with `===` have no time: theirs is that of the line before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from ingest.events import foreign_times as times
from ingest.importers.base import NO_OPTIONS, Ambiguity, Damage, ImportOptions, Item
from ingest.importers.lines import text_lines
from ingest.importers.transcript import Person, Roles, Transcript

_DATE = re.compile(r"(?<!\d)(\d{4})[-_.]?(\d{2})[-_.]?(\d{2})(?!\d)")
_TIMED = re.compile(r"\[?(\d{1,2}):(\d{2})(?::(\d{2}))?\]? (.*)", re.DOTALL)
_SAID = re.compile(r"<[ @+%&~]?([^<> ]+)> ?(.*)", re.DOTALL)
_ACTION = re.compile(r" ?\* ([^ ]+)(?: (.*))?", re.DOTALL)
_SYSTEM = re.compile(r"(?:===|-!-|\*\*\*) ([^ ]+) ?(.*)", re.DOTALL)
_JOINED = re.compile(r" *(?:\[[^\]]*\]|\([^)]*\))? *has joined ([#&]\S+)", re.IGNORECASE)
_LEFT = re.compile(r" *(?:\[[^\]]*\]|\([^)]*\))? *has (?:left|quit)\b", re.IGNORECASE)
_RENAMED = re.compile(r"is now known as (\S+)")
_BOT = re.compile(r"bot\d*[_`|^]*$|^u?bot", re.IGNORECASE)
"""Nicks that look like a bot's: `FloodBot1`, `ubottu`."""

HALF_DAY = 12 * 60


class IrcImporter:
    """Imports channel logs."""

    name = "irc"
    description = "Import IRC logs of a channel, one file a day."
    file_help = "logs, .txt or .log, with the date in the name"

    def read(self, path: Path, options: ImportOptions = NO_OPTIONS) -> Iterator[Item]:
        """Yield what was said, and who came, left or changed the nick."""
        midnight = _midnight(path.name, options)
        if midnight is None:
            yield Damage("file name", "no date in it; --starts-at states it")
            return
        clock = _Clock(midnight, is_half=_has_half_clock(path, options))
        if clock.is_half:
            yield Ambiguity(
                "the clock has 12 hours", "the first time is before noon", "--starts-at DATET12:00"
            )
        if options.zone is None:
            yield Ambiguity(times.MISSING_ZONE, "they are in UTC", "--zone")
        roles = Roles(options)
        key = options.conversation_id or path.name.removesuffix(".txt").removesuffix(".raw")
        log = _Log(Transcript("irc", key, "irc", roles, options.conversation_id or ""), clock)
        for place, line in text_lines(path, options.encoding):
            if isinstance(line, Damage):
                yield line
            elif line.strip():
                yield from log.line(line, place)
        if log.bots:
            yield Ambiguity("these nicks look like bots", "they are", "--role NICK=bot", log.bots)
        yield from roles.ambiguities()


def _midnight(name: str, options: ImportOptions) -> datetime | None:
    """Return the start of the log's day, or of its half day if the user states one."""
    if options.starts_at is not None:
        return options.starts_at
    found = _DATE.search(name)
    try:
        day = date.fromisoformat("-".join(found.groups())) if found else None
        zone = options.zone or UTC
        return None if day is None else times.checked(datetime.combine(day, time(tzinfo=zone)))
    except ValueError:
        return None


def _minutes(line: str | Damage) -> int | None:
    found = None if isinstance(line, Damage) else _TIMED.match(line)
    return int(found[1]) * 60 + int(found[2]) if found else None


def _has_half_clock(path: Path, options: ImportOptions) -> bool:
    """Return whether the clock goes from 12:59 to 1:00 and never shows more."""
    last, steps, highest = None, False, 0
    for _, line in text_lines(path, options.encoding):
        if (minutes := _minutes(line)) is not None:
            steps |= last is not None and last >= HALF_DAY and 60 <= minutes < 2 * 60
            highest, last = max(highest, minutes), minutes
    return steps and highest < HALF_DAY + 60


@dataclass
class _Clock:
    """Turns the times of lines, which only go forward, into instants."""

    start: datetime
    is_half: bool
    _last: int = -1
    _turns: int = 0

    @property
    def written(self) -> str:
        """The last time as the log has it, whatever zone and day it is read in."""
        return f"{self._turns} {self._last}"

    def read(self, hour: int, minute: int, second: int) -> datetime:
        """Return the instant of a line. Raises TimeFormatError."""
        if hour > 23 or minute > 59 or second > 59:
            raise times.TimeFormatError("not a time of day")
        minutes = (hour % 12 if self.is_half else hour) * 60 + minute
        # A line that is a few minutes early is out of order; a large step back is a new day.
        self._turns += minutes < self._last - 60
        self._last = minutes
        length = timedelta(hours=12 if self.is_half else 24)
        local = self.start.replace(tzinfo=None) + self._turns * length
        return times.placed(local + timedelta(minutes=minutes, seconds=second), self.start.tzinfo)


@dataclass
class _Log:
    transcript: Transcript
    clock: _Clock
    _at: datetime | None = None
    _ids: dict[str, str] = field(default_factory=dict)
    _bots: dict[str, None] = field(default_factory=dict)

    @property
    def bots(self) -> tuple[str, ...]:
        """The nicks that are taken for bots."""
        return tuple(self._bots)

    def line(self, line: str, place: str) -> Iterator[Item]:
        """Yield the events of one line."""
        if timed := _TIMED.match(line):
            try:
                self._at = self.clock.read(int(timed[1]), int(timed[2]), int(timed[3] or 0))
            except (times.TimeFormatError, OverflowError) as error:
                yield Damage(place, str(error))
                return
            line = timed[4]
        if self._at is None:
            self._at = times.placed(self.clock.start, None)
        if said := _SAID.fullmatch(line):
            yield from self._say(said[1], said[2], place, {})
        elif system := _SYSTEM.fullmatch(line):
            yield from self._system(system[1], system[2], place)
        elif action := _ACTION.fullmatch(line):
            yield from self._say(action[1], action[2] or "", place, {"is_action": True})
        else:
            yield Damage(place, "not a line of an IRC log")

    def _say(self, nick: str, text: str, place: str, payload: dict[str, object]) -> Iterator[Item]:
        key = self.transcript.content_key(self.clock.written, nick, text)
        payload = {"nick": nick, **payload}
        yield from self.transcript.message(
            key, self._person(nick), text, self._at, place, payload=payload
        )

    def _system(self, nick: str, text: str, place: str) -> Iterator[Item]:
        key = self.transcript.content_key(self.clock.written, nick, text)
        if _JOINED.match(text):
            yield from self.transcript.joined(key, self._person(nick), self._at, place)
        elif _LEFT.match(text):
            yield from self.transcript.left(key, self._person(nick), self._at, place)
        elif renamed := _RENAMED.match(text):
            yield from self._rename(nick, renamed[1], key, place)
        else:
            yield from self._say(nick, text, place, {"is_action": True, "is_untimed": True})

    def _rename(self, old: str, new: str, key: str, place: str) -> Iterator[Item]:
        person = self._person(old)
        yield from self.transcript.event(
            "participant.updated", key, self._at, place, person,
            payload={"attributes": {"name": new}},
        )  # fmt: skip
        self._ids[new] = self._ids.pop(old)

    def _person(self, nick: str) -> Person:
        if nick not in self._ids:
            taken = set(self._ids.values())
            number = 2
            found = nick
            while found in taken:  # its former owner has another nick now
                found = f"{nick}~{number}"
                number += 1
            self._ids[nick] = found
        is_bot = _BOT.search(nick) is not None
        if is_bot:
            self._bots[nick] = None
        return Person(self._ids[nick], nick, "bot" if is_bot else None)
