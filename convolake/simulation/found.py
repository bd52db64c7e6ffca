"""The facts that are stored after a simulation, in the words of the expectation."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from convolake.simulation.expected import Row, Rows
from convolake.simulation.parts import Part
from convolake.simulation.plan import STATES

Record = Mapping[str, Any]
Read = Callable[[str], Iterable[Record]]
"""Returns the rows that a file of the folder `sql` defines, by its name."""


class Found:
    """Reads the warehouse, or the API. What belongs to no planned customer is named by its own id."""

    def __init__(self, read: Read, parts: Mapping[str, Part]) -> None:
        """`parts`: the messages of the plan; their provider ids tell whose conversation it is."""
        self._read = read
        self._keys = {part.provider_id: key for key, part in parts.items()} | {
            key: key for key in parts
        }
        self._customers = {key: part.conversation.customer.number for key, part in parts.items()}
        self._messages = list(read("messages"))
        self._owners = self._owners_of("conversation_id")
        self._contacts = self._owners_of("contact_id")
        self._receipts = Counter(
            {
                (each["message_id"], each["event_type"]): each["event_count"]
                for each in read("receipt_events")
            }
        )

    def rows(self) -> Rows:
        """Return every fact."""
        return dict(self._rows())

    def _rows(self) -> Iterator[tuple[str, Row]]:
        for each in self._messages:
            yield f"message {self._key(each)}", self._message(each)
        yield from self._conversations()
        yield from self._people()
        for each in self._read("turns"):
            owner = self._owner(each)
            yield (
                f"turn {each['turn_number']} of {owner}",
                {
                    "start": _seconds(each["started_at"]),
                    "customer's messages": each["customer_message_count"],
                    "latency of the bot": each["reply_seconds"],
                },
            )
        for each in self._read("sessions"):
            yield (
                f"session {each['session_number']} of {self._owner(each)}",
                {
                    "start": _seconds(each["started_at"]),
                    "end": _seconds(each["ended_at"]),
                    "reason of the end": each["end_reason"],
                    "messages": each["message_count"],
                },
            )

    def _message(self, row: Record) -> Row:
        common = {
            "text": row["text"],
            "role": row["participant_role"],
            "channel": row["channel"],
            "conversation of customer": self._owners.get(row["conversation_id"]),
            "session": row["session_number"],
            "time": _seconds(row["happened_at"]),
        }
        if row["participant_role"] == "customer":
            contact = self._contacts.get(row["contact_id"])
            return {**common, "provider id": row["provider_id"], "contact of customer": contact}
        return {
            **common,
            "state": row["status"],
            "submitted": _seconds(row["submitted_at"]),
            "delivered": _seconds(row["delivered_at"]),
            "read": _seconds(row["read_at"]),
            "failed": _seconds(row["failed_at"]),
            "error code": row["error_code"],
            **{
                f"{state} events": self._receipts[row["message_id"], f"message.{state}"]
                for state in STATES.values()
            },
        }

    def _conversations(self) -> Iterator[tuple[str, Row]]:
        """Yield the conversations of each customer together: a second one is a difference."""
        order = defaultdict[str, list[str]](list)
        for each in self._messages:
            order[self._owner(each)].append(self._key(each))
        owned = defaultdict[str, list[Record]](list)
        for each in self._read("conversations"):
            owned[self._owner(each)].append(each)
        others = defaultdict[str, set[str]](set)
        for each in self._read("other_events"):
            others[self._owner(each)].add(each["event_type"])
        for owner, conversations in owned.items():
            yield (
                f"conversation of {owner}",
                {
                    "conversations": len(conversations),
                    "messages": sum(each["message_count"] for each in conversations),
                    "order": " ".join(order[owner]),
                    "sessions": sum(each["session_count"] for each in conversations),
                    "other events": " ".join(sorted(others[owner])),
                },
            )

    def _people(self) -> Iterator[tuple[str, Row]]:
        """Yield the contacts of each customer together, with all of their addresses."""
        contacts = defaultdict[str, set[str]](set)
        addresses = defaultdict[str, set[str]](set)
        for each in self._read("addresses"):
            contact = each["contact_id"]
            number = self._contacts.get(contact)
            owner = f"contact {contact}" if number is None else f"customer {number}"
            payload = json.loads(each["payload"])
            contacts[owner].add(contact)
            addresses[owner].add(f"{payload.get('kind')}:{payload['address']}")
        for owner, found in contacts.items():
            yield owner, {"contacts": len(found), "addresses": " ".join(sorted(addresses[owner]))}

    def _key(self, row: Record) -> str:
        """Return the planned message of a row: a customer's by the provider's id, an answer by its own."""
        name: str = row["provider_id"] or row["message_id"]
        return self._keys.get(name, name)

    def _owner(self, row: Record) -> str:
        number = self._owners.get(row["conversation_id"])
        return f"conversation {row['conversation_id']}" if number is None else f"customer {number}"

    def _owners_of(self, column: str) -> dict[str, int]:
        """Return the customer whose message is the first with each value of a column."""
        owners: dict[str, int] = {}
        for each in self._messages:
            number = self._customers.get(self._key(each))
            if number is not None and each[column] is not None:
                owners.setdefault(each[column], number)
        return owners


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.replace(tzinfo=UTC).timestamp()
