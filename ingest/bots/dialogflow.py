"""Dialogflow: fulfillment requests of ES (v2) and CX. https://cloud.google.com/dialogflow.

The agent sends one before it answers, so the customer's message and what was understood are facts, and the
answers of the console only a proposal: they are kept with the turn. A record `{"request": …, "response": …}` has the
webhook's answer, which becomes the bot's message.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ingest.bots.base import Part, Reader, Surroundings
from ingest.bots.bot_event import (
    BotEvent,
    Conversation,
    Speaker,
    UnreadableRecordError,
    message_id_of,
)
from ingest.bots.fields import (
    bounded,
    digest,
    items,
    mapping,
    moment_or_none,
    name_of,
    number,
    present,
    text,
)
from ingest.events.foreign_ids import to_id

BOT = Speaker("dialogflow-agent", "bot")
_CHANNELS = {"facebook": "messenger", "slack_testbot": "slack", "google": "google_assistant"}
_NO_MATCH = ("sys.no-match", "sys.no-input")
"""Beginnings of CX's events for a message that no intent fits."""

Record = Mapping[str, Any]


class DialogflowLogger:
    """Reads Dialogflow's fulfillment requests."""

    name = "dialogflow"
    title = "Dialogflow ES and CX (fulfillment requests)"
    example: Mapping[str, Any] = {
        "responseId": "188f19d3-80de",
        "session": "projects/shop/agent/sessions/88d13aa8",
        "queryResult": {
            "queryText": "Where is my order?",
            "intent": {"displayName": "track_order"},
            "intentDetectionConfidence": 0.93,
            "languageCode": "en",
        },
        "originalDetectIntentRequest": {"source": "slack", "payload": {}},
    }

    def open(self, surroundings: Surroundings) -> Reader:
        """Return a reader. It remembers nothing: a request says all about itself."""
        return lambda record: _record(record, surroundings)


def _record(record: Any, surroundings: Surroundings) -> Iterator[Part]:
    if not isinstance(record, Mapping):
        raise UnreadableRecordError("not a fulfillment request: an object is expected")
    request = mapping(record, "request") or record
    if mapping(request, "queryResult"):
        turn: _Turn = _EsTurn(request, surroundings)
    elif {"intentInfo", "sessionInfo", "detectIntentResponseId"} & request.keys():
        turn = _CxTurn(request, surroundings)
    else:
        raise UnreadableRecordError("neither a queryResult (ES) nor a sessionInfo (CX)")
    yield from turn.parts(mapping(record, "response"))


class _Turn:
    """One request as events. Subclasses read the fields of ES and of CX."""

    def __init__(self, request: Record, surroundings: Surroundings) -> None:
        self._request = request
        self._original = self._original_payload()
        self.at = self._time()
        channel = name_of(_CHANNELS.get(self._source(), self._source()), "dialogflow")
        given = surroundings.conversation_id
        named = given or f"dialogflow-{self._session() or self.response_id}"
        self._conversation = Conversation(to_id(named), channel)

    @property
    def response_id(self) -> str:
        """Dialogflow's id of this turn, or a digest of the request."""
        found = text(self._request, "responseId", "detectIntentResponseId")
        return found or digest(self._request)

    def _original_payload(self) -> Record:
        return mapping(self._request, "originalDetectIntentRequest", "payload")

    def _source(self) -> str:
        original = mapping(self._request, "originalDetectIntentRequest")
        return text(original, "source") or text(self._original, "source") or ""

    def _session(self) -> str | None:
        """Return the session, which the names of contexts have, too."""
        contexts = items(mapping(self._request, "queryResult"), "outputContexts")
        names = [text(each, "name") or "" for each in contexts if isinstance(each, Mapping)]
        found = [name.partition("/contexts/")[0] for name in names if "/contexts/" in name]
        return text(self._request, "session") or next(iter(found), None)

    def _time(self) -> datetime | None:
        """Return the time that the channel's own message states; Dialogflow states none."""
        data = mapping(self._original, "data")
        return (
            moment_or_none(data, "timestamp", "event_ts", "ts", "date")
            or moment_or_none(mapping(data, "message"), "date")
            or moment_or_none(self._original, "timestamp")
        )

    def said(self) -> str | None:
        """Return what the customer said."""
        raise NotImplementedError

    def nlu(self) -> dict[str, Any]:
        """Return what was understood."""
        raise NotImplementedError

    def rest(self) -> dict[str, Any]:
        """Return the other fields of the turn."""
        raise NotImplementedError

    def parts(self, response: Record) -> Iterator[Part]:
        """Yield the customer's message, the turn, and the answer if it is known."""
        nlu, said = self.nlu(), self.said()
        if said is not None:
            speaker = Speaker(self._conversation.conversation_id, "customer")
            payload = present(nlu=nlu, original=bounded(self._original))
            yield self._made("message.created", "said", speaker, text=said, payload=payload)
        rest = {name: bounded(value) for name, value in self.rest().items()}
        turn = f"turn/{digest([nlu, rest])}"  # CX may send several requests in one turn
        yield self._made(
            "bot.turn_completed",
            turn,
            visibility="internal",
            payload=present(nlu=nlu, **rest),
        )
        for number_of, answer in enumerate(_answers(response)):
            asked = None if said is None else message_id_of(self._conversation, self._key("said"))
            key = f"answer/{turn}/{number_of}"
            yield self._made("message.created", key, text=answer, in_reply_to=asked)

    def _key(self, part: str) -> str:
        return f"{self.response_id}/{part}"

    def _made(self, event_type: str, part: str, speaker: Speaker = BOT, **columns: Any) -> BotEvent:
        return BotEvent(
            conversation=self._conversation,
            event_type=event_type,
            key=self._key(part),
            at=self.at,
            speaker=speaker,
            **columns,
        )


