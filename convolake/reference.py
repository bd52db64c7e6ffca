"""Prints `docs/reference.md` from the code: `make docs`. A test fails when the two differ."""

import inspect
from collections.abc import Iterable, Iterator
from datetime import timedelta

import msgspec
from pydantic_core import PydanticUndefined

from convolake import live_reference as live
from dashboards.roles import ROLES, RULES, roles_with
from ingest import errors
from ingest.api.metrics import Metrics
from ingest.channels import errors as channel_errors
from ingest.channels.base import Field
from ingest.channels.registry import ADAPTERS
from ingest.contract import COLUMNS
from ingest.events import conversation_errors, review_errors
from ingest.events.timers import SETTLED_AFTER
from ingest.events.types import EVENT_TYPES
from ingest.importers import IMPORTERS
from ingest.settings import Settings
from warehouse.model import models

ERRORS = (errors, conversation_errors, review_errors, channel_errors)
"""The modules that define the errors of the API, in the order of the page."""


def reference() -> str:
    """Return the whole page, in Markdown."""
    parts = (
        _settings(),
        _roles(),
        _events(),
        _columns(),
        _providers(),
        _imports(),
        _live(),
        _models(),
        _errors(),
        _metrics(),
    )
    return "\n".join([_HEAD, *(line for part in parts for line in part)]) + "\n"


_HEAD = """\
# Reference

Printed from the code by `make docs`; do not edit.
"""


def _table(*rows: Iterable[str]) -> Iterator[str]:
    for number, row in enumerate(rows):
        cells = [cell.replace("|", "\\|") for cell in row]
        yield f"| {' | '.join(cells)} |"
        if number == 0:
            yield f"|{'---|' * len(cells)}"
    yield ""


def _settings() -> Iterator[str]:
    yield "## Settings\n"
    yield "Environment variables; every one has a default.\n"
    rows = [
        (f"`CONVOLAKE_{name.upper()}`", _default(field.default), field.description or "")
        for name, field in Settings.model_fields.items()
    ]
    yield from _table(("variable", "default", "meaning"), *rows)


def _roles() -> Iterator[str]:
    yield "## Roles of the dashboard\n"
    yield "A role may do what the one before it may.\n"
    rows = [
        (f"`{name}`", rule.allows, *("yes" if role in roles_with(name) else "" for role in ROLES))
        for name, rule in RULES.items()
    ]
    yield from _table(("permission", "allows to", *ROLES), *rows)


def _default(value: object) -> str:
    """Return a default as the environment would hold it: durations as ISO 8601, collections as JSON."""
    if value is None or value is PydanticUndefined:
        return ""
    if isinstance(value, dict | set | timedelta):
        value = sorted(value) if isinstance(value, set) else value
        return f"`{msgspec.json.encode(value).decode().strip(chr(34))}`"
    return f"`{value}`"


def _events() -> Iterator[str]:
    yield "## Event types\n"
    yield (
        "Clients may also write `custom.<name>` in the conversation stream; it opens a session. What a provider "
        "reports and no type describes is `custom.<provider>.<kind>`.\n"
    )
    yield (
        "A type that opens a session starts one if none is open, except an internal note and a message of the role system. A session ends as "
        "`session.ended` says. The time of imported history is its own: a session of an import ends at the "
        f"next event that is late enough, or {SETTLED_AFTER // 60_000_000} minutes after the last event of "
        "its conversation was received.\n"
    )
    rows = [
        (
            f"`{kind.name}`", kind.stream, "reserved" if kind.is_reserved else kind.writer,
            kind.visibility, "yes" if kind.opens_session else "",
            ", ".join(f"`{name}`" for name in kind.requires), kind.meaning,
        )
        for kind in EVENT_TYPES.values()
    ]  # fmt: skip
    yield from _table(
        ("type", "stream", "written by", "visibility", "opens a session", "needs", "meaning"), *rows
    )


def _columns() -> Iterator[str]:
    yield "## Columns of an event\n"
    yield "The same name in JSON, in Parquet, in SQL and on the page.\n"
    rows = [(f"`{column.name}`", str(column.type), column.meaning) for column in COLUMNS]
    yield from _table(("column", "type", "meaning"), *rows)


def _providers() -> Iterator[str]:
    yield "## Providers\n"
    yield (
        "Each is one file in `ingest/channels`. `convolake channels add` asks for the secrets, and takes the options.\n"
    )
    rows = [
        (
            f"`{each.provider}`", each.title, ", ".join(each.channels), ", ".join(each.inbound_kinds),
            _fields(each.secrets), _fields(each.options), each.redelivery,
        )
        for each in sorted(ADAPTERS.values(), key=lambda adapter: adapter.provider)
    ]  # fmt: skip
    yield from _table(
        ("provider", "name", "channels", "reads", "secrets", "options", "redelivery"), *rows
    )


def _imports() -> Iterator[str]:
    yield "## Import formats\n"
    yield "`convolake import FORMAT FILE`; each is one file in `ingest/importers`.\n"
    rows = [(f"`{each.name}`", each.file_help, each.description) for each in IMPORTERS]
    yield from _table(("format", "files", "meaning"), *rows)


def _fields(fields: Iterable[Field]) -> str:
    """Return the fields of an account with their meaning; optional ones say so."""
    return "; ".join(
        f"`{each.name}`{'' if each.is_required else ' (optional)'}: {each.meaning}"
        for each in fields
    )


def _live() -> Iterator[str]:
    yield "## Sockets\n"
    yield (
        "Of all routes these alone are not on the API's own page, `/docs`. "
        "Instead of opening, a socket may be answered by HTTP: " + live.handshake_errors() + ".\n"
    )
    yield (
        "A client that lost its socket reconnects after a pause that grows with each failed attempt and varies "
        "from the others' (`Client.listen` does so), and names the last place they saw: nothing is "
        "missed and nothing comes twice.\n"
    )
    for rows in (live.socket_rows(), live.frame_rows(), live.close_rows(), live.figure_rows()):
        yield from _table(*rows)


def _models() -> Iterator[str]:
    yield "## Tables of the warehouse\n"
    for model in models():
        yield f"### {model.name}\n"
        yield f"{model.grain} Key: {', '.join(f'`{name}`' for name in model.key)}.\n"
        rows = [(f"`{name}`", meaning) for name, meaning in model.columns.items()]
        yield from _table(("column", "meaning"), *rows)


def _errors() -> Iterator[str]:
    yield "## Errors of the API\n"
    yield "`application/problem+json` (RFC 9457); `code` is stable, `field` is the place.\n"
    rows = [
        (
            f"`{kind.code}`",
            str(kind.status),
            "yes" if kind.retryable else "no",
            inspect.getdoc(kind) or "",
        )
        for kind in error_types()
    ]
    yield from _table(
        ("code", "status", "send again", "meaning"),
        *((*row[:3], row[3].replace("\n", " ")) for row in rows),
    )


def error_types() -> list[type[errors.IngestError]]:
    """Return every error that the API can answer with, the base first."""
    return [
        kind
        for area in ERRORS
        for kind in vars(area).values()
        if inspect.isclass(kind)
        and issubclass(kind, errors.IngestError)
        and kind.__module__ == area.__name__
    ]


def _metrics() -> Iterator[str]:
    yield "## Metrics\n"
    yield "`GET /metrics`, in Prometheus' text format.\n"
    rows = [
        (f"`{metric.name}`", metric.type, metric.documentation)
        for metric in Metrics().registry.collect()
    ]
    yield from _table(("metric", "type", "meaning"), *rows)


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201 (the page is the output)
