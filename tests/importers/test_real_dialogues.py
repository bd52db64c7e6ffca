"""Real corpora of dialogues come in through their importers, equal to another reading of the file."""

import csv
import gzip
import json
from datetime import UTC, datetime, timedelta

import pytest

from ingest.importers.base import ImportOptions
from tests.importers.readings import Said, damage, of, said, when
from tests.real_files import DATA, read

DIALOGUES = DATA / "A_dialogues"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the files are not next to this checkout")


@pytest.mark.parametrize(
    ("name", "turns", "conversations"),
    # Line breaks inside quotes are no rows, so there are a few less than lines.
    [("airline_turn_dev", 1_966, 240), ("media_sentence_dev", 1_749, 243)],
)
def test_multidogo(name: str, turns: int, conversations: int) -> None:
    path = DIALOGUES / f"multidogo/{name}.tsv"
    items = read("multidogo", path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    messages = of(items, "message.created")
    assert not damage(items)
    assert [(event["text"], event["payload"]["utterance_id"]) for event in messages] == [
        (row["utterance"], row["utteranceId"]) for row in rows
    ]
    assert [event["payload"]["nlu"]["intents"] for event in messages] == [
        row["intent"].split("<div>") for row in rows
    ]
    assert (len(messages), len(of(items, "conversation.created"))) == (turns, conversations)
    assert {event["participant_role"] for event in messages} == {"customer"}


@pytest.mark.parametrize("name", ["data_00", "data_05"])
def test_taskmaster(name: str) -> None:
    path = DIALOGUES / f"taskmaster4/{name}.json"
    start = datetime(2024, 5, 1, tzinfo=UTC)
    items = read("taskmaster", path, ImportOptions(starts_at=start))
    given = json.loads(path.read_text())
    roles = {"user": "customer", "assistant": "bot"}
    expected = [
        (roles[turn["speaker"]], turn["text"], start + timedelta(seconds=number))
        for each in given
        for number, turn in enumerate(each["utterances"])
    ]
    assert said(items, lambda event: event["participant_role"]) == expected
    calls = [
        note["value"]
        for each in given
        for turn in each["utterances"]
        for note in turn["annotations"]
        if note["name"] == "api_call"
    ]
    assert sorted(event["payload"]["tool"] for event in of(items, "bot.tool_called")) == sorted(
        calls
    )
    assert len(of(items, "conversation.created")) == 500


def test_abcd() -> None:
    path = DIALOGUES / "abcd/abcd_sample.json"
    items = read("dialogstudio", path)
    turns = [turn for each in json.loads(path.read_text()) for turn in each["original"]]
    assert [(s, t) for s, t, _ in said(items, lambda event: event["participant_role"])] == [
        (speaker, text) for speaker, text in turns if speaker != "action"
    ]
    assert [event["text"] for event in of(items, "custom.action")] == [
        text for speaker, text in turns if speaker == "action"
    ]


def test_airdialogue_has_times() -> None:
    path = DIALOGUES / "dialogstudio_samples/AirDialogue.json"
    expected: list[Said] = []
    for text in json.loads(path.read_text()):
        given = json.loads(text)
        for turn, seconds in zip(given["dialogue"], given["timestamps"], strict=True):
            speaker, _, said_text = turn.partition(": ")
            expected.append((speaker, said_text, datetime.fromtimestamp(seconds, UTC)))
    items = read("dialogstudio", path)
    assert said(items, lambda event: event["participant_role"]) == expected
    assert len(of(items, "conversation.created")) == 5


def test_tweetsumm_and_bitod() -> None:
    folder = DIALOGUES / "dialogstudio_samples"
    tweets = json.loads((folder / "TweetSumm.json").read_text())
    items = read("dialogstudio", folder / "TweetSumm.json")
    assert [(s, t) for s, t, _ in said(items, lambda event: event["participant_role"])] == [
        ("agent" if turn["is_agent"] else "customer", " ".join(turn["sentences"]))
        for each in tweets
        for turn in each["dialog"]["turns"]
    ]
    turns = [turn for e in json.loads((folder / "BiTOD.json").read_text()) for turn in e["Events"]]
    items = read("dialogstudio", folder / "BiTOD.json")
    assert [event["text"] for event in of(items, "message.created")] == [
        turn["Text"] for turn in turns if "Text" in turn
    ]
    assert len(of(items, "bot.tool_called")) == sum("Text" not in turn for turn in turns)


def test_star_dialogues_that_are_a_file_each() -> None:
    paths = sorted((DIALOGUES / "star/raw_samples").glob("*.json"))
    assert len(paths) == 12
    for path in paths:
        items = read("star", path)
        texts = [each["Text"] for each in json.loads(path.read_text())["Events"] if "Text" in each]
        assert not damage(items)
        assert [e.event["text"] for e in items if "text" in e.event] == texts  # type: ignore[union-attr]


STAR_SPOKEN = {"User": ("utter",), "Wizard": ("utter", "pick_suggestion")}
"""Who says something that the other side reads, by the actions of the file."""


def test_every_message_of_all_star_dialogues() -> None:
    path = DIALOGUES / "star/star_dev_2000.jsonl.gz"
    with gzip.open(path) as file:
        dialogues = [json.loads(line) for line in file]
    expected = [
        (f"star-{each['DialogueID']}", event["Agent"], event["Text"], event["UnixTime"])
        for each in dialogues
        for event in each["Events"]
        if event["Action"] in STAR_SPOKEN.get(event["Agent"], ())
    ]
    items = read("star", path)
    agents = {"customer": "User", "agent": "Wizard"}
    found = [
        (e["conversation_id"], agents[e["participant_role"]], e["text"], when(e))
        for e in of(items, "message.created")
    ]
    assert found == [(*each[:3], datetime.fromtimestamp(each[3], UTC)) for each in expected]
    assert len(found) == 28_882
    assert not damage(items)
