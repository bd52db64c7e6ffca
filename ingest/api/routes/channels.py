"""Channel accounts: create, list, change, rotate secrets, disable, delete, and what their providers sent."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import ClauseElement
from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from ingest.accounts import channel_calls, registry
from ingest.accounts.registry import ChannelAccount
from ingest.api.channel_account_view import (
    AccountChanges,
    AccountList,
    AccountView,
    CallList,
    CallView,
    NewAccount,
    NewSecret,
    RefusalView,
    account_view,
)
from ingest.api.dependencies import AppContext, Context, authorize
from ingest.api.openapi import problem_responses
from ingest.api.routes.webhooks import example
from ingest.auth.permissions import Caller
from ingest.channels.base import ChannelAdapter, Field
from ingest.channels.errors import AccountExistsError, UnknownAccountError
from ingest.channels.registry import find_adapter
from ingest.contract import from_micros
from ingest.errors import (
    ForbiddenError,
    InvalidRequestError,
    LogUnavailableError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
    UnreadableSecretError,
)
from ingest.log import queries
from ingest.log.writer_requests import Execute

ERRORS = (
    UnauthorizedError,
    RateLimitedError,
    MissingScopeError,
    ForbiddenError,
    InvalidRequestError,
    UnknownAccountError,
    AccountExistsError,
    UnreadableSecretError,
    LogUnavailableError,
)

MAX_SECRETS = 4
"""Maximum values of a secret during rotations."""


def require_channels_admin(connection: HTTPConnection) -> Caller:
    """Return the caller, who may manage channel accounts."""
    return authorize(connection, "channels:admin")


RequireChannelsAdmin = Annotated[Caller, Depends(require_channels_admin)]
router = APIRouter(prefix="/v1/channels", tags=["channels"], responses=problem_responses(ERRORS))

_EXAMPLE = {
    "provider": "webhook",
    "account_id": "shop",
    "address": "shop.example",
    "secrets": {"signing_secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
}


@router.post("", status_code=201, openapi_extra=example(_EXAMPLE))
async def create_account(
    request: Request, api: Context, caller: RequireChannelsAdmin, body: NewAccount
) -> AccountView:
    """Create a channel account. The answer has the URL to enter at the provider."""
    adapter = find_adapter(body.provider)
    if adapter is None:
        raise InvalidRequestError("no provider has this name", "body.provider")
    _check_fields(adapter.options, body.options, "body.options")
    _check_fields(adapter.secrets, body.secrets, "body.secrets")
    account = ChannelAccount(
        account_id=body.account_id or request.app.state.new_id(),
        provider=body.provider,
        channel=_channel(adapter, body.channel),
        address=body.address,
        options=body.options,
        secrets=registry.seal_secrets(
            api.secrets, {name: [value] for name, value in body.secrets.items()}
        ),
        policy=body.policy.stored(),
        created_at=api.clock(),
        cursor=await run_in_threadpool(queries.head, api.engine),
    )
    _check_channel(caller, account.channel)
    if await run_in_threadpool(registry.get_account, api.engine, account.account_id) is not None:
        raise AccountExistsError("another channel account has this id", "body.account_id")
    await _change(api, account.account_id, registry.insert_account(account))
    return account_view(request, api, account)


def _channel(adapter: ChannelAdapter, channel: str | None) -> str:
    if channel is not None and channel not in adapter.channels:
        raise InvalidRequestError("the provider does not have this channel", "body.channel")
    return channel or adapter.channels[0]


def _check_fields(fields: tuple[Field, ...], given: dict[str, str], place: str) -> None:
    """Raise InvalidRequestError if a required field is missing, or one is unknown."""
    for field in fields:
        if field.is_required and field.name not in given:
            raise InvalidRequestError(f"{field.name} is missing: {field.meaning}", place)
    if not {field.name for field in fields}.issuperset(given):
        raise InvalidRequestError("the provider does not have a field of this name", place)


def _check_channel(caller: Caller, channel: str) -> None:
    if caller.channels and channel not in caller.channels:
        raise ForbiddenError("this key is not for this channel")


@router.get("")
def list_accounts(request: Request, api: Context, caller: RequireChannelsAdmin) -> AccountList:
    """List channel accounts, oldest first."""
    found = registry.list_accounts(api.engine)
    visible = [each for each in found if not caller.channels or each.channel in caller.channels]
    return AccountList(items=[account_view(request, api, each) for each in visible])


@router.get("/{account_id}")
def get_account(
    request: Request, api: Context, caller: RequireChannelsAdmin, account_id: str
) -> AccountView:
    """Return a channel account."""
    return account_view(request, api, existing_account(api, caller, account_id))


@router.get("/{account_id}/calls")
def list_account_calls(
    api: Context,
    caller: RequireChannelsAdmin,
    account_id: str,
    limit: Annotated[int, Query(ge=1, le=100, description="maximum number of calls")] = 20,
) -> CallList:
    """List the newest calls of the provider, and why others were not verified."""
    existing_account(api, caller, account_id)
    return CallList(
        items=[
            CallView(
                call_id=each.call_id,
                received_at=from_micros(each.received_at),
                size=each.size,
                **{name: getattr(each.outcome, name) for name in each.outcome.__struct_fields__},
            )
            for each in channel_calls.list_calls(api.engine, account_id, limit)
        ],
        unverified=[
            RefusalView(reason=each.reason, calls=each.calls, last_at=from_micros(each.last_at))
            for each in channel_calls.list_refusals(api.engine, account_id)
        ],
    )


@router.patch("/{account_id}", openapi_extra=example({"options": {"name": "The shop"}}))
async def change_account(
    request: Request,
    api: Context,
    caller: RequireChannelsAdmin,
    account_id: str,
    body: AccountChanges,
) -> AccountView:
    """Change address, options or policy of a channel account. Safe to repeat."""
    account = await run_in_threadpool(existing_account, api, caller, account_id)
    values: dict[str, object] = {}
    if body.address is not None:
        values["address"] = body.address
    if body.policy is not None:
        values["policy"] = body.policy.stored()
    if body.options is not None:
        _check_fields(_adapter(account).options, body.options, "body.options")
        values["options"] = body.options
    if values:
        await _change(api, account_id, registry.update_account(account_id, **values))
    return await _changed(request, api, caller, account_id)


@router.post(
    "/{account_id}/secrets",
    openapi_extra=example(
        {"name": "signing_secret", "value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}
    ),
)
async def set_secret(
    request: Request, api: Context, caller: RequireChannelsAdmin, account_id: str, body: NewSecret
) -> AccountView:
    """Set a secret. Calls with the value before it are accepted too, until it is set without `keeps_old`."""
    account = await run_in_threadpool(existing_account, api, caller, account_id)
    if body.name not in {field.name for field in _adapter(account).secrets}:
        raise InvalidRequestError("the provider does not have a secret of this name", "body.name")
    try:
        secrets = registry.open_secrets(api.secrets, account)
    except UnreadableSecretError:
        if body.keeps_old:
            raise
        secrets = {}
    before = secrets.get(body.name, []) if body.keeps_old else []
    after = [body.value, *(each for each in before if each != body.value)]
    secrets[body.name] = after[:MAX_SECRETS]
    sealed = registry.seal_secrets(api.secrets, secrets)
    await _change(api, account_id, registry.update_account(account_id, secrets=sealed))
    return await _changed(request, api, caller, account_id)


@router.post("/{account_id}/enable")
async def enable_account(
    request: Request, api: Context, caller: RequireChannelsAdmin, account_id: str
) -> AccountView:
    """Enable a disabled channel account. Safe to repeat."""
    await run_in_threadpool(existing_account, api, caller, account_id)
    change = registry.update_account(account_id, disabled_at=None, disabled_reason=None)
    await _change(api, account_id, change)
    return await _changed(request, api, caller, account_id)


@router.post("/{account_id}/disable")
async def disable_account(
    request: Request, api: Context, caller: RequireChannelsAdmin, account_id: str
) -> AccountView:
    """Disable a channel account: it takes no calls and sends nothing. Safe to repeat."""
    account = await run_in_threadpool(existing_account, api, caller, account_id)
    if account.disabled_at is None:
        change = registry.update_account(
            account_id, disabled_at=api.clock(), disabled_reason="by hand"
        )
        await _change(api, account_id, change)
    return await _changed(request, api, caller, account_id)


@router.delete("/{account_id}")
async def remove_account(
    request: Request, api: Context, caller: RequireChannelsAdmin, account_id: str
) -> AccountView:
    """Delete a channel account and its secrets, and return it as it was. Its events stay."""
    account = await run_in_threadpool(existing_account, api, caller, account_id)
    await _change(api, account_id, *registry.delete_account(account_id))
    return account_view(request, api, account)


def existing_account(api: AppContext, caller: Caller, account_id: str) -> ChannelAccount:
    """Return an account that the caller may manage. Raises UnknownAccountError."""
    found = registry.get_account(api.engine, account_id)
    if found is None or (caller.channels and found.channel not in caller.channels):
        raise UnknownAccountError("there is no channel account with this id", "account_id")
    return found


def _adapter(account: ChannelAccount) -> ChannelAdapter:
    adapter = find_adapter(account.provider)
    if adapter is None:
        raise UnknownAccountError("this version does not have the account's provider")
    return adapter


async def _change(api: AppContext, account_id: str, *statements: ClauseElement) -> None:
    """Change the store, and let the routes and the dispatcher read the account again."""
    await api.writer.execute(Execute(statements))
    api.accounts.forget(account_id)
    api.dispatcher.refresh()


async def _changed(
    request: Request, api: AppContext, caller: Caller, account_id: str
) -> AccountView:
    account = await run_in_threadpool(existing_account, api, caller, account_id)
    return account_view(request, api, account)
