"""Commands: what clients ask to become of a conversation, its people and its messages.

Each is one event. It is refused (409, 412) if what the client saw has changed meanwhile; a fact,
which cannot be refused, goes to `POST /v1/events`.
"""

from ingest.api.commands import contacts, conversations, handoffs, messages, participants

ROUTERS = (
    conversations.router,
    participants.router,
    messages.router,
    handoffs.router,
    contacts.router,
)
