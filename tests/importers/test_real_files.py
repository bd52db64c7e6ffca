"""Real chats and mails come in through their importers, equal to another reading of the file.

They are third-party data next to the checkout; without them these tests are skipped, and the small files of the
other tests still run.
"""

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.utils import mktime_tz, parsedate_tz
from pathlib import Path
from typing import Any

import pytest

from ingest.importers.base import Ambiguity
from tests.importers.readings import Said, damage, names, of, said, when
from tests.real_files import DATA, read

CHATS = DATA / "B_timestamped_chat"


pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the files are not next to this checkout")


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
