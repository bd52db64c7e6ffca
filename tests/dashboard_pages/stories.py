"""The conversations that the pages of these tests show."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

from dashboards.filter_state import Period

NOW = datetime(2030, 3, 31, 12, 0, tzinfo=UTC)
"""Berlin puts its clocks forward on this day, so the day has 23 hours."""


ZONE = "Europe/Berlin"


DAYS = 80


CHANNELS = ("email", "sms", "web")


LAST_30 = Period(date(2030, 3, 2), date(2030, 3, 31))


def hostile_text(beacon: str) -> str:
    return (
        f"![x]({beacon}) <img src={beacon}> <script>fetch('{beacon}')</script> "
        f"[l]({beacon}) **bold** :smile: \u202egnp.exe\u202c zero\u200bwidth"
    )


def make_story(number: int, random: Random) -> Iterator[dict[str, Any]]:
    """One conversation somewhere in the DAYS before NOW, at any hour of the day."""
    started = NOW - timedelta(seconds=random.randrange(3600, DAYS * 86_400))
    of = {"conversation_id": f"c{number:03}"}
    at = started

    def event(event_type: str, **more: Any) -> dict[str, Any]:
        return of | {"event_type": event_type, "happened_at": at.isoformat()} | more

    people = [
        {"participant_id": "ada", "participant_role": "customer"},
        {"participant_id": "helper", "participant_role": "bot"},
    ]
    yield event(
        "conversation.created",
        channel=random.choice(CHANNELS),
        contact_id=f"person-{number % 50}",
        is_test=number % 12 == 0,
        payload={"participants": people},
    )
    for turn in range(random.randrange(1, 5)):
        at += timedelta(minutes=random.choice((1, 2, 45)))
        yield event("message.created", participant_id="ada", text=f"question {turn}")
        yield event("message.created", participant_id="helper", text=f"answer {turn}")
    if number % 3 == 0:
        handoff = {"handoff_id": f"h{number}"}
        yield event("handoff.requested", **handoff, queue="billing", payload={"reason": "policy"})
        at += timedelta(seconds=random.randrange(5, 400))
        if number % 2 == 0:
            agent = {"participant_id": "agent-1", "participant_role": "agent"}
            yield event("handoff.accepted", **handoff, **agent)
            yield event("message.created", **agent, text="an agent here")
            yield event("message.created", **agent, text="be kind", visibility="internal")


def hostile_conversation(beacon: str) -> list[dict[str, Any]]:
    """A conversation with every kind of transcript entry, and with hostile text."""
    of = {"conversation_id": "hostile", "happened_at": (NOW - timedelta(hours=2)).isoformat()}
    eve = {"participant_id": "eve", "participant_role": "customer"}
    text = hostile_text(beacon)
    later = {"happened_at": (NOW - timedelta(hours=2) + timedelta(seconds=63)).isoformat()}
    given: list[dict[str, Any]] = [
        {"event_type": "conversation.created", "channel": "web"},
        {"event_type": "message.created", "message_id": "m1", "text": text, **eve},
        {"event_type": "message.created", "message_id": "m2", "text": "a secret", **eve},
        {"event_type": "message.deleted", "message_id": "m2"},
        {"event_type": "message.created", "message_id": "m3", "text": "first try", **eve},
        {"event_type": "message.edited", "message_id": "m3", "text": "second try"},
        {"event_type": "message.delivered", "message_id": "m3"},
        {"event_type": "message.failed", "message_id": "m1", "payload": {"error_code": text}},
        {"event_type": "bot.tool_called", "payload": {"tool": text, "result": text}},
        {
            "event_type": "message.created", "message_id": "m4", **eve,
            "payload": {"attachments": [{"url": beacon, "name": text}], "nlu": {"intent": text}},
        },
        {"event_type": "handoff.requested", "handoff_id": "h", "queue": "billing",
         "payload": {"reason": text}},
        {"event_type": "handoff.accepted", "handoff_id": "h", "participant_id": "agent-1",
         "participant_role": "agent", **later},
        {"event_type": "message.created", "participant_id": "agent-1", "text": "a note",
         "visibility": "internal", **later},
        {"event_type": "feedback.submitted", "payload": {"score": 2, "comment": text}, **later},
        {"event_type": "custom.coupon_used", "payload": {"code": text}, **later},
        {"event_type": "conversation.state_changed", "payload": {"to": "closed"}, **later},
    ]  # fmt: skip
    return [of | event for event in given]


ACCENTED = " U\u0308bergro\u0308ße CAFE\u0301"
"""Words with accents as characters of their own (Unicode form NFD)."""


def long_conversation(messages: int) -> list[dict[str, Any]]:
    """A conversation too long for one part."""
    of = {"conversation_id": "long", "happened_at": (NOW - timedelta(hours=1)).isoformat()}
    said = {
        "event_type": "message.created",
        "participant_id": "ada",
        "participant_role": "customer",
    }
    return [
        of | {"event_type": "conversation.created", "channel": "sms"},
        *(
            of | said | {"text": f"line {number}" + (ACCENTED if number == 150 else "")}
            for number in range(1, messages + 1)
        ),
    ]
