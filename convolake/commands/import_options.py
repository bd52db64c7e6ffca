"""Reads the options of `import`: mapped columns, roles, zone, order of dates."""

import codecs
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from ingest.contract import Role
from ingest.importers.base import DateOrder, ImportOptions

T = TypeVar("T", bound=str)


@dataclass(frozen=True)
class Answers:
    """The options as they were typed."""

    columns: list[str] | None
    roles: list[str] | None
    zone: str | None
    dates: str | None
    starts_at: str | None
    encoding: str | None
    conversation: str | None


def read_options(answers: Answers) -> ImportOptions:
    """Return the options. Raises typer.BadParameter."""
    roles: dict[str, Role] = {}
    for name, role in _pairs(answers.roles, "--role").items():
        roles[name] = _one_of(role, get_args(Role), "--role")
    order: DateOrder | None = None
    if answers.dates is not None:
        order = _one_of(answers.dates, get_args(DateOrder), "--dates")
    return ImportOptions(
        columns=_pairs(answers.columns, "--map"),
        roles=roles,
        zone=_zone(answers.zone),
        dates=order,
        starts_at=_start(answers.starts_at, _zone(answers.zone)),
        encoding=_encoding(answers.encoding),
        conversation_id=answers.conversation,
    )


def _pairs(texts: Iterable[str] | None, option: str) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, equals, value = text.rpartition("=")
        if not (name and equals and value):
            raise typer.BadParameter("give NAME=VALUE", param_hint=option)
        pairs[name] = value
    return pairs


def _one_of(value: str, choices: tuple[T, ...], option: str) -> T:
    for choice in choices:
        if choice == value:
            return choice
    raise typer.BadParameter(f"one of {', '.join(choices)}", param_hint=option)


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise typer.BadParameter("not a time zone", param_hint="--zone") from error


def _start(text: str | None, zone: ZoneInfo | None) -> datetime | None:
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter("not a time in ISO 8601", param_hint="--starts-at") from error
    return found if found.tzinfo else found.replace(tzinfo=zone or UTC)


def _encoding(name: str | None) -> str | None:
    try:
        return None if name is None else codecs.lookup(name).name
    except LookupError as error:
        raise typer.BadParameter("not an encoding", param_hint="--encoding") from error
