"""The hook gate: runs the hooks before a message is stored."""

from uuid import uuid5

import msgspec
from starlette.concurrency import run_in_threadpool

from ingest.api.dependencies import AppContext
from ingest.clock import new_uuid7
from ingest.contract import NAMESPACE
from ingest.events.draft import Command, Draft
from ingest.hooks.runner import ProposedMessage
from ingest.log import queries
from ingest.log.writer_requests import IncomingEvent


async def run_hooks(
    api: AppContext, source: str, channels: frozenset[str], arrival: IncomingEvent
) -> IncomingEvent:
    """Return a message with the result of the hooks: unchanged, with another text, or rejected.

    Hooks do not run for stored and internal messages, nor when the log will reject the message because it
    knows neither the conversation nor the participant. If the participant joins at the same moment, the
    log rejects the message, so no message bypasses the hooks.
    """
    draft = arrival.draft
    if draft is None or draft.visibility == "internal":
        return arrival
    proposal = await run_in_threadpool(_proposal, api, source, channels, draft)
    if proposal is None:
        command = msgspec.structs.replace(arrival.command or Command(), skipped_hooks=True)
        return msgspec.structs.replace(arrival, command=command)
    verdict = await api.hooks.run(proposal)
    if verdict.error is not None:
        return IncomingEvent(arrival.raw, error=verdict.error, event_id=draft.event_id)
    return msgspec.structs.replace(arrival, modified=verdict.modified)


def _proposal(
    api: AppContext, source: str, channels: frozenset[str], draft: Draft
) -> ProposedMessage | None:
    state = queries.get_conversation(api.engine, draft.conversation_id or "")
    if state is None or (channels and state.channel not in channels):
        return None
    member = state.participants.get(draft.participant_id or "")
    if member is None:
        return None
    named = new_uuid7()
    if draft.event_id is not None:
        if queries.event_exists(api.engine, source, draft.event_id):
            return None
        named = str(uuid5(NAMESPACE, f"proposal/{source}/{draft.event_id}"))
    fields = msgspec.to_builtins(draft)
    del fields["event_type"]
    return ProposedMessage(
        f"msg_{named}", state.channel, member.participant_role, draft.text, fields
    )
