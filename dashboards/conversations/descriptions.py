"""Events of a transcript that are not messages, each described in one line."""

import json
from typing import Any

from dashboards import formatting

Row = dict[str, Any]


def describe(row: Row) -> str:
    """Describe an event that is not a message, in one line."""
    payload = payload_of(row)
    match row["event_type"]:
        case "session.started":
            return f"Session {row['session_number'] or ''} started"
        case "session.ended":
            return f"Session ended: {_named(payload.get('reason'))}"
        case "conversation.created":
            before = payload.get("predecessor_id")
            continues = "" if before is None else f", continues {formatting.quote(before)}"
            return f"Conversation begins on {formatting.channel(row['channel'])}{continues}"
        case "conversation.state_changed":
            timer = " by its timer" if payload.get("reason") == "timer" else ""
            return f"Conversation is {_named(payload.get('to'))}{timer}"
        case "conversation.reopened":
            is_message = payload.get("reason") == "message"
            return f"Conversation reopened{' by a message' if is_message else _why(payload)}"
        case "control.changed":
            return f"Control passes to {_owner(payload)}"
        case "control.released":
            return f"{formatting.quote(row['participant_id'])} was disconnected and loses control"
        case "conversation.resolved":
            by = payload.get("resolved_by")
            return "Conversation resolved" + ("" if by is None else f" by {_named(by)}")
        case "feedback.submitted":
            score = payload.pop("score", "none")
            return f"Feedback{_by(row)}: score {_named(score)}{_rest(payload)}"
        case "participant.connected" | "participant.disconnected" as changed:
            return f"{formatting.quote(row['participant_id'])} {changed.partition('.')[2]}"
        case "participant.joined" | "participant.left" as moved:
            return f"{formatting.quote(row['participant_id'])} {moved.partition('.')[2]}{_why(payload)}"
        case "bot.tool_called":
            tool = payload.pop("tool", payload.pop("name", "unnamed"))
            return f"Tool called{_by(row)}: {_named(tool)}{_rest(payload)}"
        case _:
            return _describe_handoff(row, payload) or _other(row, payload)


def _describe_handoff(row: Row, payload: Row) -> str | None:
    """Describe a step of a handoff; None for other events, and for steps without words of their own."""
    match row["event_type"]:
        case "handoff.requested":
            queue = "" if row["queue"] is None else f", queue {formatting.quote(row['queue'])}"
            return f"Handoff requested: {_named(payload.get('reason', 'unknown'))}{queue}"
        case "handoff.queued":
            queue = "" if row["queue"] is None else f": {formatting.quote(row['queue'])}"
            return f"Handoff waits in a queue{queue}"
        case "handoff.accepted":
            return f"Handoff accepted{_by(row)}{_after(row['wait_seconds'])}"
        case "handoff.assigned":
            to = row["participant_id"] or row["queue"] or formatting.UNKNOWN
            return f"Handoff assigned to {formatting.quote(to)}"
        case "handoff.transferred":
            to = payload.get("to_participant_id") or row["queue"] or formatting.UNKNOWN
            return f"Handoff transferred{_by(row)} to {formatting.quote(to)}"
    return None


def _owner(payload: Row) -> str:
    """Return the owner of control, by name if it is a person."""
    who = payload.get("participant_id")
    owner = {"bot": "the bot", "human": "an agent"}.get(str(payload.get("owner")), "no one")
    return owner if who is None else formatting.quote(who)


def _other(row: Row, payload: Row) -> str:
    noun, _, past = row["event_type"].partition(".")
    title = formatting.quote(f"{formatting.name(noun)} {formatting.name(past).lower()}")
    said = "" if row["text"] is None else f": {formatting.quote(formatting.shorten(row['text']))}"
    return f"{title}{_by(row)}{_why(payload)}{said}{_rest(payload)}"


def _why(payload: Row) -> str:
    return f": {_named(payload.pop('reason'))}" if "reason" in payload else ""


def _named(value: object) -> str:
    return formatting.quote(formatting.shorten(str(value).replace("_", " ")))


def _by(row: Row) -> str:
    return "" if row["participant_id"] is None else f" by {formatting.quote(row['participant_id'])}"


def _after(seconds: int | None) -> str:
    return "" if seconds is None else f" after {formatting.duration(seconds)}"


def _rest(payload: Row) -> str:
    return f" · {formatting.quote(formatting.shorten(to_json(payload)))}" if payload else ""


def describe_call(call: Row) -> tuple[str, list[str]]:
    """Describe a call of a language model: a summary of numbers alone, and all that is known, line by line."""
    tokens, seconds, cost = call["total_tokens"], call["seconds"], call["cost"]
    summary = "" if tokens is None else f" · {formatting.counted(tokens, 'token')}"
    summary += "" if seconds is None else f" · {formatting.measure(seconds, 'seconds')}"
    summary += "" if call["error"] is None else " · failed"
    lines = {
        "Model": call["model"],
        "Input": _tokens(call["input_tokens"]),
        "Output": _tokens(call["output_tokens"]),
        "Cost": None if cost is None else f"{cost:,.6f} {call['cost_currency']}",
        "Time": _seconds(seconds),
    }
    shown = {name: formatting.UNKNOWN if value is None else value for name, value in lines.items()}
    shown |= {name: value for name, value in _details(call).items() if value is not None}
    return summary, [
        f"{name}: {formatting.quote(formatting.shorten(value))}" for name, value in shown.items()
    ]


def _details(call: Row) -> dict[str, str | None]:
    """Return what only some bots report."""
    return {
        "Input from the cache": _tokens(call["cached_tokens"]),
        "Reasoning": _tokens(call["reasoning_tokens"]),
        "Time to the first part": _seconds(call["first_chunk_seconds"]),
        "Ended by": call["finish_reason"],
        "Error": call["error"],
    }


def _seconds(value: float | None) -> str | None:
    return None if value is None else formatting.measure(value, "seconds")


def _tokens(value: int | None) -> str | None:
    return None if value is None else formatting.counted(value, "token")


def to_json(value: object) -> str:
    """Return a value of a payload as JSON."""
    return json.dumps(value, ensure_ascii=False)


def payload_of(row: Row) -> Row:
    """Return the payload of an entry; empty if it cannot be read."""
    try:
        found = json.loads(row["payload"] or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
