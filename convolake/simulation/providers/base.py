"""The seam between the simulation and a provider: bodies of calls, and the provider's side of a send. Pure."""

from collections.abc import Mapping
from typing import Protocol

from msgspec import Struct

from convolake.simulation.plan import Channel, Customer, Message, Receipt, Status

API_URL, WEBHOOK_URL = "api_url", "webhook_url"
"""Options of a channel account."""

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


class Body(Struct, frozen=True):
    """The body of a call. `url`: where the provider calls, if not the account's own webhook."""

    content: bytes
    content_type: str
    url: str | None = None


class Taken(Struct, frozen=True):
    """A send that the provider took. `reference`: what it returns in statuses, as this provider does that.

    `at`: when it was taken. `mark_at`: the earliest time that a mark of it may name. Both in microseconds.
    """

    recipient: str
    text: str
    reference: str
    at: int = 0
    mark_at: int = 0


class Provider(Channel, Protocol):
    """One provider as the simulation plays it, written from its documentation and apart from the adapter."""

    @property
    def adapter(self) -> str:
        """Name of the adapter that signs its calls."""

    @property
    def channel(self) -> str:
        """Name of the channel, also on the command line."""

    @property
    def echoes(self) -> bool:
        """Whether its status `sent` is an echo of the message."""

    @property
    def marks(self) -> frozenset[Status]:
        """The statuses that hold for every message of the bot up to their time."""

    @property
    def has_times(self) -> bool:
        """Whether its calls say when something happened."""

    @property
    def can_hide_numbers(self) -> bool:
        """Whether a customer may hide the phone number."""

    @property
    def address(self) -> str:
        """The organisation's own side."""

    @property
    def failure_code(self) -> str:
        """Code of the error in its status `failed`."""

    @property
    def secrets(self) -> Mapping[str, str]:
        """Secrets of the channel account."""

    def options(self, provider_url: str, webhook_url: str) -> Mapping[str, str]:
        """Return the options of the channel account. `provider_url`: where the stand-in listens."""

    def message(self, customer: Customer, message: Message, provider_id: str) -> Body:
        """Return the call for a customer's message."""

    def status(self, customer: Customer, receipt: Receipt, send: Taken, provider_id: str) -> Body:
        """Return the call for a receipt; `send.reference` is empty if the provider does not return it."""

    def inbound_id(self, customer: Customer, place: int) -> str:
        """Return the provider's id of a customer's message. `place`: 1, 2 … in the simulation."""

    def outbound_id(self, customer: Customer, place: int) -> str:
        """Return the provider's id of an answer."""

    def read_send(self, path: str, body: bytes) -> Taken:
        """Read a send as the provider does. Raises ValueError if it is none."""

    def send_answer(self, send: Taken, provider_id: str) -> bytes:
        """Return what the provider answers to a send that it takes."""

    def recipient(self, customer: Customer) -> str:
        """Return how a send names this customer."""

    def addresses(self, customer: Customer) -> frozenset[str]:
        """Return the addresses under which the customer is known in the end, as `kind:value`."""
