"""A small file of each format: good records, and one that is damage, at known places."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

AT = 1_700_000_000


@dataclass(frozen=True)
class Sample:
    """How to write a file of `records`, and where the second of them is."""

    write: Callable[[Path, Sequence[bytes]], Path]
    good: Callable[[int], bytes]
    bad: bytes
    place: str
    """Place of record N, with N as `{}`."""
    is_streamed: bool = True


def _lines(name: str, header: bytes = b"") -> Callable[[Path, Sequence[bytes]], Path]:
    return _file(name, header, b"\n", b"\n")


def _file(
    name: str, head: bytes, between: bytes, tail: bytes
) -> Callable[[Path, Sequence[bytes]], Path]:
    def write(folder: Path, records: Sequence[bytes]) -> Path:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head + between.join(records) + tail)
        return path

    return write


def _array(name: str) -> Callable[[Path, Sequence[bytes]], Path]:
    return _file(name, b"[", b",\n", b"]")


def _folder(name: str, head: bytes, between: bytes, tail: bytes) -> Callable[..., Path]:
    write = _file(f"export/{name}", head, between, tail)

    def write_folder(folder: Path, records: Sequence[bytes]) -> Path:
        write(folder, records)
        return folder / "export"

    return write_folder


def _json(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def _star(number: int) -> bytes:
    return _json(
        DialogueID=number, BatchID="woz_1589458635", AnonymizedUserWorkerID="ada",
        AnonymizedWizardWorkerID="ben", CompletionLevel="Complete",
        Events=[
            {"Agent": "User", "Action": "utter", "Text": "Hello", "UnixTime": 1589458636},
            {"Agent": "Wizard", "Action": "utter", "Text": "Hi", "UnixTime": 1589458640},
        ],
    )  # fmt: skip


def _event(number: int) -> bytes:
    return _json(
        event_id=f"e-{number}", event_type="conversation.created", channel="web",
        conversation_id=f"jsonl-{number}", happened_at="2024-01-01 10:00:00.000001",
        payload='{"subject":"Hello"}', position=number, session_id="s", source="k",
    )  # fmt: skip


def _taskmaster(number: int) -> bytes:
    calls = [
        {"name": "api_call", "value": "find", "context": "api_call_0"},
        {"name": "request", "value": "{}", "context": "api_call_0"},
    ]
    return _json(
        conversation_id=f"dlg-{number}",
        utterances=[
            {"index": 0, "speaker": "user", "text": "A chai, please", "annotations": calls},
            {"index": 1, "speaker": "assistant", "text": "It is ready", "annotations": []},
        ],
    )


def _chat(number: int) -> bytes:
    call = {"id": "call_abcdefgh", "function": {"name": "find", "arguments": "{}"}}
    return _json(
        id=f"chat-{number}",
        messages=[
            {"role": "user", "content": "Where is my order?"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_abcdefgh", "content": "on its way"},
            {"role": "assistant", "content": "It is on its way."},
        ],
    )


SAMPLES: dict[str, Sample] = {
    "star": Sample(_lines("sample.jsonl"), _star, b"{}", "line {}"),
    "jsonl": Sample(_lines("sample.jsonl"), _event, b"{}", "line {}"),
    "csv": Sample(
        _lines("sample.csv", b"conversation,sender,role,time,text\n"),
        lambda n: f'c{n},ada,agent,2024-01-01T10:00:00Z,"hello, {n}"'.encode(),
        b"c,,agent,2024-01-01T10:00:00Z,hello",
        "row {}",
    ),
    "whatsapp": Sample(
        _lines("Chat with Ada.txt"),
        lambda n: f"13/01/24, 11:25 - Ada: hello {n}".encode(),
        b"\xff\xfe\xfd",
        "line {}",
    ),
    "signal": Sample(
        _lines("signal.txt"),
        lambda n: f"[2024-01-13, 12:23] Ada: hello {n}".encode(),
        b"\xff\xfe\xfd",
        "line {}",
    ),
    "slack": Sample(
        _folder("general/2024-01-01.json", b"[", b",\n", b"]"),
        lambda n: _json(type="message", user="U1", text="Hi", ts=f"{AT + n}.000100"),
        b"5",
        "general/2024-01-01.json, message {}",
        is_streamed=False,
    ),
    "telegram": Sample(
        _file("result.json", b'{"id": 7, "name": "Shop", "messages": [', b",\n", b"]}"),
        lambda n: _json(id=n, type="message", date_unixtime=str(AT + n), text="Hi", **{"from": "A"}),
        b"5",
        "chat 1, message {}",
        is_streamed=False,
    ),
    "instagram": Sample(
        _file("message_1.json", b'{"messages": [', b",\n", b"]}"),
        lambda n: _json(sender_name="Ada", timestamp_ms=(AT + n) * 1000, content="Hi"),
        b"5",
        "message {}",
        is_streamed=False,
    ),
    "irc": Sample(
        _lines("2024-01-01.txt"),
        lambda n: f"[10:00] <ada> hello {n}".encode(),
        b"no line of a log",
        "line {}",
    ),
    "mbox": Sample(
        _file("mails.mbox", b"", b"\n", b"\n"),
        lambda n: (
            b"From ada@shop.example Mon Jan  1 10:00:00 2024\n"
            b"From: Ada <ada@shop.example>\nSubject: Hi\nDate: Mon, 1 Jan 2024 10:00:00 +0100\n"
            b"Message-ID: <%d@shop.example>\n\nHello\n>From here\n" % n
        ),
        b"From nowhere\n\nno headers at all\n",
        "mail {}",
        is_streamed=False,
    ),
    "multidogo": Sample(
        _lines("dev.tsv", b"conversationId\tturnNumber\tutteranceId\tutterance\tintent\n"),
        lambda n: f"c{n}\t0\tu{n}\thello\topeninggreeting<div>bookflight".encode(),
        b"c\t0",
        "row {}",
    ),
    "taskmaster": Sample(_array("data.json"), _taskmaster, b"5", "line {}"),
    "dialogstudio": Sample(
        _array("abcd.json"),
        lambda n: _json(convo_id=n, original=[["agent", "Hi!"], ["action", "found"]]),
        b"5",
        "line {}",
    ),
    "intercom": Sample(
        _folder("parts.csv", b"id,conversation_id,part_type,author_id,author_type,body,created_at\n", b"\n", b"\n"),
        lambda n: f"{n},c{n},comment,a1,admin,hello,2024-01-01 10:00:00".encode(),
        b"9,c9,comment,a1,admin,hello,soon",
        "parts.csv, row {}",
        is_streamed=False,
    ),
    "zendesk": Sample(
        _folder("comments.csv", b"id,ticket_id,author_id,body,public,created_at\n", b"\n", b"\n"),
        lambda n: f"{n},t{n},u1,hello,true,2024-01-01 10:00:00".encode(),
        b"9,t9,u1,hello,true,soon",
        "comments.csv, row {}",
        is_streamed=False,
    ),
    "chatwoot": Sample(
        _array("messages.json"),
        lambda n: _json(id=n, conversation_id=n, content="Hi", message_type=0, created_at=AT + n),
        b"5",
        "message {}",
        is_streamed=False,
    ),
    "rasa": Sample(
        _lines("events.jsonl"),
        lambda n: _json(
            sender_id=f"ada-{n}", event="user", timestamp=AT + n, text="Hi", message_id=f"m{n}",
            parse_data={"intent": {"name": "greet", "confidence": 0.9}},
        ),
        b"{}",
        "line {}",
    ),
    "botframework": Sample(
        _array("chat.transcript"),
        lambda n: _json(
            type="message", id=str(n), timestamp="2024-01-01T10:00:00Z", channelId="emulator", text="Hi",
            conversation={"id": f"c{n}"}, **{"from": {"id": "ada", "role": "user"}},
        ),
        b"5",
        "line {}",
    ),
    "dialogflow": Sample(
        _lines("requests.jsonl"),
        lambda n: _json(
            responseId=f"r{n}", session=f"projects/p/agent/sessions/{n}",
            queryResult={"queryText": "Hi", "intent": {"displayName": "greet"}},
        ),
        b"{}",
        "line {}",
    ),
    "langfuse": Sample(
        _lines("traces.jsonl"),
        lambda n: _json(
            trace={"id": f"t{n}", "timestamp": f"2025-01-01T10:0{n % 10}:00Z"},
            observations=[
                {
                    "id": f"o{n}", "type": "GENERATION", "startTime": "2025-01-01T10:00:00Z",
                    "input": [{"role": "user", "content": "Hi"}], "output": "Hello", "model": "m",
                }
            ],
        ),
        b"{}",
        "line {}",
        is_streamed=False,
    ),
    "openai-chat": Sample(_lines("chats.jsonl"), _chat, b"{}", "line {}"),
}  # fmt: skip
