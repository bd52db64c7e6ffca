"""Spans arrive in any order, in any batches, late or twice: the conversation is the same in the end."""

from collections import Counter
from collections.abc import Sequence
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.bots.conftest import BotApi
from tests.bots.otlp_bodies import Body, chat, genai, make_span, make_traces

NUMBERS = count(1)
"""Conversations of the examples: they share one log."""

TEXTS = st.sampled_from(["ok", "hi", "Where is it?", "thanks"])
TURNS = st.lists(st.tuples(TEXTS, TEXTS, st.booleans()), min_size=1, max_size=5)
"""What the customer says, what the bot says, and whether it asks a tool before."""

Turn = tuple[str, str, bool]

SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def call_of(call_id: str) -> Body:
    part = {"type": "tool_call", "id": call_id, "name": "find", "arguments": {"order": 7}}
    return {"role": "assistant", "parts": [part]}


def result_of(call_id: str) -> Body:
    part = {"type": "tool_call_response", "id": call_id, "response": {"found": call_id}}
    return {"role": "tool", "parts": [part]}


def spans_of(turns: Sequence[Turn], name: str) -> list[Body]:
    """Each turn is a trace: an agent above one or two calls of a model, and a tool between them."""
    history: list[Body] = []
    spans: list[Body] = []
    for number, (asked, answered, uses_tool) in enumerate(turns):
        trace, at = next(NUMBERS), number * 60.0
        call_id = f"call-{name}-{number}"
        history.append(chat(asked))
        root: dict[str, Any] = {"gen_ai.operation.name": "invoke_agent"}
        spans.append(make_span(trace, 1, start=at, end=at + 9, attributes=root))
        if uses_tool:
            first = genai(history, [call_of(call_id)], conversation=name)
            spans.append(make_span(trace, 2, start=at + 1, end=at + 2, parent=1, attributes=first))
            ran = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"}
            ran |= {"gen_ai.tool.call.id": call_id, "gen_ai.tool.call.result": "found"}
            spans.append(make_span(trace, 3, start=at + 3, end=at + 4, parent=1, attributes=ran))
            history += [call_of(call_id), result_of(call_id)]
        reply = chat(answered, "assistant")
        last = genai(history, [reply], conversation=name)
        spans.append(make_span(trace, 4, start=at + 5, end=at + 8, parent=1, attributes=last))
        history.append(reply)
    return spans