class _EsTurn(_Turn):
    """A request of Dialogflow ES."""

    @property
    def _result(self) -> Record:
        return mapping(self._request, "queryResult")

    def said(self) -> str | None:
        return text(self._result, "queryText") or _original_text(self._original)

    def nlu(self) -> dict[str, Any]:
        intent = mapping(self._result, "intent")
        return present(
            intent=text(intent, "displayName"),
            confidence=number(self._result, "intentDetectionConfidence"),
            is_fallback=True if intent.get("isFallback") is True else None,
        )

    def rest(self) -> dict[str, Any]:
        names = (
            "action", "parameters", "fulfillmentText", "fulfillmentMessages", "outputContexts", "languageCode",
            "sentimentAnalysisResult",
        )  # fmt: skip
        found = {name: self._result.get(name) for name in names}
        return present(**found, alternatives=self._request.get("alternativeQueryResults"))


class _CxTurn(_Turn):
    """A request of Dialogflow CX."""

    def _session(self) -> str | None:
        return text(mapping(self._request, "sessionInfo"), "session")

    def _original_payload(self) -> Record:
        return mapping(self._request, "payload")

    def said(self) -> str | None:
        return text(self._request, "text", "transcript", "dtmfDigits")

    def nlu(self) -> dict[str, Any]:
        intent = mapping(self._request, "intentInfo")
        event = text(self._request, "triggerEvent") or ""
        return present(
            intent=text(intent, "displayName"),
            confidence=number(intent, "confidence"),
            is_fallback=True if event.startswith(_NO_MATCH) else None,
        )

    def rest(self) -> dict[str, Any]:
        return present(
            tag=text(mapping(self._request, "fulfillmentInfo"), "tag"),
            page=self._request.get("pageInfo"),
            parameters=mapping(self._request, "sessionInfo", "parameters"),
            messages=self._request.get("messages"),
            trigger=text(self._request, "triggerIntent", "triggerEvent"),
            languageCode=self._request.get("languageCode"),
        )


def _original_text(original: Record) -> str | None:
    data = mapping(original, "data")
    return text(data, "text") or text(mapping(data, "message"), "text")


def _answers(response: Record) -> list[str]:
    """Return the texts of a webhook's answer, of ES or CX."""
    listed = items(response, "fulfillmentMessages") or items(
        mapping(response, "fulfillmentResponse"), "messages"
    )
    found = [
        said
        for each in listed
        for said in items(mapping(each, "text"), "text")
        if isinstance(said, str) and said
    ]
    alone = text(response, "fulfillmentText")
    return found or ([alone] if alone else [])
