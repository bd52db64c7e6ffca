"""A chat that every request repeats is stored once, whatever part of it a request carries."""

from collections.abc import Sequence
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ingest.bots.bot_event import BotEvent, Conversation, Speaker, fingerprint_of, render
from ingest.bots.chat_history import KNOWN_MESSAGES, ChatHistory, KnownMessage
from ingest.bots.chat_messages import ChatMessage, ToolCall, ToolResult

CONVERSATION = Conversation("c", "web")


def history(known: Sequence[KnownMessage] = ()) -> ChatHistory:
    return ChatHistory(CONVERSATION, known)


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)


def bot(text: str) -> ChatMessage:
    return ChatMessage("assistant", text)


def said(events: Sequence[BotEvent]) -> list[tuple[str, str | None]]:
    return [
        (each.speaker.id if each.speaker else "", each.text)
        for each in events
        if each.event_type == "message.created"
    ]


def stored(events: Sequence[BotEvent]) -> list[KnownMessage]:
    """The messages as the store returns them."""
    return [
        KnownMessage(each.message_id, each.speaker.id, each.text)
        for each in events
        if each.message_id and each.speaker and each.text
    ]


TURNS = [message for number in range(6) for message in (user(f"q{number}"), bot(f"a{number}"))]
ALL = [(each.role, each.text) for each in TURNS]


def test_growing_histories_give_each_message_once_in_order() -> None:
    chat = history()
    found = [event for end in range(1, 13) for event in chat.events(TURNS[:end])]
    assert said(found) == ALL
    assert len({each.message_id for each in found}) == 12


@given(windows=st.lists(st.integers(1, 8), min_size=12, max_size=12), restarts=st.booleans())
def test_any_window_of_the_history_gives_each_message_once(
    windows: list[int], restarts: bool
) -> None:
    """A restart forgets everything but the store."""
    chat, found = history(), list[BotEvent]()
    for end, window in enumerate(windows, 1):
        first = max(0, end - max(window, 2))
        found += chat.events(TURNS[first:end])
        if restarts:
            chat = history(stored(found))
    assert said(found) == ALL


@given(order=st.permutations(range(1, 13)))
def test_full_histories_in_any_order_have_the_same_ids_as_in_order(order: list[int]) -> None:
    """Each request is read by a process of its own, so only the ids recognise a repetition."""
    expected = [each.message_id for each in history().events(TURNS)]
    found = {each.message_id for end in order for each in history().events(TURNS[:end])}
    assert found == set(expected)


def test_a_repeated_request_gives_nothing_new() -> None:
    chat = history()
    first = list(chat.events(TURNS[:3]))
    assert list(chat.events(TURNS[:3])) == []
    assert list(history(stored(first)).events(TURNS[:3])) == []


def test_equal_messages_in_a_row_are_all_stored() -> None:
    found = list(history().events([user("yes"), bot("ok"), user("yes"), user("yes")]))
    assert [text for _, text in said(found)] == ["yes", "ok", "yes", "yes"]


def test_messages_of_another_channel_are_recognised_in_the_history() -> None:
    widget = [KnownMessage("m-1", "user", "Where is my order?")]
    found = list(history(widget).events([user("Where is  my order?\n"), bot("On its way.")]))
    assert said(found) == [("assistant", "On its way.")]


def test_a_message_before_a_known_one_is_not_lost() -> None:
    widget = [KnownMessage("m-1", "user", "And mine?")]
    found = list(history(widget).events([bot("Welcome"), user("And mine?"), bot("Here")]))
    assert ("assistant", "Welcome") in said(found)
    assert ("assistant", "Here") in said(found)


def test_a_chat_longer_than_what_is_known_is_not_doubled() -> None:
    long = [user(f"m{number}") for number in range(KNOWN_MESSAGES + 100)]
    before = list(history().events(long))
    found = list(history(stored(before)[-KNOWN_MESSAGES:]).events([*long, bot("new")]))
    assert said(found) == [("assistant", "new")]


def test_a_request_that_continues_another_repeats_nothing_and_is_safe_to_repeat() -> None:
    chat = history()
    list(chat.events([user("hi"), bot("hello")]))
    for number in (1, 2):
        found = list(chat.events([user("hi")], continues=f"response-{number}"))
        assert said(found) == [("user", "hi")]
        assert list(chat.events([user("hi")], continues=f"response-{number}")) == []


CALL = ChatMessage("assistant", tool_calls=(ToolCall("find", {"id": 7}, "call_abcdefgh"),))
RESULT = ChatMessage("tool", tool_results=(ToolResult("found", "call_abcdefgh"),))


def test_a_tool_call_and_its_result_come_once() -> None:
    chat = history()
    found = [
        event
        for part in ([user("q")], [user("q"), CALL], [user("q"), CALL, RESULT], [CALL, RESULT])
        for event in chat.events(part)
    ]
    assert [each.event_type for each in found] == [
        "message.created",
        "bot.tool_called",
        "custom.tool_returned",
    ]
    assert found[1].payload == {"tool": "find", "call_id": "call_abcdefgh", "arguments": {"id": 7}}
    assert found[2].payload == {"call_id": "call_abcdefgh", "result": "found"}


def test_calls_whose_ids_repeat_in_each_turn_are_all_stored() -> None:
    call = ChatMessage("assistant", tool_calls=(ToolCall("now", {}, "1"),))
    result = ChatMessage("tool", tool_results=(ToolResult("noon", "1"),))
    turns = [user("time?"), call, result, bot("noon"), user("and now?"), call, call, result]
    chat = history()
    found = [event for end in range(1, 9) for event in chat.events(turns[:end])]
    assert [each.event_type for each in found].count("bot.tool_called") == 3
    assert [each.event_type for each in found].count("custom.tool_returned") == 2


def test_a_system_prompt_is_internal_and_comes_again_only_when_it_changes() -> None:
    chat = history()
    found = [
        event
        for prompt in ("Be kind.", "Be kind.", "Be brief.")
        for event in chat.events([ChatMessage("system", prompt), user("hi")])
    ]
    prompts = [each for each in found if each.speaker and each.speaker.role == "system"]
    assert [(each.text, each.visibility) for each in prompts] == [
        ("Be kind.", "internal"),
        ("Be brief.", "internal"),
    ]
    assert len(found) == 3


def test_a_repeat_at_another_time_has_the_same_id_and_fingerprint() -> None:
    times = (datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 1, 2, tzinfo=UTC))
    first, again = (render(next(history().events([user("hi")], at))) for at in times)
    assert first["event_id"] == again["event_id"]
    assert first["occurred_at"] != again["occurred_at"]
    assert fingerprint_of(first) == fingerprint_of(again)
    assert fingerprint_of(first) != fingerprint_of(first | {"text": "ho"})


def test_the_speakers_are_those_that_the_caller_names() -> None:
    chat = ChatHistory(
        CONVERSATION, customer=Speaker("ada", "customer", "Ada"), bot=Speaker("b", "bot")
    )
    events = [render(each) for each in chat.events([user("hi"), bot("hello")])]
    assert [each["participant_id"] for each in events] == ["ada", "b"]
    assert events[0]["payload"] == {"author_name": "Ada"}
