"""Commands as routes: one request becomes one event, rejected if the client saw an outdated state."""

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Meta, Struct

from ingest.api import request_body
from ingest.api.intake import ParsedEvent, ingest_one
from ingest.api.openapi import describe_raw_route
from ingest.api.raw_route import RawRoute
from ingest.errors import InvalidRequestError, VersionMismatchError
from ingest.events.conversation_errors import (
    ConversationClosedError,
    ConversationExistsError,
    HandoffStateError,
    MessageDeletedError,
    RoleConflictError,
    UnknownMessageError,
    UnknownParticipantError,
)
from ingest.events.draft import Command, Draft, Instant
from ingest.events.payloads import ID_PATTERN, ConversationFields, Id
from ingest.log.writer_requests import Acknowledgement

ERRORS = (
    UnknownMessageError,
    UnknownParticipantError,
    ConversationClosedError,
    ConversationExistsError,
    HandoffStateError,
    MessageDeletedError,
    RoleConflictError,
    VersionMismatchError,
)
Text = Annotated[str, Meta(max_length=2000)]


class Body(Struct, kw_only=True, forbid_unknown_fields=True):
    """Fields that every command has: its id, its participant, its time."""

    event_id: Id | None = None
    participant_id: Id | None = None
    occurred_at: Instant | None = None


class ConversationChange(ConversationFields, kw_only=True, forbid_unknown_fields=True):
    """The fields to change. Attributes are merged; null removes one (RFC 7396).

    A Struct cannot inherit the fields of two others, so it repeats those of every command.
    """

    event_id: Id | None = None
    participant_id: Id | None = None
    occurred_at: Instant | None = None


B = TypeVar("B", bound=Body | ConversationChange)


class Reason(Body, kw_only=True, forbid_unknown_fields=True):
    """The reason."""

    reason: Text | None = None


class CommandRouter(APIRouter):
    """Routes that each command one event."""

    def __init__(self) -> None:
        """Register the routes below /v1, as hot routes."""
        super().__init__(prefix="/v1", route_class=RawRoute)

    def command(
        self,
        method: str,
        path: str,
        body: type[B],
        *,
        tag: str,
        example: Any,
        errors: tuple[Any, ...] = ERRORS,
        is_edit: bool = False,
        scope: str = "conversations:write",
        scopes: tuple[str, ...] = (),
    ) -> Callable[[Callable[[B], Draft]], Callable[[B], Draft]]:
        """Return a decorator for a function that builds the draft of an event from the body.

        Path parameters fill the columns of the same names. `is_edit`: If-Match with the ETag of the last read
        rejects the command if the object changed. `scopes`: scopes that allow it in addition to `scope`.
        """

        def install(build: Callable[[B], Draft]) -> Callable[[B], Draft]:
            decoder = msgspec.json.Decoder(body)

            async def endpoint(request: Request) -> Response:
                reader = partial(_read, request, decoder, build, is_edit)
                return await ingest_one(request, reader, *scopes, scope=scope)

            parameters = {
                part[1:-1].partition(":")[0]: ID_PATTERN
                for part in path.split("/")
                if part.startswith("{")
            }
            self.add_api_route(
                path,
                endpoint,
                methods=[method],
                name=build.__name__,
                summary=(build.__doc__ or "").partition("\n")[0].rstrip("."),
                description=build.__doc__,
                tags=[tag],
                openapi_extra=describe_raw_route(
                    body,
                    Acknowledgement,
                    example=example,
                    parameters=parameters,
                    errors=errors,
                    is_edit=is_edit,
                ),
            )
            return build

        return install


def _read(
    request: Request,
    decoder: "msgspec.json.Decoder[B]",
    build: Callable[[B], Draft],
    is_edit: bool,
    raw: bytes,
    event_id: str | None,
) -> ParsedEvent:
    body = request_body.decode_event(raw or b"{}", decoder)
    draft = build(body)
    draft.event_id = body.event_id or event_id
    draft.participant_id = body.participant_id
    draft.occurred_at = body.occurred_at
    for name, value in request.path_params.items():
        # An unknown conversation is 404, whatever it is called; a message may yet come, but not this.
        if name != "conversation_id" and not _ID.match(value):
            raise InvalidRequestError(request_body.NOT_AN_ID, name)
        setattr(draft, name, value)
    if draft.event_type == "handoff.requested" and draft.handoff_id is None:
        draft.event_id = draft.event_id or request.app.state.new_id()
        draft.handoff_id = draft.event_id
    return draft, Command(version=_version(request) if is_edit else None)


def _version(request: Request) -> int | None:
    """Return the version that If-Match names. Raises InvalidRequestError."""
    tag = request.headers.get("if-match", "*").strip()
    if tag == "*":
        return None
    found = _ETAG.fullmatch(tag)
    if found is None:
        raise InvalidRequestError("not an ETag of this API", "If-Match")
    return int(found.group(1))


_ID = re.compile(ID_PATTERN)
_ETAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')


def payload(**values: Any) -> dict[str, Any] | None:
    """Return a payload with the values that are not None; None if there are none."""
    return {name: value for name, value in values.items() if value is not None} or None
