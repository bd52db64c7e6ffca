"""Another session rule is compared over history, without a change of the record."""

import json

import pytest
from typer.testing import CliRunner

from convolake.cli import app
from tests.factories import Clock, Record, make_conversation, make_event


def run(record: Record, *arguments: str, code: int = 0) -> str:
    env = {"CONVOLAKE_DATA": str(record.settings.data)}
    result = CliRunner().invoke(app, ["sessions", *arguments], env=env)
    assert result.exit_code == code, result.output
    return result.output


def test_a_shorter_timeout_makes_more_sessions_of_the_same_messages(
    record: Record, clock: Clock
) -> None:
    record.write(make_conversation("c1", messages=2))
    for minutes in (20, 20, 40):  # the recorded rule of the web: 30 minutes
        clock.forward(minutes=minutes)
        record.write([make_event(conversation_id="c1", event_id=f"after-{clock.now}")])
    clock.forward(minutes=20)
    note = {"participant_role": "agent", "visibility": "internal"}
    record.write([make_event(conversation_id="c1", event_id="note", **note)])
    record.publish(make_conversation("sms", messages=1, channel="sms"))
    before = record.query("select count(*) as n from sessions")
    (sms, web) = json.loads(run(record, "--timeout", "15m", "--json"))
    assert (web["recorded_sessions"], web["compared_sessions"], web["difference"]) == (2, 4, 2)
    assert (sms["recorded_sessions"], sms["compared_sessions"]) == (1, 1)
    (_, same) = json.loads(run(record, "--timeout", "30m", "--json"))
    assert same["difference"] == 0
    assert record.query("select count(*) as n from sessions") == before
    assert "compared sessions" in run(record, "--timeout", "2h")


@pytest.mark.parametrize("wrong", ["15", "0m", "soon", "15 minutes"])
def test_a_wrong_duration_is_answered_with_the_form(record: Record, wrong: str) -> None:
    assert "give a number and s, m, h or d" in run(record, "--timeout", wrong, code=2)
