"""The index of a plan for one provider: every message with its customer and the provider's id. Pure."""

from msgspec import Struct

from convolake.simulation.plan import Conversation, Plan, Said
from convolake.simulation.providers.base import Provider


class Part(Struct, frozen=True):
    """A message or an answer, its conversation, and the provider's id of it.

    `customer_ids`: the provider's ids of all messages of the customer.
    """

    conversation: Conversation
    said: Said
    provider_id: str
    customer_ids: frozenset[str]


def index_of(plan: Plan, provider: Provider) -> dict[str, Part]:
    """Return every message and answer by its key."""
    return {part.said.key: part for each in plan for part in _parts(each, provider)}


def _parts(conversation: Conversation, provider: Provider) -> list[Part]:
    customer = conversation.customer
    said: list[Said] = [each for turn in conversation.turns for each in turn.messages]
    answers: list[Said] = [turn.answer for turn in conversation.turns]
    inbound = [provider.inbound_id(customer, place) for place in range(1, len(said) + 1)]
    outbound = [provider.outbound_id(customer, place) for place in range(1, len(answers) + 1)]
    customer_ids = frozenset(inbound)
    pairs = zip((*said, *answers), (*inbound, *outbound), strict=True)
    return [Part(conversation, each, provider_id, customer_ids) for each, provider_id in pairs]
