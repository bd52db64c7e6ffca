"""Errors of the conversation API, answered as RFC 9457 problem+json with a stable code.

IngestError
├── InvalidRequestError          the request cannot be accepted as it is
│   ├── MalformedBodyError
│   ├── TooLargeError
│   ├── PlaceBeyondEndError      a place to read from that the log does not have yet
│   └── UnsupportedMediaTypeError
├── NotFoundError, MethodNotAllowedError, UnknownRejectedEventError, UnknownWebhookError, UnknownHookError,
│   UnknownFrameworkError
├── UnreadableSecretError        no key decrypts a stored secret
├── UnauthorizedError            no key, or an unknown one
├── RateLimitedError             too many requests; try again
├── MissingScopeError, ForbiddenError    the key or the token does not allow this
├── EventRejectedError           the event cannot be accepted as it is
│   ├── ForbiddenTypeError       this key may not write this type
│   ├── VersionMismatchError     the object changed meanwhile
│   ├── UnreadableStateError     the stored state is damaged
│   ├── RejectedByHookError      a hook rejected the message
│   ├── HookFailedError          a required hook did not answer
│   └── EventConflictError       another event has the id or the Idempotency-Key
└── LogUnavailableError          nothing is wrong with the event; try again
    └── OutcomeUnknownError      the request may be stored
The errors of one area are in `ingest/events/conversation_errors.py`, `ingest/events/review_errors.py` and
`ingest/channels/errors.py`.
No error repeats the input: `field` is a place, `detail` is our text.
"""

from typing import Any


class IngestError(Exception):
    """Base of all; `code` is stable, `status` is the HTTP status, `field` is the place of the fault."""

    status = 500
    code = "internal_error"
    title = "Something went wrong on our side"
    retryable = False
    retry_after: int | None = None
    """Seconds after which a retry may succeed."""

    def __init__(self, detail: str, field: str | None = None, **members: Any) -> None:
        """`detail`: what is wrong and what to do. `field`: a JSON path such as `$.text`.

        `members`: further members of the problem, such as the id of the object in the way.
        """
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.members = members

    def problem(self) -> dict[str, Any]:
        """Return the problem+json body."""
        body: dict[str, Any] = {
            "type": f"urn:convolake:error:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "retryable": self.retryable,
        }
        if self.field is not None:
            body["field"] = self.field
        return body | self.members


class InvalidRequestError(IngestError):
    """The body or a parameter does not have the form that the API page gives. Nothing was stored."""

    status = 422
    code = "invalid_request"
    title = "The request is not valid"


class MalformedBodyError(InvalidRequestError):
    """The body is not JSON in UTF-8. Nothing was stored."""

    status = 400
    code = "malformed_body"
    title = "The body is not JSON"


class TooLargeError(InvalidRequestError):
    """The body or an event in it is over the limit. Nothing of it was stored; send smaller batches."""

    status = 413
    code = "too_large"
    title = "The request is too large"


class UnsupportedMediaTypeError(InvalidRequestError):
    """The body is compressed or neither JSON nor NDJSON. Nothing was stored."""

    status = 415
    code = "unsupported_media_type"
    title = "The media type is not supported"


class NotFoundError(IngestError):
    """No route has this path."""

    status = 404
    code = "not_found"
    title = "Not found"


class PlaceBeyondEndError(InvalidRequestError):
    """The place to read from is beyond the newest event: it is of another log, or of one restored from a backup.

    `last_sequence` or `cursor` is the newest place. Read from there, or from the start.
    """

    status = 422
    code = "place_beyond_end"
    title = "The place is beyond the end"


class MethodNotAllowedError(IngestError):
    """The route exists, but not with this method."""

    status = 405
    code = "method_not_allowed"
    title = "Method not allowed"


class UnknownRejectedEventError(IngestError):
    """No rejected event has this id, or it is of another source."""

    status = 404
    code = "unknown_rejected_event"
    title = "Unknown rejected event"


class UnauthorizedError(IngestError):
    """No key was sent, or an unknown one. Nothing was stored."""

    status = 401
    code = "unauthorized"
    title = "A valid API key is needed"


class MissingScopeError(IngestError):
    """The key or the token does not have a scope that this needs. Nothing was stored."""

    status = 403
    code = "missing_scope"
    title = "The key may not do this"


class ForbiddenError(IngestError):
    """The key or the token does not allow this. Nothing was stored."""

    status = 403
    code = "forbidden"
    title = "This is not yours to do"


class RateLimitedError(IngestError):
    """The caller made too many requests. Nothing was stored; try again after `Retry-After`."""

    status = 429
    code = "rate_limited"
    title = "Too many requests"
    retryable = True

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        """`retry_after` is in seconds."""
        super().__init__(detail)
        self.retry_after = retry_after


class EventRejectedError(IngestError):
    """The event can never be accepted in this form. It was not stored."""

    status = 422
    code = "event_rejected"
    title = "The event is not valid"


class ForbiddenTypeError(EventRejectedError):
    """The contract reserves this event type for another writer. It was not stored."""

    status = 403
    code = "forbidden_type"
    title = "This key may not write this event type"


class UnreadableStateError(EventRejectedError):
    """The stored state of this conversation, message or contact is damaged, and so are its events.

    All others work. The event was not stored; a rejected event is kept and can be replayed after the repair.
    """

    status = 503
    code = "unreadable_state"
    title = "The stored state cannot be read"


class VersionMismatchError(EventRejectedError):
    """The object changed since the version in If-Match. Read it again, then change it."""

    status = 412
    code = "version_mismatch"
    title = "The object has changed"


class EventConflictError(EventRejectedError):
    """Another event with other content has this event_id. The first one is stored."""

    status = 409
    code = "event_conflict"
    title = "The event_id is taken by another event"


class UnknownWebhookError(IngestError):
    """No webhook has this id, or it is of another source."""

    status = 404
    code = "unknown_webhook"
    title = "Unknown webhook"


class UnknownHookError(IngestError):
    """No hook has this id, or it is of another source."""

    status = 404
    code = "unknown_hook"
    title = "Unknown hook"


class UnknownFrameworkError(IngestError):
    """No logger of bot frameworks has this name. Nothing was stored."""

    status = 404
    code = "unknown_framework"
    title = "Unknown bot framework"


class UnreadableSecretError(IngestError):
    """No key decrypts a secret: its key is lost. Everything else works. Set the secret again, or restore the key."""

    status = 503
    code = "unreadable_secret"
    title = "A secret cannot be decrypted"
    retryable = True
    retry_after = 60


class RejectedByHookError(EventRejectedError):
    """A hook rejected the message; the detail has its reason. It was not stored."""

    status = 422
    code = "rejected_by_hook"
    title = "A hook rejected the message"


class HookFailedError(EventRejectedError):
    """A required hook did not answer in time, or not in the required form. The message was not stored."""

    status = 424
    code = "hook_failed"
    title = "A hook gave no answer"
    retryable = True


class LogUnavailableError(IngestError):
    """The log cannot store events now. Nothing of this request was stored; send it again later."""

    status = 503
    retry_after = 1
    code = "log_unavailable"
    title = "The log is unavailable"
    retryable = True


class OutcomeUnknownError(LogUnavailableError):
    """The log did not answer, and may have stored the request. Send it again with the same ids.

    A repeat is stored once only with an event_id, a message_id or an Idempotency-Key.
    """

    code = "outcome_unknown"
    title = "It is unknown whether the request was stored"
