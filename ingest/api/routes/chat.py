"""A web chat at /chat: one page of plain HTML to talk to a bot.

The page uses the API like any web chat, with a customer's token. A setting allows visitors to open
conversations. Without it your own site opens them with its API key, and links to
`/chat#conversation_id=…&participant_id=…&token=…`.
"""

import base64
import hashlib
import re
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from pydantic import BaseModel

from ingest.api.dependencies import Context
from ingest.api.intake import submit
from ingest.api.openapi import problem_responses
from ingest.auth.permissions import CUSTOMER_SCOPES, Caller, User
from ingest.auth.tokens import MAX_TOKEN_SECONDS
from ingest.errors import ForbiddenError, LogUnavailableError, RateLimitedError
from ingest.events.draft import Command, Draft
from ingest.log.writer_requests import Append, IncomingEvent

SOURCE = "chat"

PAGE = (Path(__file__).parent / "chat.html").read_text()


def _policy() -> str:
    """Return the content security policy: only the page's own script runs, whatever a message contains."""
    script = re.search(r"<script>(.*?)</script>", PAGE, re.DOTALL)
    digest = hashlib.sha256(script.group(1).encode() if script else b"").digest()
    return (
        f"default-src 'none'; script-src 'sha256-{base64.b64encode(digest).decode()}'; "
        "style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )


HEADERS = {
    "content-security-policy": _policy(),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}

router = APIRouter(tags=["chat"])


class NewChat(BaseModel):
    """A conversation for a visitor, and the visitor's token."""

    conversation_id: str
    participant_id: str
    token: str


@router.get("/chat", response_class=HTMLResponse)
def chat() -> Response:
    """Return the web chat."""
    return HTMLResponse(PAGE, headers=HEADERS)


@router.post(
    "/chat/conversations",
    status_code=201,
    responses=problem_responses((ForbiddenError, RateLimitedError, LogUnavailableError)),
)
async def open_chat(request: Request, api: Context) -> NewChat:
    """Open a conversation for a visitor of /chat, if the setting `chat` allows it."""
    api.rate_limiter.check_visitor(request.scope)
    if api.chat_bot is None:
        raise ForbiddenError("this page opens no conversations; the setting `chat` lets it")
    conversation_id = request.app.state.new_id()
    visitor = f"visitor-{conversation_id[-8:]}"
    participants = [
        {"participant_id": visitor, "participant_role": "customer"},
        {"participant_id": api.chat_bot, "participant_role": "bot"},
    ]
    draft = Draft(
        event_type="conversation.created",
        conversation_id=conversation_id,
        channel="web",
        payload={"participants": participants},
    )
    arrival = IncomingEvent(b"", draft, command=Command())
    (answer,) = await submit(api, Append(SOURCE, "/chat/conversations", 1, [arrival]))
    if answer.error is not None:
        raise answer.error
    user = User(
        visitor,
        frozenset({conversation_id}),
        "customer",
        api.clock() + MAX_TOKEN_SECONDS * 1_000_000,
    )
    token = api.tokens.issue(Caller(SOURCE, CUSTOMER_SCOPES), user)
    return NewChat(conversation_id=conversation_id, participant_id=visitor, token=token)
