"""Runs hooks before a message is stored: one after the other, each within its timeout.

A hook allows, modifies or rejects. Any other outcome is a failure, and the declared `on_failure` decides. A
message therefore waits for its hooks for a limited time.
"""

import asyncio
import logging
from collections import Counter
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Engine
from starlette.concurrency import run_in_threadpool

from ingest.accounts.secret_box import SecretBox
from ingest.clock import Clock
from ingest.contract import from_micros
from ingest.egress import signing
from ingest.egress.client import EgressClient
from ingest.errors import (
    EventRejectedError,
    HookFailedError,
    RejectedByHookError,
    UnreadableSecretError,
)
from ingest.hooks import registry
from ingest.hooks.registry import Hook
from ingest.log.writer_requests import HookModification

logger = logging.getLogger(__name__)

TOTAL_SECONDS = 3.0
"""Maximum time that a message waits for all its hooks. Hooks that did not start within it have failed."""

MAX_REASON_CHARACTERS = 200
"""Maximum characters of a hook's reason that the sender sees."""

OUTCOMES = ("allowed", "modified", "rejected", "failed")
HTTP_OK = 200


class ProposedMessage(Struct, frozen=True):
    """A message to be posted: participant, conversation, and the other fields as they were sent."""

    proposal_id: str
    channel: str
    role: str
    text: str | None
    fields: dict[str, Any]

    def body(self, text: str | None, now: int) -> bytes:
        """Return the request body for a hook; `text` is the text after the hooks before it."""
        data = {**self.fields, "participant_role": self.role, "channel": self.channel}
        if text is not None:
            data["text"] = text
        return msgspec.json.encode(
            {"type": "message.proposed", "timestamp": from_micros(now), "data": data}
        )


class HookVerdict(Struct, frozen=True):
    """The result of all hooks: the unchanged message, another text, or an error."""

    modified: HookModification | None = None
    error: EventRejectedError | None = None


class _Answer(Struct):
    action: Literal["allow", "modify", "reject"]
    text: str | None = None
    reason: Any = None


_decode = msgspec.json.Decoder(_Answer).decode


class _FailedError(Exception):
    """The hook gave no valid answer."""


class HookRunner:
    """The hooks of an installation, in memory: without any, a message costs one check."""

    def __init__(
        self, engine: Engine, sender: EgressClient, clock: Clock, secrets: SecretBox
    ) -> None:
        """`engine` only reads; `clock` gives microseconds; `secrets` decrypts. Reads the store."""
        self._engine = engine
        self._sender = sender
        self._clock = clock
        self._secrets = secrets
        self._reading = asyncio.Lock()
        self.hooks: tuple[Hook, ...] = tuple(registry.list_hooks(engine))
        """The hooks in the order in which they run."""
        self.outcomes: Counter[str] = Counter(dict.fromkeys(OUTCOMES, 0))
        self.last_failures: dict[str, str] = {}
        """The last failure of each hook since the start."""

    async def reload(self) -> None:
        """Reload the hooks after a change."""
        async with self._reading:
            self.hooks = tuple(await run_in_threadpool(registry.list_hooks, self._engine))

    async def run(self, proposal: ProposedMessage) -> HookVerdict:
        """Run each hook that wants the message; each gets the output of the previous one."""
        until = asyncio.get_running_loop().time() + TOTAL_SECONDS
        text, modified_by = proposal.text, list[str]()
        for hook in self.hooks:
            if not hook.wants(proposal.channel, proposal.role):
                continue
            try:
                answer = await self._ask(hook, proposal, text, until)
            except _FailedError as failure:
                self._note_failure(hook, str(failure))
                if hook.on_failure == "reject":
                    return HookVerdict(error=HookFailedError(_NO_ANSWER.format(hook.hook_id)))
                continue
            if answer.action == "reject":
                self.outcomes["rejected"] += 1
                return HookVerdict(error=RejectedByHookError(_why(hook, answer.reason)))
            self.outcomes["modified" if answer.action == "modify" else "allowed"] += 1
            if answer.action == "modify":
                text = answer.text
                modified_by.append(hook.hook_id)
        if text is None or not modified_by:
            return HookVerdict()
        return HookVerdict(HookModification(text, tuple(modified_by)))

    async def _ask(
        self, hook: Hook, proposal: ProposedMessage, text: str | None, until: float
    ) -> _Answer:
        """Return the answer of the hook. Raises _FailedError."""
        seconds = min(hook.timeout_ms / 1000, until - asyncio.get_running_loop().time())
        if seconds <= 0:
            raise _FailedError("the hooks before it took all the time")
        now = self._clock()
        body = proposal.body(text, now)
        sealed = signing.active_secrets(hook.secret, hook.old_secret, hook.old_secret_until, now)
        try:
            keys = [self._secrets.open(each) for each in sealed]
        except UnreadableSecretError as error:
            raise _FailedError(error.detail) from None
        named = signing.sign(proposal.proposal_id, now // 1_000_000, body, keys)
        outcome = await self._sender.request(hook.url, named, body, seconds)
        if outcome.status != HTTP_OK:
            raise _FailedError(outcome.error or f"status {outcome.status}")
        try:
            answer = _decode(outcome.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise _FailedError("its answer is not what a hook may say") from None
        if answer.action == "modify" and (answer.text is None or "\0" in answer.text):
            raise _FailedError("its answer has no text that can be stored")
        return answer

    def _note_failure(self, hook: Hook, why: str) -> None:
        self.outcomes["failed"] += 1
        self.last_failures[hook.hook_id] = why
        logger.warning("hook %s failed: %s", hook.hook_id, why)


_NO_ANSWER = "hook {} did not answer in time, and this conversation requires its answer; try again"


def _why(hook: Hook, reason: object) -> str:
    """Return the detail that the sender sees: the hook's reason, short and printable."""
    detail = f"hook {hook.hook_id} rejected this message"
    if not isinstance(reason, str) or not reason:
        return detail
    return f"{detail}: {''.join(filter(str.isprintable, reason[:MAX_REASON_CHARACTERS]))}"
