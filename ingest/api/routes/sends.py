"""Sends of channel accounts: those that failed, wait or are unknown, and the decisions of a person."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from msgspec.structs import replace
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from ingest.accounts import sends
from ingest.accounts.registry import ChannelAccount
from ingest.accounts.sends import ChannelSend, SendKey
from ingest.api.dependencies import AppContext, Context
from ingest.api.openapi import problem_responses
from ingest.api.routes.channels import ERRORS, RequireChannelsAdmin, existing_account
from ingest.api.routes.webhooks import example
from ingest.contract import from_micros
from ingest.delivery.channel_registry import requeue
from ingest.delivery.destinations.base import Record
from ingest.delivery.destinations.receipts import append_of, failed, submitted
from ingest.errors import InvalidRequestError
from ingest.log import queries

UNDECIDED: tuple[sends.SendState, ...] = ("failed", "unknown")
"""States in which a person decides."""

_DECIDED: dict[str, sends.SendState] = {"resend": "waiting", "sent": "sent", "failed": "failed"}

router = APIRouter(prefix="/v1/channels", tags=["channels"], responses=problem_responses(ERRORS))

Count = Annotated[int, Field(ge=0)]


class SendView(BaseModel):
    """One part of a message that an account sends."""

    shard: int
    position: int
    part: int
    parts: int
    conversation_id: str
    message_id: str
    state: str = Field(description="sending, waiting, sent, failed or unknown")
    attempt: int
    at: datetime = Field(description="when the state changed")
    provider_id: str | None
    code: str | None
    reason: str | None


class SendList(BaseModel):
    """A page of sends; `cursor` is the `after` of the next page."""

    items: list[SendView]
    cursor: str


class SendDecision(BaseModel):
    """The decision about a send that failed or is unknown: it is sent again, or counts as sent or as failed."""

    model_config = ConfigDict(extra="forbid")

    shard: Count
    position: Count
    decision: Literal["resend", "sent", "failed"]


@router.get("/{account_id}/sends")
def list_sends(
    api: Context,
    caller: RequireChannelsAdmin,
    account_id: str,
    state: Literal["sending", "waiting", "sent", "failed", "unknown"] = "unknown",
    after: Annotated[
        str,
        Query(
            pattern=r"^(\d{1,18}\.\d{1,18}\.\d{1,9})?$", description="`cursor` of the page before"
        ),
    ] = "",
    limit: Annotated[int, Query(ge=1, le=100, description="maximum number of sends")] = 50,
) -> SendList:
    """List the sends of an account in a state, in the order of the log."""
    existing_account(api, caller, account_id)
    shard, position, part = map(int, after.split(".")) if after else (-1, -1, -1)
    found = sends.list_sends(api.engine, account_id, state, limit, (shard, position, part))
    last = found[-1] if found else None
    cursor = after if last is None else f"{last.shard}.{last.position}.{last.part}"
    return SendList(items=[_view(each) for each in found], cursor=cursor)


@router.post(
    "/{account_id}/sends",
    openapi_extra=example({"shard": 0, "position": 12, "decision": "resend"}),
)
async def decide_send(
    api: Context, caller: RequireChannelsAdmin, account_id: str, body: SendDecision
) -> SendView:
    """Decide about a send that failed or is unknown. A message in parts continues where it stopped."""
    account = await run_in_threadpool(existing_account, api, caller, account_id)
    send, record = await run_in_threadpool(_decide, api, account, body)
    await api.writer.submit(append_of(record))
    api.dispatcher.refresh()
    return _view(send)


def _decide(
    api: AppContext, account: ChannelAccount, body: SendDecision
) -> tuple[ChannelSend, Record]:
    """Return the part as the decision leaves it, and what to commit. Raises InvalidRequestError."""
    key = SendKey(account.account_id, body.shard, body.position)
    parts = sends.list_parts(api.engine, key)
    undecided = next((each for each in parts if each.state in UNDECIDED), None)
    if undecided is None:
        raise InvalidRequestError("this send is neither failed nor unknown", "body.position")
    state, attempt = _DECIDED[body.decision], undecided.attempt
    if body.decision == "resend" and undecided.state == "failed":
        attempt += 1  # a failure is final for its attempt
    send = replace(undecided, state=state, attempt=attempt, at=api.clock())
    change = sends.change_sends(key, UNDECIDED, state, attempt, send.at)
    message = queries.get_message(api.engine, send.conversation_id, send.message_id)
    channel = account.channel if message is None else message["channel"]
    if state == "failed":
        return send, Record([change], [failed(send, channel)])
    if state == "sent" and send.part + 1 == send.parts:
        return send, Record([change], [submitted(send, channel)])
    return send, Record([change, *requeue(send, send.at)])


def _view(send: ChannelSend) -> SendView:
    fields = {name: getattr(send, name) for name in SendView.model_fields}
    return SendView(**fields | {"at": from_micros(send.at)})
