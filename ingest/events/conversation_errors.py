"""Errors of conversations: of their messages, participants, contacts, handoffs and control."""

from ingest.errors import EventRejectedError


class UnknownConversationError(EventRejectedError):
    """No conversation has this id; create it first, then send the same event again."""

    status = 404
    code = "unknown_conversation"
    title = "Unknown conversation"


class ConversationExistsError(EventRejectedError):
    """Another conversation has this id, or is open with this key; `conversation_id` names it."""

    status = 409
    code = "conversation_exists"
    title = "The conversation exists"


class ConversationClosedError(EventRejectedError):
    """The conversation is closed, and closed is final. It was not stored."""

    status = 409
    code = "conversation_closed"
    title = "The conversation is closed"


class UnknownMessageError(EventRejectedError):
    """No message of this conversation has this id. Nothing was stored."""

    status = 404
    code = "unknown_message"
    title = "Unknown message"


class MessageExistsError(EventRejectedError):
    """Another message of this conversation has this id. Nothing was stored."""

    status = 409
    code = "message_exists"
    title = "The message exists already"


class MessageDeletedError(EventRejectedError):
    """The message is deleted. It takes no edit and no reaction; nothing was stored."""

    status = 409
    code = "message_deleted"
    title = "The message is deleted"


class UnknownParticipantError(EventRejectedError):
    """No participant has this id; add the participant first. The event was not stored."""

    status = 404
    code = "unknown_participant"
    title = "Unknown participant"


class RoleConflictError(EventRejectedError):
    """The participant has another role in this conversation. Nothing was stored."""

    status = 409
    code = "role_conflict"
    title = "The participant has another role"


class UnknownContactError(EventRejectedError):
    """No contact has this id. Nothing was stored."""

    status = 404
    code = "unknown_contact"
    title = "Unknown contact"


class ContactExistsError(EventRejectedError):
    """A contact with this id was created before, by another event."""

    status = 409
    code = "contact_exists"
    title = "The contact exists"


class UnknownProposalError(EventRejectedError):
    """No proposal to merge these two contacts waits for a decision. Nothing was stored."""

    status = 404
    code = "unknown_proposal"
    title = "Unknown proposal"


class StaleEpochError(EventRejectedError):
    """Control has changed since the sender read its epoch. The message was not stored."""

    status = 409
    code = "stale_epoch"
    title = "The control epoch is stale"


class NotInControlError(EventRejectedError):
    """The sender does not have control; `control` says who. The message was not stored.

    A bot waits until control returns. An agent takes control first, with `POST …/control/take`.
    """

    status = 409
    code = "not_in_control"
    title = "The sender does not have control"


class HandoffStateError(EventRejectedError):
    """The status of the handoff does not allow this step. It was not stored."""

    status = 409
    code = "handoff_state"
    title = "The handoff does not allow this now"
