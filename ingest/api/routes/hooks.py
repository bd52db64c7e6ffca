"""Hooks: endpoints that run before a message is stored, and may change or reject it."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ClauseElement
from starlette.concurrency import run_in_threadpool

from ingest.api.dependencies import AppContext, Context
from ingest.api.openapi import problem_responses
from ingest.api.routes.webhooks import (
    ROTATION_SECONDS,
    RequireWebhooksAdmin,
    example,
    validate_target,
)
from ingest.auth.permissions import Caller
from ingest.contract import Role, from_micros
from ingest.egress import signing
from ingest.errors import (
    ForbiddenError,
    InvalidRequestError,
    LogUnavailableError,
    MissingScopeError,
    RateLimitedError,
    UnauthorizedError,
    UnknownHookError,
)
from ingest.hooks import registry
from ingest.hooks.registry import Hook
from ingest.log.writer_requests import Execute

ERRORS = (
    UnauthorizedError,
    RateLimitedError,
    MissingScopeError,
    ForbiddenError,
    InvalidRequestError,
    UnknownHookError,
    LogUnavailableError,
)

router = APIRouter(prefix="/v1/hooks", tags=["hooks"], responses=problem_responses(ERRORS))


class NewHook(BaseModel):
    """The endpoint, and the messages it runs for: channels and roles (none: all).

    The endpoint has `timeout_ms` to answer 200 with `{"action": "allow"}`, `{"action": "modify", "text": …}`
    or `{"action": "reject", "reason": …}`. After any other answer, or none, `on_failure` decides.
    """

    model_config = ConfigDict(extra="forbid", regex_engine="python-re")

    url: Annotated[str, Field(max_length=2048)]
    on_failure: Literal["allow", "reject"]
    timeout_ms: Annotated[int, Field(ge=50, le=2000, strict=True)] = 1000
    channels: list[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]] = Field(
        [], max_length=32
    )
    roles: list[Role] = Field([], max_length=4)


class HookView(BaseModel):
    """A hook. Its secret is shown once, when it is created or rotated."""

    hook_id: str
    url: str
    on_failure: str
    timeout_ms: int
    channels: list[str]
    roles: list[str]
    created_at: datetime
    last_failure: str | None = Field(description="why it failed last, since the API started")
    secret: str | None = Field(None, description="whsec_…; keep it now")


class HookList(BaseModel):
    """Every hook of the caller's source, in the order in which they run; of all sources with admin."""

    items: list[HookView]


_EXAMPLE = {"url": "https://guard.example/check", "on_failure": "allow", "roles": ["bot"]}


@router.post("", status_code=201, openapi_extra=example(_EXAMPLE))
async def create_hook(
    request: Request, api: Context, caller: RequireWebhooksAdmin, body: NewHook
) -> HookView:
    """Create a hook. The response has the secret that signs its requests, this once."""
    validate_target(api, caller, body.url, body.channels)
    secret = signing.new_secret()
    hook = Hook(
        hook_id=request.app.state.new_id(),
        source=caller.source,
        url=body.url,
        channels=frozenset(body.channels) or caller.channels,
        roles=frozenset(body.roles),
        timeout_ms=body.timeout_ms,
        on_failure=body.on_failure,
        secret=api.secrets.seal(secret),
        old_secret=None,
        old_secret_until=None,
        created_at=api.clock(),
    )
    await _change(api, registry.insert_hook(hook))
    return _view(api, hook, secret=secret)


@router.get("")
def list_hooks(api: Context, caller: RequireWebhooksAdmin) -> HookList:
    """List hooks, in the order in which they run."""
    found = registry.list_hooks(api.engine)
    return HookList(
        items=[_view(api, each) for each in found if caller.owns(each.source, each.channels)]
    )


@router.get("/{hook_id}")
def get_hook(api: Context, caller: RequireWebhooksAdmin, hook_id: str) -> HookView:
    """Return a hook."""
    return _view(api, _existing(api, caller, hook_id))


@router.delete("/{hook_id}", status_code=204)
async def remove_hook(api: Context, caller: RequireWebhooksAdmin, hook_id: str) -> Response:
    """Delete a hook."""
    await run_in_threadpool(_existing, api, caller, hook_id)
    await _change(api, registry.delete_hook(hook_id))
    return Response(status_code=204)


@router.post("/{hook_id}/rotate")
async def rotate_hook_secret(api: Context, caller: RequireWebhooksAdmin, hook_id: str) -> HookView:
    """Create a new secret. For a day requests carry a signature of the old one too."""
    hook = await run_in_threadpool(_existing, api, caller, hook_id)
    secret = signing.new_secret()
    until = api.clock() + ROTATION_SECONDS * 1_000_000
    await _change(
        api,
        registry.update_hook(
            hook_id,
            secret=api.secrets.seal(secret),
            old_secret=hook.secret,
            old_secret_until=until,
        ),
    )
    return _view(api, hook, secret=secret)


def _existing(api: AppContext, caller: Caller, hook_id: str) -> Hook:
    found = registry.get_hook(api.engine, hook_id)
    if found is None or not caller.owns(found.source, found.channels):
        raise UnknownHookError("there is no hook with this id", "hook_id")
    return found


async def _change(api: AppContext, change: ClauseElement) -> None:
    """Change the store, and reload the hooks before the next message."""
    await api.writer.execute(Execute([change]))
    await api.hooks.reload()


def _view(api: AppContext, hook: Hook, secret: str | None = None) -> HookView:
    return HookView(
        hook_id=hook.hook_id,
        url=hook.url,
        on_failure=hook.on_failure,
        timeout_ms=hook.timeout_ms,
        channels=sorted(hook.channels),
        roles=sorted(hook.roles),
        created_at=from_micros(hook.created_at),
        last_failure=api.hooks.last_failures.get(hook.hook_id),
        secret=secret,
    )
