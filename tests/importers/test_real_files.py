"""Real files come in through their importers, equal to another reading of the file.

They are third-party data next to the checkout; without them these tests are skipped, and the small files of the
other tests still run.
"""

import csv
import gzip
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import mktime_tz, parsedate_tz
from pathlib import Path
from typing import Any

import pytest

from ingest.importers.base import Ambiguity, Damage, ImportedEvent, ImportOptions, Item
from tests.real_files import DATA, read

DIALOGUES, CHATS = DATA / "A_dialogues", DATA / "B_timestamped_chat"
pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the files are not next to this checkout")

Said = tuple[str | None, str, datetime | None]
"""Sender, text and time of a message."""


def of(items: list[Item], event_type: str) -> list[dict[str, Any]]:
    events = [item.event for item in items if isinstance(item, ImportedEvent)]
    return [event for event in events if event["event_type"] == event_type]


def when(event: dict[str, Any]) -> datetime | None:
    return datetime.fromisoformat(event["happened_at"]) if "happened_at" in event else None


def said(items: list[Item], sender: Callable[[dict[str, Any]], str | None]) -> list[Said]:
    return [(sender(event), event["text"], when(event)) for event in of(items, "message.created")]


def names(items: list[Item]) -> Callable[[dict[str, Any]], str | None]:
    """The name under which each participant joined."""
    joined = {
        event["participant_id"]: event.get("payload", {}).get("attributes", {}).get("name")
        for event in of(items, "participant.joined")
    }
    return lambda event: joined[event["participant_id"]]


def damage(items: list[Item]) -> list[Damage]:
    return [item for item in items if isinstance(item, Damage)]


WHATSAPP = {
    "test_mmddyy_24hrs": "%m/%d/%y, %H:%M - ",
    "test_ddmmyy_24hrs": "%d/%m/%y, %H:%M - ",
    "test_bracketed_mmddyy_24hrs": "[%m/%d/%y %H:%M] ",
    "test_yyyymmdd_24hrs": "%Y/%m/%d, %H:%M - ",
    "test_mmddyyyy_12hrs": "%m/%d/%Y, %I:%M %p - ",
}


@pytest.mark.parametrize("name", WHATSAPP)
def test_whatsapp_chats_in_five_layouts(name: str) -> None:
    path = CHATS / f"chat_exports/whatsapp/{name}.txt"
    expected: list[Said] = []
    pattern = re.compile(r"^(\[?\d.*?(?: - |\] ))(.*(?:\n(?!\[?\d+/).*)*)", re.MULTILINE)
    for head, rest in pattern.findall(path.read_text()):
        written = head.replace("a. m.", "AM").replace("p. m.", "PM")
        if written.endswith("AM - ") and ", 00:" in written:
            written = written.replace(", 00:", ", 12:")  # midnight, as this phone writes it
        at = datetime.strptime(written, WHATSAPP[name]).replace(tzinfo=UTC)
        sender, colon, text = rest.partition(":")
        if colon:
            expected.append((sender, text.removeprefix(" "), at))
    items = read("whatsapp", path)
    assert said(items, names(items)) == expected
    assert len(expected) == 7
    assert len(of(items, "custom.system_notice")) == 2
    assert not damage(items)


def test_a_signal_chat() -> None:
    items = read("signal", CHATS / "chat_exports/signal/test_export.txt")
    assert said(items, names(items)) == [
        ("Jane Doe", "Hello John!", datetime(2019, 12, 24, 12, 23, tzinfo=UTC)),
        ("John Doe", "Hello\nJane!", datetime(2020, 1, 17, 21, 49, tzinfo=UTC)),
    ]


@pytest.mark.parametrize("name", ["test_single_export", "test_batch_export"])
def test_telegram_chats(name: str) -> None:
    items = read("telegram", CHATS / f"chat_exports/telegram/{name}.json")
    assert said(items, names(items)) == [
        ("Author 1", "Minimal Message", datetime.fromtimestamp(1544006350, UTC)),
        ("Author 2", "Link:https://telegram.org/", datetime.fromtimestamp(1544006964, UTC)),
    ]


def test_an_instagram_thread_is_in_order_of_time() -> None:
    items = read("instagram", CHATS / "chat_exports/instagram/test_export.json")
    assert said(items, names(items)) == [
        ("Jane Doe", "Hello John!", datetime.fromtimestamp(1577186580, UTC)),
        ("John Doe", "Hello Jane!", datetime.fromtimestamp(1579294140, UTC)),
    ]


NOTICES = {
    "channel_purpose": 13, "channel_archive": 9, "channel_name": 2, "channel_topic": 2, "bot_add": 1, "pinned_item": 1,
}  # fmt: skip


