"""Scopes and access: what a caller may do."""

from msgspec import Struct

from ingest.errors import ForbiddenError, MissingScopeError
from ingest.events.conversation_errors import UnknownConversationError
from ingest.events.draft import Draft

SCOPES = {
    "events:write": "record facts: /v1/events",
    "conversations:write": "command: open conversations, post messages, hand off",
    "read": "read conversations, messages, events; listen to them",
    "webhooks:admin": "make, change and replay webhooks; make and change hooks",
    "channels:admin": "make and change channel accounts, and set their secrets",
    "import": "give facts a `happened_at`",
    "review": "write reviews",
    "audit": "record what users of the dashboard see",
    "pii:read": "read personal data of contacts",
    "admin": "all of this, for every source",
}
"""Scopes of API keys."""

DEFAULT_SCOPES = frozenset({"events:write", "conversations:write", "read"})
"""Scopes that a bot or a channel needs."""

PARTICIPATE = "take_part"
"""Scopes of a customer's token, which API keys cannot have: write and read as that participant."""

CUSTOMER_SCOPES = frozenset({PARTICIPATE})


class User(Struct, frozen=True):
    """The user of a token: a participant, in some conversations, for a limited time."""

    participant_id: str
    conversation_ids: frozenset[str]
    """Empty: every conversation."""
    view: str
    expires_at: int
    """Microseconds since 1970."""


class Caller(Struct, frozen=True):
    """The sender of a request. `source` is what it writes as; without `channels`, every channel."""

    source: str
    scopes: frozenset[str]
    channels: frozenset[str] = frozenset()
    user: User | None = None

    @property
    def is_admin(self) -> bool:
        """Whether the caller sees events of other sources."""
        return "admin" in self.scopes

    @property
    def gives_times(self) -> bool:
        """Whether facts of the caller may have a `happened_at`."""
        return self.is_admin or "import" in self.scopes

    def require_scope(self, *scopes: str) -> None:
        """Raise MissingScopeError unless the caller has one of `scopes`, if any are named."""
        if scopes and not self.is_admin and self.scopes.isdisjoint(scopes):
            raise MissingScopeError(
                f"this needs the scope {scopes[0]}; `convolake keys create --scope` gives it"
            )

    def owns(self, source: str, channels: frozenset[str]) -> bool:
        """Return whether the caller may see and change an object of this source and these channels."""
        if source != self.source and not self.is_admin:
            return False
        return not self.channels or bool(channels and channels <= self.channels)

    def require_access(self, conversation_id: str | None) -> None:
        """Raise UnknownConversationError if a token is not for this conversation.

        Raise ForbiddenError if it is for single ones, and the request concerns more. The answer is the
        same as for a conversation that does not exist, so foreign ids stay unknown.
        """
        if self.user is None or not self.user.conversation_ids:
            return
        if conversation_id is None:
            raise ForbiddenError("this token is for single conversations")
        if conversation_id not in self.user.conversation_ids:
            raise UnknownConversationError(
                "there is no conversation with this id", "conversation_id"
            )

    def act_as(self, draft: Draft, key: str | None = None) -> None:
        """Set the participant of a user's draft; `key` is the event id of the Idempotency-Key.

        Raises ForbiddenError if the draft names another participant, MissingScopeError without the scope.
        """
        if draft.happened_at is not None:
            self.require_scope("import")
        if self.user is None:
            return
        if draft.participant_id not in (None, self.user.participant_id):
            raise ForbiddenError("a token speaks for its own participant", "$.participant_id")
        draft.participant_id = self.user.participant_id
        if self.user.view != "customer":
            return
        if draft.visibility == "internal":
            raise ForbiddenError("a customer writes no internal notes", "$.visibility")
        if draft.channel is not None:
            raise ForbiddenError("a customer's token does not choose the channel", "$.channel")
        names_message = draft.event_type == "message.created" and draft.message_id is not None
        if draft.event_id not in (None, key) or names_message:
            raise ForbiddenError("name your message by an Idempotency-Key", "$.event_id")
