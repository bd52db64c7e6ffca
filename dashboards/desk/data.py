"""What the desk reads from the conversation API. Nothing is cached: a desk is live."""

from dataclasses import dataclass
from itertools import islice

from dashboards.api_client import open_client
from ingest.client import Conversation, Message
from ingest.settings import Settings

MAX_HANDOFFS = 50
"""Maximum number of waiting handoffs on the page, the oldest first."""

MAX_MESSAGES = 50
"""Maximum number of messages on the page, the newest; the transcript has all."""

TYPING_SECONDS = 5
"""Time for which a customer sees that the agent types: longer than the panel takes to refresh."""


@dataclass(frozen=True)
class Handoffs:
    """The conversations whose handoff waits, and those that the agent has."""

    waiting: list[Conversation]
    own: list[Conversation]


@dataclass(frozen=True)
class Live:
    """A conversation at this moment: its state, its newest messages in order, and who is typing."""

    state: Conversation
    messages: list[Message]
    typing: list[str]


def load_handoffs(agent: str) -> Handoffs:
    """Return the waiting handoffs and those of the agent. Raises NoKeyError, ClientError."""
    client = open_client(Settings())
    return Handoffs(
        waiting=list(islice(client.handoffs(), MAX_HANDOFFS)),
        own=list(islice(client.handoffs(agent), MAX_HANDOFFS)),
    )


def load_state(conversation_id: str) -> Conversation:
    """Return a conversation in its current state. Raises NoKeyError, ClientError."""
    return open_client(Settings()).conversation(conversation_id)


def load_live(conversation_id: str, agent: str, *, is_typing: bool = False) -> Live:
    """Return what the panel of a conversation shows; the agent does not see that they type. Raises NoKeyError, ClientError.

    `is_typing`: let the customer see for some seconds that the agent types.
    """
    client = open_client(Settings())
    if is_typing:
        client.start_typing(conversation_id, agent, TYPING_SECONDS)
    newest = list(islice(client.messages(conversation_id, newest_first=True), MAX_MESSAGES))
    typing = client.typing(conversation_id).items
    return Live(
        state=client.conversation(conversation_id),
        messages=newest[::-1],
        typing=[each.participant_id for each in typing if each.participant_id != agent],
    )
