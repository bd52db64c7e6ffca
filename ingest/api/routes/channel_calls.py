"""Where providers call: no API key, but the signature of the provider."""

import logging
from collections.abc import Mapping

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool

from ingest.accounts.account_cache import Opened
from ingest.api.dependencies import AppContext, get_context
from ingest.api.id_paths import path_of
from ingest.api.openapi import path_parameters, problem_responses
from ingest.api.raw_route import RawRoute
from ingest.api.request_body import header, read_body
from ingest.api.routes.typing import share_typing
from ingest.channels.base import Call, Challenge, ChannelAdapter, InvalidSignatureError
from ingest.channels.errors import FailedChallengeError, UnknownAccountError, UnverifiedCallError
from ingest.channels.registry import accepted_answer, find_adapter, max_body_bytes
from ingest.errors import (
    LogUnavailableError,
    TooLargeError,
    UnreadableSecretError,
    UnsupportedMediaTypeError,
)
from ingest.events.payloads import ID_PATTERN

logger = logging.getLogger(__name__)

TYPING_SECONDS = 10
"""Time that a provider's typing indicator counts without another one."""

NO_ACCOUNT = "no channel account is enabled under this id"

ERRORS = (
    UnverifiedCallError,
    FailedChallengeError,
    UnknownAccountError,
    TooLargeError,
    UnsupportedMediaTypeError,
    LogUnavailableError,
    UnreadableSecretError,
)

PARAMETERS = path_parameters({"account_id": ID_PATTERN})
BODY = {"content": {"*/*": {"schema": {"type": "string"}}}}

raw = APIRouter(tags=["channels"], route_class=RawRoute, responses=problem_responses(ERRORS))


@raw.get(
    "/channels/{account_id}", response_class=Response, openapi_extra={"parameters": PARAMETERS}
)
async def check_url(request: Request) -> Response:
    """Answer the call by which a provider checks the URL, or take a call that is a GET."""
    return await take_call(request)


@raw.post(
    "/channels/{account_id}",
    response_class=Response,
    openapi_extra={"parameters": PARAMETERS, "requestBody": BODY},
)
async def take_call(request: Request) -> Response:
    """Take a call of a provider: verify it, keep it, and store its events. 200 says that they are on disk.

    A call that is not verified leaves nothing but a count. A verified one that cannot be read is kept as
    rejected and answered by 200, so that the provider does not repeat it for days.
    """
    api = get_context(request)
    account_id = request.path_params["account_id"]
    opened = api.accounts.get_cached(account_id)
    if opened is None:
        opened = await run_in_threadpool(api.accounts.get, account_id)
    adapter = None if opened is None else find_adapter(opened[0].provider)
    if opened is None or adapter is None:
        raise UnknownAccountError(NO_ACCOUNT)
    call = await _read_call(request, api, adapter)
    challenge = _answer_challenge(api, adapter, call, opened)
    if challenge is not None:
        return _response(challenge)
    _verify(api, adapter, call, opened)
    for change in await api.channels.take(opened, adapter, call):
        seconds = TYPING_SECONDS if change.is_typing else 0
        await share_typing(api, change.conversation_id, change.participant_id, seconds)
    return _response(accepted_answer(adapter))


async def _read_call(request: Request, api: AppContext, adapter: ChannelAdapter) -> Call:
    is_get = request.method == "GET"
    body = b"" if is_get else await read_body(request, max_body_bytes(adapter))
    return Call(
        method=request.method,
        url=_public_url(request, api),
        headers=_headers(request),
        query=dict(request.query_params) if request.scope["query_string"] else {},
        body=body,
    )


def _headers(request: Request) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers.raw}


def _public_url(request: Request, api: AppContext) -> str:
    """Return the URL that the provider called, as it wrote it: some sign it."""
    base = api.public_url or f"{request.scope['scheme']}://{header(request, b'host')}"
    query = request.scope["query_string"].decode("latin-1")
    return base.rstrip("/") + path_of(request.scope) + (f"?{query}" if query else "")


def _answer_challenge(
    api: AppContext, adapter: ChannelAdapter, call: Call, opened: Opened
) -> Challenge | None:
    try:
        return adapter.challenge(call, opened[1])
    except InvalidSignatureError as error:
        api.channels.count_refusal(opened[0].account_id, str(error))
        raise FailedChallengeError("the token is not that of the account") from None
    except Exception:
        logger.exception("the adapter of %s failed at a challenge", adapter.provider)
        return None


def _verify(api: AppContext, adapter: ChannelAdapter, call: Call, opened: Opened) -> None:
    """Raise UnverifiedCallError, whatever the call has; the reason is counted, not answered."""
    reason = _why_unverified(api, adapter, call, opened)
    if reason is None:
        return
    api.channels.count_refusal(opened[0].account_id, reason)
    raise UnverifiedCallError("the signature is not valid")


def _why_unverified(
    api: AppContext, adapter: ChannelAdapter, call: Call, opened: Opened
) -> str | None:
    try:
        adapter.verify(call, opened[1], api.clock())
        is_reused = api.channels.is_token_reused(opened[0].account_id, adapter, call)
    except InvalidSignatureError as error:
        return str(error)
    except Exception:
        logger.exception("the adapter of %s failed to verify a call", adapter.provider)
        return "the adapter failed"
    return "the token was used for another body" if is_reused else None


def _response(answer: Challenge) -> Response:
    return Response(answer.body, answer.status, media_type=answer.content_type)
