"""Event types: one module has the rules of each type, and every payload is validated."""

import ast
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.contract import COLUMNS
from ingest.errors import EventRejectedError
from ingest.events import payloads
from ingest.events.draft import validate_payload
from ingest.events.types import (
    CUSTOM,
    EVENT_TYPES,
    UNKNOWN,
    EventType,
    find_event_type,
    personal_fields,
    rules_of,
)
from tests.factories import Record, make_conversation, make_event

ROOT = Path(__file__).parent.parent.parent
TYPES = sorted(EVENT_TYPES.values(), key=lambda each: each.name)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3)
    ),
    max_leaves=5,
)


@pytest.mark.parametrize("event_type", TYPES, ids=lambda each: each.name)
def test_every_event_type_name_has_a_noun_and_a_past_participle(event_type: EventType) -> None:
    noun, _, verb = event_type.name.partition(".")
    assert noun == event_type.about
    assert verb.endswith(("ed", "left", "read", "sent", "taken")), event_type.name


def test_a_new_type_is_safe_by_default() -> None:
    new = EventType(name="thing.happened", stream="conversation", meaning="something")
    rules = ("opens_session", "visible_to_customer", "is_version", "is_commandable")
    assert [name for name in rules if getattr(new, name)] == []
    assert new.payload is payloads.Payload


def test_an_unknown_event_type_is_stored_and_not_shown_to_customers() -> None:
    assert find_event_type("later.added") is None
    assert rules_of("later.added") is UNKNOWN
    assert not UNKNOWN.visible_to_customer


def test_custom_types_share_one_rule() -> None:
    assert rules_of("custom.order_shipped") is CUSTOM


@pytest.mark.parametrize("event_type", TYPES, ids=lambda each: each.name)
def test_required_columns_exist(event_type: EventType) -> None:
    assert set(event_type.requires) <= {column.name for column in COLUMNS}


WRONG: tuple[Any, ...] = (True, 2**62, -1, "x" * 1000, ["odd"], {"odd": 1})


def _fits(field: msgspec.structs.FieldInfo, value: Any) -> bool:
    try:
        msgspec.convert(value, field.type)
    except msgspec.ValidationError:
        return False
    return True


@pytest.mark.parametrize("event_type", TYPES, ids=lambda each: each.name)
def test_an_invalid_payload_value_is_rejected_with_the_name_of_its_field(
    event_type: EventType,
) -> None:
    for field in msgspec.structs.fields(event_type.payload):
        for value in WRONG:
            if _fits(field, value):
                continue
            with pytest.raises(EventRejectedError) as caught:
                validate_payload(event_type, {field.encode_name: value})
            assert (caught.value.field or "").startswith("$.payload.")


def test_a_payload_value_is_never_converted_to_another_type() -> None:
    for event_type, payload in (
        ("participant.updated", {"unread_sequence": True}),
        ("participant.read_advanced", {"sequence": True}),
        ("message.delivered", {"attempt": True}),
        ("contact.merged", {"into": 40217}),
    ):
        with pytest.raises(EventRejectedError) as caught:
            validate_payload(rules_of(event_type), payload)
        assert caught.value.field == f"$.payload.{next(iter(payload))}"


@given(event_type=st.sampled_from(TYPES), payload=st.dictionaries(st.text(), JSON, max_size=4))
def test_any_payload_is_accepted_or_rejected_without_a_server_error(
    event_type: EventType, payload: dict[str, Any]
) -> None:
    try:
        validate_payload(event_type, payload)
        field = "$.payload"
    except EventRejectedError as error:
        field = error.field or ""
    assert field.startswith("$.payload")


def test_a_rejected_payload_leaves_the_conversation_readable(record: Record) -> None:
    record.write(make_conversation())
    wrong = make_event(
        "participant.read_advanced", participant_id="ada", payload={"sequence": True}
    )
    (rejected,) = record.write([wrong])
    assert (rejected.status, rejected.error.field if rejected.error else None) == (
        "rejected",
        "$.payload.sequence",
    )
    (accepted,) = record.write([make_event(event_id="next")])
    assert accepted.status == "accepted"


def test_a_contact_is_merged_only_into_another_known_one_that_is_not_merged_into_it(
    record: Record,
) -> None:
    record.write([{"event_type": "contact.created", "contact_id": each} for each in ("ada", "eve")])

    def merge(contact_id: str, into: object) -> str:
        merged = {"event_type": "contact.merged", "contact_id": contact_id}
        (answer,) = record.write([merged | {"payload": {"into": into}}])
        return answer.status if answer.error is None else answer.error.code

    assert merge("ada", "ada") == "event_rejected"
    assert merge("ada", "unknown") == "unknown_contact"
    assert merge("ada", 40217) == "event_rejected"
    assert merge("ada", "eve") == "accepted"
    assert merge("eve", "ada") == "event_rejected"


def test_personal_fields_are_marked_in_the_structs() -> None:
    assert personal_fields(rules_of("contact.linked")) == ["address"]
    assert personal_fields(rules_of("conversation.created")) == [
        "subject", "attributes", "session_attributes", "participants[].attributes", "thread[]",
    ]  # fmt: skip
    assert personal_fields(rules_of("message.created")) == [
        "attachments[].url",
        "attachments[].name",
        "author_name",
        "original_text",
        "email",
        "whatsapp",
        "meta",
        "thread[]",
    ]
    assert personal_fields(rules_of("participant.read_advanced")) == []


def _event_names(node: ast.AST) -> set[str]:
    """Return the event types that a collection literal lists."""
    if isinstance(node, ast.Set | ast.Tuple | ast.List):
        items: list[ast.expr | None] = list(node.elts)
    elif isinstance(node, ast.Dict):
        items = list(node.keys)
    else:
        return set()
    values = {item.value for item in items if isinstance(item, ast.Constant)}
    return {value for value in values if value in EVENT_TYPES}


def _prefixes(node: ast.AST) -> set[str]:
    """Return the event type prefixes that a `startswith` tests."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return set()
    if node.func.attr != "startswith":
        return set()
    nouns = {f"{each.about}." for each in TYPES} | {"custom."}
    return {
        each.value
        for argument in node.args
        for each in ast.walk(argument)
        if isinstance(each, ast.Constant) and each.value in nouns
    }


def test_no_other_module_lists_event_types() -> None:
    """Sets and prefix tests of event types are derived from their rules."""
    found = [
        (path.relative_to(ROOT).as_posix(), names)
        for path in sorted((ROOT / "ingest").rglob("*.py"))
        if path.name != "types.py" and "importers" not in path.parts
        for node in ast.walk(ast.parse(path.read_text()))
        if len(names := _event_names(node)) > 1 or (names := _prefixes(node))
    ]
    assert found == []
