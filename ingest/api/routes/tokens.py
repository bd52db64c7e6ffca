"""User tokens: short-lived credentials for web chats and agent pages."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from ingest.api.dependencies import Context, authorize
from ingest.api.openapi import problem_responses
from ingest.auth.permissions import Caller, User
from ingest.auth.tokens import MAX_TOKEN_SECONDS
from ingest.contract import from_micros
from ingest.errors import (
    ForbiddenError,
    InvalidRequestError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
)
from ingest.events.payloads import ID_PATTERN

router = APIRouter(prefix="/v1")


Id = Annotated[str, Field(pattern=ID_PATTERN)]


class NewToken(BaseModel):
    """The participant and the conversations that a token is for, and what `view` shows.

    A customer's token (`view: customer`) lets them write and read as this participant. A staff token
    (`view: all`) without conversations is valid for all of them.
    """

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    participant_id: Id
    conversation_ids: list[Id] = Field([], max_length=1000)
    view: Literal["customer", "all"] = "customer"
    seconds: Annotated[int, Field(ge=1, le=MAX_TOKEN_SECONDS, strict=True)] = 900


class Token(BaseModel):
    """A token; send it as `Authorization: Bearer …`, or as a second subprotocol of a socket."""

    token: str
    expires_at: str


_EXAMPLE = {"participant_id": "ada", "conversation_ids": ["order-7"]}


def require_conversations_write(connection: HTTPConnection) -> Caller:
    """Return the caller, who may write commands."""
    return authorize(connection, "conversations:write")


@router.post(
    "/tokens",
    status_code=201,
    tags=["tokens"],
    openapi_extra={"requestBody": {"content": {"application/json": {"example": _EXAMPLE}}}},
    responses=problem_responses(
        (
            UnauthorizedError,
            RateLimitedError,
            MissingScopeError,
            ForbiddenError,
            InvalidRequestError,
        )
    ),
)
def create_token(
    api: Context, caller: Annotated[Caller, Depends(require_conversations_write)], body: NewToken
) -> Token:
    """Create a short-lived token for a web chat or an agent's page. The server does not store it."""
    if caller.user is not None:
        raise ForbiddenError("a token makes no tokens; ask with an API key")
    caller.require_scope(
        "read"
    )  # participants read too, and a key cannot give a scope that it does not have
    if body.view == "customer" and not body.conversation_ids:
        raise InvalidRequestError("name the customer's conversations", "body.conversation_ids")
    expires_at = api.clock() // 1_000_000 * 1_000_000 + body.seconds * 1_000_000
    user = User(body.participant_id, frozenset(body.conversation_ids), body.view, expires_at)
    return Token(
        token=api.tokens.issue(caller, user), expires_at=from_micros(expires_at).isoformat()
    )
