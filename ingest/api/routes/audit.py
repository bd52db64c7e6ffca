"""Audit events: what users of the dashboard see. The dashboard records each act before it shows anything."""

from msgspec import to_builtins

from ingest.api.command_router import Body, CommandRouter
from ingest.events.draft import Draft
from ingest.events.payloads import (
    RejectedEventOpened,
    TranscriptExported,
    TranscriptSearched,
    TranscriptViewed,
    WarehouseQueried,
)

commands = CommandRouter()

USER = {"participant_id": "noor@example.com"}


class NewView(Body, kw_only=True, forbid_unknown_fields=True):
    """The opening of a transcript. `participant_id` is the user."""

    act: TranscriptViewed


class NewSearch(Body, kw_only=True, forbid_unknown_fields=True):
    """A search. `participant_id` is the user."""

    act: TranscriptSearched


class NewExport(Body, kw_only=True, forbid_unknown_fields=True):
    """A file. `participant_id` is the user."""

    act: TranscriptExported


class NewQuery(Body, kw_only=True, forbid_unknown_fields=True):
    """An SQL query. `participant_id` is the user."""

    act: WarehouseQueried


class NewRejectedView(Body, kw_only=True, forbid_unknown_fields=True):
    """The opening of rejected events. `participant_id` is the user."""

    act: RejectedEventOpened


@commands.command(
    "POST",
    "/audit/transcript-views",
    NewView,
    tag="audit",
    scope="audit",
    errors=(),
    example={**USER, "act": {"role": "reviewer", "conversation_id": "order-7"}},
)
def record_view(body: NewView) -> Draft:
    """Record that a user opens a transcript."""
    return Draft(event_type="transcript.viewed", payload=to_builtins(body.act))


@commands.command(
    "POST",
    "/audit/transcript-searches",
    NewSearch,
    tag="audit",
    scope="audit",
    errors=(),
    example={**USER, "act": {"role": "reviewer", "filters": {"text": "refund"}}},
)
def record_search(body: NewSearch) -> Draft:
    """Record that a user searches conversations."""
    return Draft(event_type="transcript.searched", payload=to_builtins(body.act))


@commands.command(
    "POST",
    "/audit/transcript-exports",
    NewExport,
    tag="audit",
    scope="audit",
    errors=(),
    example={
        **USER,
        "act": {"role": "analyst", "export": "conversations", "format": "csv", "row_count": 130},
    },
)
def record_export(body: NewExport) -> Draft:
    """Record that a user gets rows as a file."""
    return Draft(event_type="transcript.exported", payload=to_builtins(body.act))


@commands.command(
    "POST",
    "/audit/warehouse-queries",
    NewQuery,
    tag="audit",
    scope="audit",
    errors=(),
    example={**USER, "act": {"role": "analyst", "sql": "select count(*) from conversations"}},
)
def record_query(body: NewQuery) -> Draft:
    """Record that a user queries the warehouse."""
    return Draft(event_type="warehouse.queried", payload=to_builtins(body.act))


@commands.command(
    "POST",
    "/audit/rejected-views",
    NewRejectedView,
    tag="audit",
    scope="audit",
    errors=(),
    example={**USER, "act": {"role": "admin", "rejected_id": 7}},
)
def record_rejected_view(body: NewRejectedView) -> Draft:
    """Record that a user reads rejected events."""
    return Draft(event_type="rejected_event.opened", payload=to_builtins(body.act))