def test_a_slack_workspace() -> None:
    folder = CHATS / "slack_export_houstondatavis"
    given = [
        (file.parent.name, message)
        for file in folder.glob("*/*.json")
        for message in json.loads(file.read_text())
    ]
    items = read("slack", folder)
    assert not damage(items)
    assert len(given) == 1_382
    ids = {each["name"]: each["id"] for each in json.loads((folder / "channels.json").read_text())}
    expected = {
        (
            f"slack-{ids[channel]}",
            f"slack-{message.get('user') or message['comment']['user']}",
            message["text"],
            message["ts"],
        )
        for channel, message in given
        if message.get("subtype") in {None, "file_share", "file_comment"}
    }
    found = {
        (
            event["conversation_id"],
            event["participant_id"],
            event["text"],
            event["message_id"].rpartition("-")[2],
        )
        for event in of(items, "message.created")
    }
    assert found == expected
    assert len(of(items, "message.created")) == len(expected) == 1_031
    for event in of(items, "message.created"):
        seconds, micros = event["message_id"].rpartition("-")[2].split(".")
        exact = datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(micros))
        assert when(event) == exact
    assert len(of(items, "participant.left")) == 3
    assert len(of(items, "message.edited")) == 37
    notices = [event["payload"]["subtype"] for event in of(items, "custom.slack_notice")]
    assert {name: notices.count(name) for name in NOTICES} == NOTICES
    assert len(of(items, "participant.joined")) >= 320


def irc_lines(path: Path) -> Iterator[tuple[str, str, int, int]]:
    for line in path.read_text().split("\n"):
        if match := re.match(r"\[(\d\d):(\d\d)\] (?:<([^>]+)>| \* (\S+)) ?(.*)", line):
            hour, minute, nick, actor, text = match.groups()
            yield nick or actor, text, int(hour), int(minute)


def irc_logs() -> list[Path]:
    return sorted((CHATS / "irc_ubuntu").glob("*.raw.txt"))


@pytest.mark.parametrize("path", irc_logs(), ids=lambda path: path.name)
def test_an_irc_log(path: Path) -> None:
    items = read("irc", path)
    assert not damage(items)
    day = datetime.fromisoformat(path.name[:10]).replace(tzinfo=UTC)
    has_half_clock = path.name.startswith("2004-11-15")
    expected: list[Said] = []
    last = day
    for nick, text, hour, minute in irc_lines(path):
        at = day + timedelta(hours=hour % 12 if has_half_clock else hour, minutes=minute)
        while at < last:
            at += timedelta(hours=12 if has_half_clock else 24)
        expected.append((nick, text, at))
        last = at
    timed = [event for event in of(items, "message.created") if not is_untimed(event)]
    assert [(e["payload"]["nick"], e["text"], when(e)) for e in timed] == expected
    content = path.read_text()
    systems = re.findall(r"^=== (\S+) (.*)", content, re.MULTILINE)
    renamed = [each for each in systems if each[1].startswith("is now known as")]
    joined = [each for each in systems if "has joined" in each[1]]
    left = [each for each in systems if "has left" in each[1]]
    assert len(of(items, "participant.updated")) == len(renamed)
    assert len(of(items, "participant.left")) == len(left)
    assert len(of(items, "message.created")) == (
        len(expected) + len(systems) - len(renamed) - len(joined) - len(left)
    )
    bots = {e["payload"]["nick"] for e in timed if e["participant_role"] == "bot"}
    assert bots <= {"ubotu", "ubottu", "FloodBot1", "FloodBot2", "FloodBot3"}
    questions = [item.question for item in items if isinstance(item, Ambiguity)]
    assert ("the clock has 12 hours" in questions) == has_half_clock


def is_untimed(event: dict[str, Any]) -> bool:
    """Whether a message is an action of the old form, a line with `===`, which is not in `irc_lines`."""
    return bool(event["payload"].get("is_untimed"))


def test_intercom_tables() -> None:
    folder = CHATS / "intercom_seed"
    items = read("intercom", folder)
    assert not damage(items)
    with (folder / "conversation_part_history_data.csv").open() as file:
        parts = list(csv.DictReader(file))
    with (folder / "conversation_history_data.csv").open() as file:
        current = [row for row in csv.DictReader(file) if row["_fivetran_active"] == "true"]
    expected = {(f"intercom-{row['id']}", row["source_body"], row["created_at"]) for row in current}
    expected |= {
        (f"intercom-{row['conversation_id']}", row["body"], row["created_at"])
        for row in parts
        if row["part_type"] == "note"
    }
    found = {
        (event["conversation_id"], event["text"], f"{when(event):%Y-%m-%d %H:%M:%S}")
        for event in of(items, "message.created")
    }
    assert found == expected
    closed = sorted(row["created_at"] for row in parts if row["part_type"] == "close")
    resolved = [f"{when(event):%Y-%m-%d %H:%M:%S}" for event in of(items, "conversation.resolved")]
    assert sorted(resolved) == closed
    assert len(closed) == 8


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


def test_mail_files() -> None:
    paths = sorted((DATA / "C_webhooks/email").rglob("*.eml"))
    assert len(paths) == 76
    read_count = 0
    for path in paths:
        items = read("mbox", path)
        parsed = message_from_bytes(path.read_bytes(), policy=policy.compat32)
        messages = of(items, "message.created")
        assert len(messages) + len(damage(items)) == 1, path
        read_count += len(messages)
        written = parsedate_tz(str(parsed.get("date", "")))
        if messages and written is not None and "happened_at" in messages[0]:
            at = datetime.fromisoformat(messages[0]["happened_at"])
            assert at.timestamp() == mktime_tz(written), path
    assert read_count >= 70
