"""Compares the events that an account stored with what a call says."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx2

from tests.channels.said import Said

Event = dict[str, Any]


def has(payload: Any, details: Any) -> bool:
    """Return whether a payload has these details, at any depth."""
    if not isinstance(details, dict) or not isinstance(payload, dict):
        return bool(payload == details)
    return all(has(payload.get(name), each) for name, each in details.items())


class Comparison:
    """The comparison of one call. `own`: ids of messages that we sent, by the provider's id."""

    def __init__(
        self, http: httpx2.Client, stored: Sequence[Event], own: Mapping[str, str]
    ) -> None:
        self.http, self.own = http, own
        self.left = list(stored)
        self.received = {
            each["payload"]["provider_id"]: each["message_id"]
            for each in stored
            if each["event_type"] == "message.created"
        }

    def difference(self, said: Sequence[Said]) -> str | None:
        """Return how the events differ from what was said, or None."""
        for each in said:
            found = self._take(each)
            if isinstance(found, str):
                return found
            if different := self._difference(each, found):
                return f"{each.kind}: another {different}"
        if self.left:
            return f"stored, but not said: {self.left[0]['event_type']}"
        return None

    def _take(self, said: Said) -> Event | str:
        """Return the one event of this kind and id, or what is wrong with their number."""
        found = [each for each in self.left if self._is_meant(each, said)]
        if said.data is not None:
            found = [each for each in found if (each.get("payload") or {}) == said.data] or found
        if not found or (said.provider_id is not None and len(found) > 1):
            return f"{len(found)} events {said.kind} for one"
        self.left.remove(found[0])
        return found[0]

    def _is_meant(self, event: Event, said: Said) -> bool:
        if event["event_type"] != said.kind:
            return False
        if said.until is not None:
            return bool(event["message_id"] == self.own["until"])
        if said.provider_id is None:
            return True
        if said.is_message:
            return bool(event["payload"]["provider_id"] == said.provider_id)
        messages = {**self.received, **self.own}
        return bool(event["message_id"] == messages[said.provider_id])

    def _difference(self, said: Said, event: Event) -> str | None:
        payload = event.get("payload") or {}
        at = datetime.fromisoformat(event["happened_at"]).timestamp()
        is_late = said.at is not None and abs(at - said.at) > 0.001
        is_customer = event.get("participant_role") == "customer"
        checks = {
            "text": not said.has_text or (event.get("text") or None) == (said.text or None),
            "time": not is_late,
            "channel": event.get("channel") == said.channel,
            "author": said.author is None or event.get("participant_role") == said.author,
            "payload": (said.data is None or payload == said.data) and has(payload, said.details),
            "sender": said.sender is None or not is_customer or self._is_from(event, said.sender),
        }
        return next((name for name, is_right in checks.items() if not is_right), None)

    def _is_from(self, event: Event, sender: str) -> bool:
        """Return whether an address of the event's contact is the sender's."""
        found = self.http.get(f"/v1/contacts/{quote(event.get('contact_id', '-'), safe='')}").json()
        addresses = {each["address"].lower().lstrip("+") for each in found.get("addresses", [])}
        return sender.lower().lstrip("+") in addresses
