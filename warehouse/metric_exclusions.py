"""What a metric leaves out: the rows that do not meet a condition of its query, counted by the first one.

The conditions are those of the metric's own SQL, so that a changed metric counts what it really leaves out.
"""

from dataclasses import dataclass

import duckdb
from sqlglot import exp

from warehouse.metric import CASES, Metric
from warehouse.metric_values import Period

WORDS = {
    "NOT is_test": "test conversations",
    "status <> 'unknown'": "messages whose result the channel has not reported",
    "is_final": "demands that are not over yet",
    "is_eligible": "demands without a customer message, or with neither a bot message nor a handoff",
    "is_contained": "demands that were handed off",
    "is_handed_off": "demands that were not handed off",
    "is_resolved": "demands that were not resolved",
    "is_bot_resolved": "demands that the bot did not resolve with an answer",
    "NOT contact_id IS NULL": "customers without a contact",
    "customer_message_count > 0": "conversations without a customer message",
    "model_call_count > 0": "demands without a model call",
    "has_nlu": "turns for which the bot reports no understanding",
    "owner = 'bot'": "turns that started under another owner",
    "owner IN ('bot', 'none')": "turns that started under an agent or a queue",
    "owner = 'agent'": "spans of another owner",
    "replied_by = 'bot'": "turns that the bot did not answer first",
    "replied_by = 'agent'": "turns that no agent answered first",
    "participant_role = 'bot'": "messages of others",
    "visibility = 'public'": "internal messages",
    "NOT accepted_at IS NULL": "handoffs that no agent accepted",
    "NOT ended_at IS NULL": "spans that have not ended",
    "first_reply_by = 'bot'": "demands that the bot did not answer first",
    "NOT first_handoff_at IS NULL": "demands without a handoff",
    "NOT is_positive IS NULL": "ratings without a score that can be read",
    "NOT is_rated_positive IS NULL": "demands without a rating that can be read",
    "NOT conversation_id IS NULL": "conversations without a model call",
    "NOT is_calibration": "calibration reviews",
    "sampling = 'random'": "reviews of stratified, targeted or no samples",
}
"""A row that does not meet the condition, in words."""

_ELIGIBLE = ("NOT is_test", "is_final", "is_eligible")
_IMPLIED = {
    "is_eligible": _ELIGIBLE,
    "is_contained": (*_ELIGIBLE, "is_contained"),
    "is_resolved": (*_ELIGIBLE, "is_resolved"),
    "is_bot_resolved": (*_ELIGIBLE, "is_contained", "is_bot_resolved"),
}
"""What a condition on `episode_outcomes` includes: its parts say more than the whole."""


@dataclass(frozen=True)
class Exclusion:
    """A reason, and how many rows of the period it leaves out."""

    reason: str
    rows: int


def read_exclusions(
    con: duckdb.DuckDBPyConnection, metric: Metric, period: Period
) -> list[Exclusion]:
    """Return what the metric leaves out in a period, in the order of its conditions; each row counts once."""
    query = _source(metric)
    conditions = _conditions(query)
    if not conditions:
        return []
    found = con.execute(
        _counted_by_reason(query, conditions, period).sql("duckdb"),
        period.parameters(metric),
    ).fetchall()
    rows = dict(found)
    return [Exclusion(WORDS[name], rows.get(name, 0)) for name in conditions]


def _source(metric: Metric) -> exp.Query:
    """Return the query with the conditions: for a twin, that of its duration."""
    ctes = {cte.alias: cte.this for cte in metric.query.ctes}
    found = ctes.get(CASES, metric.query)
    assert isinstance(found, exp.Query)  # noqa: S101 (the registry parsed it)
    return found.copy()


def _conditions(query: exp.Query) -> dict[str, exp.Expr]:
    """Return the conditions by the name that WORDS has for them, implied ones too, in order."""
    where = query.args.get("where")
    if where is None:
        return {}
    relation = query.args["from_"].this.alias_or_name
    found: dict[str, exp.Expr] = {}
    for condition in where.this.flatten() if isinstance(where.this, exp.And) else [where.this]:
        name = _plain(condition)
        for implied in _IMPLIED.get(name, (name,)):
            found.setdefault(implied, condition if implied == name else _of(relation, implied))
    return found


def _plain(condition: exp.Expr) -> str:
    """Return a condition without the names of relations."""
    copied = condition.copy()
    for column in copied.find_all(exp.Column):
        column.set("table", None)
    return copied.sql("duckdb")


def _of(relation: str, name: str) -> exp.Expr:
    """Return an implied condition, on the metric's own relation."""
    column = exp.column(name.removeprefix("NOT "), relation)
    return exp.not_(column) if name.startswith("NOT ") else column


def _counted_by_reason(
    query: exp.Query, conditions: dict[str, exp.Expr], period: Period
) -> exp.Select:
    query.args.pop("where")
    given = {each.alias_or_name: each for each in query.selects}
    reason = exp.Case()
    for name, condition in conditions.items():
        is_met = exp.func("coalesce", condition.copy(), exp.false())
        reason = reason.when(exp.not_(is_met), exp.Literal.string(name))
    rows = query.select(
        given["active_on"],
        given["channel"],
        given.get("bot_id", "cast(null as varchar) as bot_id"),
        given.get("bot_version", "cast(null as varchar) as bot_version"),
        reason.as_("reason"),
        append=False,
        dialect="duckdb",
    )
    return (
        exp.select("reason", "count(*)")
        .from_(rows.subquery("judged"))
        .where("reason is not null", *period.conditions)
        .group_by("reason")
    )
