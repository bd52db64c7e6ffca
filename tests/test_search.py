"""Search finds every message that has the words now, in whatever order the events arrive."""

import json
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from convolake.cli import app
from convolake.search_index import (
    EmptySearchError,
    Scope,
    SearchIndex,
    day_start,
    to_query,
    tokens_of_days,
)
from ingest.manifest import read_manifest
from tests.factories import START, Clock, Record, make_conversation, make_event


def found(record: Record, words: str, **scope: Any) -> list[str]:
    index = SearchIndex(record.settings.data / "search.sqlite")
    index.update(record.settings.lake_path)
    return [hit.message_id for hit in index.search(words, Scope(**scope))]


@pytest.fixture
def written(record: Record, clock: Clock) -> Record:
    record.write(make_conversation("c1", messages=0))
    for number, text in enumerate(
        [
            "Where is my refund?",
            "The REFUND of order 7 was sent",
            "Café crème, naïve",
            "refunds are slow",
        ]
    ):
        who = {"participant_id": "helper", "participant_role": "bot"} if number == 1 else {}
        record.write([make_event(text=text, message_id=f"m{number}", event_id=f"e{number}", **who)])
        clock.forward(days=1)
    record.seal(rows=2)
    return record


def test_words_phrases_and_beginnings_without_regard_to_case_and_accents(written: Record) -> None:
    assert found(written, "refund") == ["m1", "m0"]
    assert found(written, "order refund") == ["m1"]
    assert found(written, '"my refund"') == ["m0"]
    assert found(written, '"refund my"') == []
    assert found(written, "refund*") == ["m3", "m1", "m0"]
    assert found(written, "cafe CREME naive") == ["m2"]
    assert found(written, "nothing") == []


def test_a_search_is_limited_to_participant_role_and_days(written: Record) -> None:
    assert found(written, "refund", role="bot") == ["m1"]
    assert found(written, "refund", participant="ada") == ["m0"]
    assert found(written, "refund", channel="sms") == []
    second = day_start(START.date())
    assert second is not None
    day = 86_400_000_000
    assert found(written, "refund", since=second + day) == ["m1"]
    assert found(written, "refund", until=second + day) == ["m0"]


def test_edits_and_deletions_change_what_is_found(written: Record) -> None:
    assert found(written, "refund") == ["m1", "m0"]
    written.write(
        [
            make_event("message.edited", message_id="m0", text="Where is my parcel?"),
            make_event("message.deleted", message_id="m1"),
            make_event("message.edited", message_id="m1", text="refund again"),
        ]
    )
    written.seal()
    assert found(written, "refund") == []
    assert found(written, "parcel") == ["m0"]


def test_tests_are_not_found(record: Record) -> None:
    record.publish(make_conversation("t1", messages=1, is_test=True))
    assert found(record, "message") == []


def test_a_segment_that_comes_later_gives_the_same_index(written: Record, tmp_path: Path) -> None:
    edits = [make_event("message.edited", message_id="m0", text="a new refund text")]
    written.write(edits)
    written.seal()
    lake = written.settings.lake_path
    first = lake / read_manifest(lake)[0][1].path
    away = tmp_path / "away"
    first.rename(away)
    index = SearchIndex(tmp_path / "late.sqlite")
    index.update(lake)
    assert [hit.message_id for hit in index.search("refund", Scope())] == ["m1"]
    away.rename(first)
    index.update(lake)
    again = SearchIndex(tmp_path / "again.sqlite")
    again.update(lake)
    late, whole = (
        sorted((hit.message_id, hit.excerpt) for hit in each.search("refund", Scope()))
        for each in (index, again)
    )
    assert late == whole
    assert [name for name, _ in whole] == ["m0", "m1"]
    assert index.update(lake) == 0


@pytest.mark.parametrize(
    "typed", ['"', "*", "AND", "a OR b", "text:x", "(", "x NEAR y", "-x", "^x", "'; drop"]
)
def test_whatever_is_typed_is_words(written: Record, typed: str) -> None:
    try:
        assert found(written, typed) == []
    except EmptySearchError:
        assert not any(character.isalnum() for character in typed)


def test_no_character_of_the_words_is_an_operator() -> None:
    assert to_query('a "b c" d* "e"*') == '"a" "b c" "d"* "e"'
    with pytest.raises(EmptySearchError, match="at least one word"):
        to_query(' "" * ')


def test_the_command_prints_hits_with_their_place(written: Record) -> None:
    env = {"CONVOLAKE_DATA": str(written.settings.data)}
    result = CliRunner().invoke(app, ["search", "refund", "--json"], env=env)
    hits = json.loads(result.stdout)
    assert [(hit["message_id"], hit["sequence"]) for hit in hits] == [("m1", 6), ("m0", 3)]
    assert hits[1]["excerpt"] == "Where is my [refund]?"
    shown = CliRunner().invoke(app, ["search", "order"], env=env)
    assert "The REFUND of [order] 7 was sent" in shown.stdout
    empty = CliRunner().invoke(app, ["search", "?"], env=env)
    assert (empty.exit_code, "at least one word" in empty.output) == (1, True)


@given(
    first=st.dates(date(2027, 11, 1), date(2030, 3, 1)),
    days=st.integers(0, 500),
    said=st.dates(date(2027, 11, 1), date(2031, 8, 1)),
)
@hypothesis_settings(max_examples=300, deadline=None)
def test_the_tokens_of_a_period_are_those_of_its_days_and_of_no_other(
    first: date, days: int, said: date
) -> None:
    last = first + timedelta(days=days)
    since, until = day_start(first), day_start(last + timedelta(days=1))
    assert since is not None
    assert until is not None
    tokens = set(tokens_of_days(since, until))
    is_within = first <= said <= last
    assert bool(tokens & {f"m{said:%Y%m}", f"d{said:%Y%m%d}"}) == is_within
    assert len(tokens) <= 62 + days // 28


def test_an_index_of_an_earlier_version_is_made_again(written: Record) -> None:
    path = written.settings.data / "search.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "create table messages (number integer); create table spans (shard, first, last);"
        )
    assert found(written, "refund") == ["m1", "m0"]
    assert found(written, "refund") == ["m1", "m0"]


def test_an_id_of_any_characters_limits_a_search(record: Record) -> None:
    record.publish(make_conversation("c1", messages=0))
    odd = {"participant_id": 'a"bOR*:c', "participant_role": "customer"}
    record.publish([make_event(text="hello there", message_id="m8", event_id="e8", **odd)])
    assert found(record, "hello", participant='a"bOR*:c') == ["m8"]
    assert found(record, "hello", participant="a") == []


def test_days_in_the_wrong_order_find_nothing(written: Record) -> None:
    first, last = day_start(date(2030, 5, 2)), day_start(date(2030, 4, 30))
    assert found(written, "refund", since=first, until=last) == []
    assert found(written, "refund", until=day_start(date(1985, 1, 1))) == []


def test_a_message_of_1990_is_found_by_its_last_day_alone(record: Record) -> None:
    old = {"happened_at": "1990-03-01T10:00:00Z"}
    record.publish(
        [*make_conversation("c1", messages=0, **old), make_event(text="an old hello", message_id="m1", **old)]
    )  # fmt: skip
    assert found(record, "hello", until=day_start(date(1990, 4, 1))) == ["m1"]
