"""The part of `verify` that computes the marts again by other code than the models: Polars, from the segments.

A model compared with itself cannot show that its rule is wrong. So the rules that people rely on are stated here
a second time: what counts as a message, who the customer is, resolutions, ratings, edits, waits.
"""

import math
from collections.abc import Callable, Iterator

import duckdb
import polars as pl
from sqlglot import exp

from convolake.verify_warehouse import Check
from ingest.events.stored_event import SYSTEM_SOURCE
from warehouse import incremental
from warehouse.model import SOURCE

EVENTS_AT_ONCE = 500_000
"""Events computed at once; conversations are divided into as many parts as this needs."""

COLUMNS = (
    "conversation_id", "sequence", "event_type", "participant_role", "contact_id", "message_id", "handoff_id",
    "visibility", "is_test", "happened_at", "text", "payload", "source",
)  # fmt: skip

IS_STALE = pl.col("payload").str.json_path_match("$.was_stale") == "true"
NOT_STALE = ~IS_STALE.fill_null(value=False)


def check_figures(con: duckdb.DuckDBPyConnection) -> Iterator[Check]:
    """Compare each mart's figures with those of its events. SOURCE has the events that are loaded."""
    found = con.execute(f"select count(*) from {SOURCE}").fetchone()  # noqa: S608 (our own name)
    parts = 1 + (found[0] if found else 0) // EVENTS_AT_ONCE
    differing = dict.fromkeys(FIGURES, 0)
    rows = dict.fromkeys(FIGURES, 0)
    for part in range(parts):
        events = _read(con, exp.to_table(SOURCE), COLUMNS, parts, part).with_columns(
            pl.col("happened_at").dt.replace_time_zone(None)  # as the warehouse has it: UTC
        )
        for name, (compute, key) in FIGURES.items():
            is_modelled = pl.col("sequence") <= incremental.MODELLED_EVENTS
            expected = compute(events if name == "conversations" else events.filter(is_modelled))
            stored = _read(con, incremental.stored_table(name), expected.columns, parts, part)
            rows[name] += stored.height
            differing[name] += count_differing(expected, stored, key)
    for name, count in differing.items():
        detail = f"{name}: {rows[name]:,} rows, {count:,} differ from the figures of their events"
        yield Check(f"{name} have the figures of their events", ok=count == 0, detail=detail)


def _read(
    con: duckdb.DuckDBPyConnection,
    table: exp.Table,
    columns: tuple[str, ...] | list[str],
    parts: int,
    part: int,
) -> pl.DataFrame:
    query = exp.select(*(exp.column(name) for name in columns)).from_(table)
    query = query.where("conversation_id is not null", f"hash(conversation_id) % {parts} = {part}")
    if table.name == SOURCE:
        query = query.where("rejection_reason is null")
    return con.execute(query.sql("duckdb")).pl()


def count_differing(expected: pl.DataFrame, stored: pl.DataFrame, key: list[str]) -> int:
    """Return the rows that are missing, superfluous or different."""
    names = [name for name in expected.columns if name not in key]
    both = expected.with_columns(computed=True).join(
        stored.with_columns(kept=True), on=key, how="full", coalesce=True, suffix=" stored"
    )
    is_equal = pl.all_horizontal(
        pl.col("computed").is_not_null(),
        pl.col("kept").is_not_null(),
        *(pl.col(name).eq_missing(pl.col(f"{name} stored")) for name in names),
    )
    return both.filter(~is_equal).height


def conversation_figures(events: pl.DataFrame) -> pl.DataFrame:
    """Return the counts, the customer's contact and the latest activity of each conversation.

    Events beyond the cap are counted only.
    """
    kind, role = pl.col("event_type"), pl.col("participant_role")
    is_modelled = pl.col("sequence") <= incremental.MODELLED_EVENTS
    is_test = pl.col("is_test").sort_by("sequence").first()
    is_message = (kind == "message.created") & (pl.col("visibility") == "public")
    names_customer = (kind == "conversation.created") | (role == "customer").fill_null(value=False)
    has_contact = names_customer & pl.col("contact_id").is_not_null() & is_modelled
    first_messages = events.filter(is_message).unique(["conversation_id", "message_id"], keep="any")
    counts = (
        first_messages.join(
            events.group_by("conversation_id").agg(is_test.alias("of_test")), on="conversation_id"
        )
        .filter(pl.col("is_test") == pl.col("of_test"))
        .group_by("conversation_id")
        .agg(
            pl.len().cast(pl.Int64).alias("message_count"),
            pl.col("happened_at").filter(is_modelled).min().alias("first_message_at"),
        )
    )
    figures = events.group_by("conversation_id").agg(
        pl.len().cast(pl.Int64).alias("event_count"),
        ((kind == "session.started") & is_modelled).sum().cast(pl.Int64).alias("session_count"),
        pl.col("happened_at")
        .filter(pl.col("source").ne_missing(SYSTEM_SOURCE))
        .max()
        .alias("latest_at"),
        pl.col("contact_id")
        .filter(has_contact)
        .sort_by(pl.col("sequence").filter(has_contact))
        .last(),
    )
    return figures.join(counts, on="conversation_id", how="left").with_columns(
        pl.col("message_count").fill_null(0)
    )


