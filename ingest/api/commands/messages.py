"""What becomes of a message: edits, its end, reactions, receipts."""

from typing import Annotated, Literal

from msgspec import Meta

from ingest.api.commands.command import Body, CommandRouter, Reason, payload
from ingest.api.scopes import TAKE_PART
from ingest.log.drafts import Draft, Id

router = CommandRouter()


class Edit(Body, kw_only=True, forbid_unknown_fields=True):
    """What a message says from now on."""

    text: str


class Reaction(Body, kw_only=True, forbid_unknown_fields=True):
    """How somebody reacted; null takes the reaction back."""

    participant_id: Id
    reaction: Annotated[str, Meta(max_length=64)] | None


class ReceiptReport(Body, kw_only=True, forbid_unknown_fields=True):
    """What a channel says of a delivery to `participant_id`; `attempt` counts from 1."""

    status: Literal["submitted", "delivered", "read", "failed"]
    attempt: Annotated[int, Meta(ge=1, le=1000)] = 1
    error_code: Annotated[str, Meta(max_length=128)] | None = None


MESSAGE = "/conversations/{conversation_id}/messages/{message_id}"


@router.command(
    "PATCH",
    MESSAGE,
    Edit,
    tag="messages",
    example={"text": "Where is order 7?"},
    is_edit=True,
)
def edit_message(body: Edit) -> Draft:
    """Change what a message says. What it said before stays on the record."""
    return Draft(event_type="message.edited", text=body.text)


@router.command(
    "DELETE",
    MESSAGE,
    Reason,
    tag="messages",
    example={"reason": "sent to the wrong one"},
    is_edit=True,
)
def delete_message(body: Reason) -> Draft:
    """Take a message's text away. Its place stays, as a tombstone."""
    return Draft(event_type="message.deleted", payload=payload(reason=body.reason))


@router.command(
    "POST",
    f"{MESSAGE}/reactions",
    Reaction,
    tag="messages",
    example={"participant_id": "ada", "reaction": "👍"},
    scopes=(TAKE_PART,),
)
def react_to_message(body: Reaction) -> Draft:
    """React to a message, or take the reaction back."""
    return Draft(event_type="message.reacted", payload={"reaction": body.reaction})


@router.command(
    "POST",
    f"{MESSAGE}/receipts",
    ReceiptReport,
    tag="receipts",
    example={"participant_id": "ada", "status": "delivered"},
    scopes=(TAKE_PART,),
)
def report_receipt(body: ReceiptReport) -> Draft:
    """Report a receipt. A late one of a lower rank is kept and changes nothing."""
    given = payload(attempt=None if body.attempt == 1 else body.attempt, error_code=body.error_code)
    return Draft(event_type=f"message.{body.status}", payload=given)