def expected(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    return [
        said for asked, answered, _ in turns for said in (("customer", asked), ("bot", answered))
    ]


def split(data: st.DataObject, spans: Sequence[Body]) -> list[list[Body]]:
    """The spans in any order, in any number of batches."""
    shuffled = data.draw(st.permutations(spans))
    batches: list[list[Body]] = [[]]
    for each in shuffled:
        if data.draw(st.booleans()):
            batches.append([])
        batches[-1].append(each)
    return batches


def without_ids(events: Sequence[Body]) -> list[Any]:
    return [
        (each["event_type"], each["happened_at"], each.get("participant_id"), each.get("text"))
        for each in events
    ]


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(turns=TURNS, data=st.data())
def test_spans_that_arrive_in_time_give_the_same_events_in_the_same_order_however_they_arrive(
    bot_api: BotApi, turns: list[Turn], data: st.DataObject
) -> None:
    one, other = f"c{next(NUMBERS)}", f"c{next(NUMBERS)}"
    bot_api.send(make_traces(spans_of(turns, one)))
    for batch in split(data, spans_of(turns, other)):
        bot_api.send(make_traces(batch))
        bot_api.convert(seconds=0.1)
    bot_api.convert()
    assert bot_api.messages(one) == bot_api.messages(other) == expected(turns)
    assert without_ids(bot_api.events(one)) == without_ids(bot_api.events(other))


@pytest.mark.long
@settings(max_examples=40, deadline=None, suppress_health_check=SHARED)
@given(turns=TURNS, data=st.data())
def test_spans_that_arrive_long_after_others_bring_nothing_twice_and_lose_nothing(
    bot_api: BotApi, turns: list[Turn], data: st.DataObject
) -> None:
    name = f"c{next(NUMBERS)}"
    spans = spans_of(turns, name)
    for batch in [*split(data, spans), spans]:
        bot_api.send(make_traces(batch))
        bot_api.convert()
    assert Counter(bot_api.messages(name)) == Counter(expected(turns))
    tools = sum(uses_tool for _, _, uses_tool in turns)
    types = Counter(each["event_type"] for each in bot_api.events(name))
    assert types["bot.tool_called"] == types["custom.tool_returned"] == tools
    assert types["bot.turn_completed"] == len(turns) + tools


def test_a_span_without_a_conversation_waits_for_the_root_that_names_it(bot_api: BotApi) -> None:
    call = genai([chat("Hello")], [chat("Good day", "assistant")], conversation=None)
    bot_api.send(make_traces([make_span(1, 2, parent=1, attributes=call)]))
    bot_api.convert(seconds=20)
    assert bot_api.conversations() == []
    root = {"openinference.span.kind": "CHAIN", "session.id": "s1"}
    bot_api.send(make_traces([make_span(1, 1, attributes=root)]))
    bot_api.convert(seconds=20)
    assert bot_api.conversations() == ["s1"]
    assert bot_api.messages("s1") == [("customer", "Hello"), ("bot", "Good day")]


def test_a_span_that_comes_after_its_trace_was_stored_finds_the_conversation(
    bot_api: BotApi,
) -> None:
    bot_api.send(make_traces([make_span(1, 1, attributes={"session.id": "s1"})]))
    bot_api.convert()
    call = genai([chat("Hello")], [chat("Good day", "assistant")], conversation=None)
    bot_api.send(make_traces([make_span(1, 2, parent=1, attributes=call)]))
    bot_api.convert()
    assert bot_api.conversations() == ["s1"]


def test_the_same_words_in_two_turns_are_two_messages_also_without_a_history(
    bot_api: BotApi,
) -> None:
    for trace in (1, 2):
        call = genai([chat("yes")], [chat("ok", "assistant")])
        bot_api.send(make_traces([make_span(trace, 1, start=trace * 9, attributes=call)]))
    bot_api.convert()
    assert bot_api.messages() == [("customer", "yes"), ("bot", "ok")] * 2


@pytest.mark.parametrize("is_reversed", [False, True])
def test_calls_with_a_tool_between_them_may_be_traces_of_their_own(
    bot_api: BotApi, is_reversed: bool
) -> None:
    """Without a span around the turn, each call of an instrumented client is a root."""
    asked = chat("Where is it?")
    first = genai([asked], [call_of("call-0123456789")])
    given = [asked, call_of("call-0123456789"), result_of("call-0123456789")]
    last = genai(given, [chat("Here", "assistant")])
    spans = [make_span(1, 1, attributes=first), make_span(2, 2, start=5, attributes=last)]
    for span in reversed(spans) if is_reversed else spans:
        bot_api.send(make_traces([span]))
        bot_api.convert()
    assert sorted(bot_api.messages()) == [("bot", "Here"), ("customer", "Where is it?")]
    assert len(bot_api.events("c1", "bot.tool_called")) == 1
    assert len(bot_api.events("c1", "custom.tool_returned")) == 1


def test_two_calls_of_models_about_one_message_store_it_once(bot_api: BotApi) -> None:
    """A router and the model that answers are asked about the same message."""
    router = genai([chat("My bill is wrong")], [chat("billing", "assistant")])
    answer = genai([chat("My bill is wrong")], [chat("Let me see", "assistant")])
    spans = [
        make_span(1, 1, start=0, attributes=router),
        make_span(1, 2, start=2, attributes=answer),
    ]
    bot_api.send(make_traces(spans))
    bot_api.convert()
    assert bot_api.messages().count(("customer", "My bill is wrong")) == 1
    assert len(bot_api.calls()) == 2


def test_a_history_that_was_cut_off_at_its_beginning_is_not_stored_again(bot_api: BotApi) -> None:
    said: list[Body] = []
    for number in range(6):
        said.append(chat(f"question {number}"))
        reply = chat(f"answer {number}", "assistant")
        call = genai(said[-3:], [reply])
        said.append(reply)
        bot_api.send(make_traces([make_span(number + 1, 1, start=number * 9, attributes=call)]))
        bot_api.convert()
    assert [text for _, text in bot_api.messages()] == [
        text for number in range(6) for text in (f"question {number}", f"answer {number}")
    ]


@pytest.mark.parametrize("has_history", [True, False])
def test_messages_that_a_channel_has_recorded_are_not_stored_again(
    bot_api: BotApi, has_history: bool
) -> None:
    """A bot behind a channel reports its calls: they add tokens and tools to the conversation there is."""
    people = (("ada", "customer"), ("helper", "bot"))
    texts = ("Hello", "Good day", "My order?", "On its way")
    events: list[Body] = [
        {"event_type": "conversation.created", "conversation_id": "c1", "channel": "whatsapp"}
    ]
    for number, text in enumerate(texts):
        person, role = people[number % 2]
        message = {"event_type": "message.created", "conversation_id": "c1", "text": text}
        events.append(message | {"participant_id": person, "participant_role": role})
    assert bot_api.client.post("/v1/events", json=events).status_code == 200
    before = bot_api.messages()
    given = [chat(text, ("user", "assistant")[n % 2]) for n, text in enumerate(texts[:3])]
    call = genai(given if has_history else given[-1:], [chat(" On its  way", "assistant")])
    bot_api.send(make_traces([make_span(1, 1, attributes=call)]))
    bot_api.convert()
    assert bot_api.messages() == before
    assert len(bot_api.calls()) == 1