def message_figures(events: pl.DataFrame) -> pl.DataFrame:
    """Return the text of each message after its edits and its deletion."""
    kind = pl.col("event_type")
    key = ["conversation_id", "message_id"]
    changes = events.filter(kind.is_in(["message.edited", "message.deleted"])).sort("sequence")
    deleted = (
        changes.filter(kind == "message.deleted")
        .group_by(key)
        .agg(pl.col("sequence").min().alias("deleted_at"))
    )
    edits = (
        changes.filter(kind == "message.edited")
        .join(deleted, on=key, how="left")
        .filter(pl.col("deleted_at").is_null() | (pl.col("sequence") < pl.col("deleted_at")))
        .group_by(key, maintain_order=True)
        .agg(pl.col("text").last().alias("last_text"))
    )
    created = (
        events.filter(kind == "message.created").sort("sequence").unique(key, keep="first")
    ).select(*key, "text")
    return (
        created.join(edits, on=key, how="left")
        .join(deleted, on=key, how="left")
        .select(
            *key,
            pl.when(pl.col("deleted_at").is_null())
            .then(pl.coalesce("last_text", "text"))
            .alias("text"),
            pl.col("last_text").is_not_null().alias("is_edited"),
            pl.col("deleted_at").is_not_null().alias("is_deleted"),
        )
    )


def resolution_figures(events: pl.DataFrame) -> pl.DataFrame:
    """Return each resolution, whatever happened to the conversation later."""
    return events.filter((pl.col("event_type") == "conversation.resolved") & NOT_STALE).select(
        "conversation_id",
        "sequence",
        pl.col("happened_at").alias("resolved_at"),
        pl.col("payload").str.json_path_match("$.resolved_by").alias("resolved_by"),
    )


def feedback_figures(events: pl.DataFrame) -> pl.DataFrame:
    """Return each rating; a score that is not a finite number is null."""
    return events.filter(pl.col("event_type") == "feedback.submitted").select(
        "conversation_id",
        "sequence",
        pl.col("payload")
        .str.json_path_match("$.score")
        .map_elements(_finite, return_dtype=pl.Float64)
        .alias("score"),
    )


def _finite(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def handoff_figures(events: pl.DataFrame) -> pl.DataFrame:
    """Return the wait of each handoff; null if the clocks contradict each other."""
    key = ["conversation_id", "handoff_id"]
    steps = events.filter(pl.col("handoff_id").is_not_null() & NOT_STALE).sort("sequence")
    kind, at = pl.col("event_type"), pl.col("happened_at")
    times = steps.group_by(key).agg(
        at.filter(kind == "handoff.requested").first().alias("requested_at"),
        at.filter(kind == "handoff.accepted").first().alias("accepted_at"),
        (kind == "handoff.transferred").sum().cast(pl.Int64).alias("transfer_count"),
    )
    seconds = pl.col("accepted_at").dt.truncate("1s") - pl.col("requested_at").dt.truncate("1s")
    return times.filter(pl.col("requested_at").is_not_null()).with_columns(
        pl.when(pl.col("accepted_at") >= pl.col("requested_at"))
        .then(seconds.dt.total_seconds())
        .alias("wait_seconds")
    )


FIGURES: dict[str, tuple[Callable[[pl.DataFrame], pl.DataFrame], list[str]]] = {
    "conversations": (conversation_figures, ["conversation_id"]),
    "messages": (message_figures, ["conversation_id", "message_id"]),
    "resolutions": (resolution_figures, ["conversation_id", "sequence"]),
    "feedback": (feedback_figures, ["conversation_id", "sequence"]),
    "handoffs": (handoff_figures, ["conversation_id", "handoff_id"]),
}
"""The marts with a second computation, and their keys."""
