"""Read the JSON and the forms of providers: a field of a wrong type is missing, and never an error."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from ingest.channels.base import Call, UnreadableCallError

Fields = Mapping[str, Any]

FORM = "application/x-www-form-urlencoded"
MAX_FORM_FIELDS = 1_000
"""Maximum fields of a form. No provider sends more than a hundred."""

JSON_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading JSON may raise: not JSON, not UTF-8, nested too deeply."""

_NO_NAME = re.compile(r"[^a-z0-9]+")
_MAX_KIND = 40


def json_body(body: bytes) -> Any:
    """Return a body as JSON. Raises UnreadableCallError."""
    try:
        return msgspec.json.decode(body)
    except JSON_ERRORS:
        raise UnreadableCallError("the body is not JSON") from None


def json_object(body: bytes) -> Fields:
    """Return a body as a JSON object. Raises UnreadableCallError."""
    value = json_body(body)
    if not isinstance(value, dict):
        raise UnreadableCallError("the body is not a JSON object")
    return value


def is_form(call: Call) -> bool:
    """Return whether the fields of a call are those of a form: in the body, or in the query of a GET."""
    return call.method == "GET" or call.headers.get("content-type", "").lower().startswith(FORM)


def form_pairs(call: Call) -> list[tuple[str, str]]:
    """Return names and values of a form in order, of a GET those of its query. Raises UnreadableCallError."""
    try:
        text = (
            call.url.partition("?")[2].partition("#")[0]
            if call.method == "GET"
            else call.body.decode()
        )
        return parse_qsl(
            text, keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS
        )
    except ValueError:
        raise UnreadableCallError("the body is not a form in UTF-8") from None


def object_of(fields: Fields, name: str) -> Fields:
    """Return an object, or an empty one."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def text_of(fields: Fields, name: str) -> str | None:
    """Return a text with at least one character, exactly as it came, or None."""
    value = fields.get(name)
    return value if isinstance(value, str) and value else None


def id_of(fields: Fields, name: str) -> str | None:
    """Return an id, which some providers write as a number, or None."""
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return text_of(fields, name)


def float_of(fields: Fields, name: str) -> float | None:
    """Return a finite number, also if it is written as a text, or None."""
    try:
        value = float(fields.get(name, ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return value if abs(value) < float("inf") else None


def geo_url(latitude: float | None, longitude: float | None) -> str | None:
    """Return a place as a URL (RFC 5870), or None without both numbers."""
    if latitude is None or longitude is None:
        return None
    return f"geo:{latitude},{longitude}"


def count_of(fields: Fields, name: str) -> int | None:
    """Return a whole number of 0 to 2**63 - 1, also if it is written as a text, or None."""
    text = id_of(fields, name)
    if text is None or not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    return min(int(text), 2**63 - 1)


def present(**values: Any) -> dict[str, Any]:
    """Return the values that are there: neither None nor empty."""
    return {name: value for name, value in values.items() if value not in (None, "", [], {})}


def iso_time(text: str | None) -> int | None:
    """Return an ISO 8601 time as microseconds since 1970, or None. A time without a zone is UTC."""
    try:
        time = datetime.fromisoformat((text or "").replace(" +", "+"))
    except ValueError:
        return None
    return _microseconds(time if time.tzinfo else time.replace(tzinfo=UTC))


def _microseconds(time: datetime) -> int | None:
    try:
        since = time - datetime(1970, 1, 1, tzinfo=UTC)
    except OverflowError:
        return None
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def kind_name(text: str) -> str:
    """Return a provider's name of a kind as part of an event type: `memberJoined` is `member_joined`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()
    name = _NO_NAME.sub("_", spaced).strip("_")[:_MAX_KIND].strip("_")
    return f"kind_{name}" if name[:1].isdigit() else name or "unnamed"
