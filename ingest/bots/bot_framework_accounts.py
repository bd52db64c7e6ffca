"""Accounts of Bot Framework as speakers. Pure."""

from collections.abc import Mapping
from typing import Any

from ingest.bots.bot_event import Speaker
from ingest.bots.fields import mapping, text
from ingest.contract import Role

_ROLES: dict[str, Role] = {
    "user": "customer",
    "bot": "bot",
    "skill": "bot",
    "0": "bot",
    "1": "customer",
}
"""Roles of accounts; Copilot Studio writes numbers."""

_TEAMS_BOT = "28:"
"""The prefix of a bot's id in Microsoft Teams."""


def speaker_of(activity: Mapping[str, Any], account: Mapping[str, Any]) -> Speaker:
    """Return the speaker of an account. Without a role, the other side's role decides, or else the id."""
    own = text(account, "id", "name") or "unknown"
    stated = _ROLES.get(text(account, "role") or "")
    role: Role = stated or ("bot" if _is_bot(activity, own) else "customer")
    return Speaker(f"botframework-{own}", role, text(account, "name"))


def _is_bot(activity: Mapping[str, Any], own: str) -> bool:
    """Return whether an account that states no role is a bot."""
    recipient, sender = mapping(activity, "recipient"), mapping(activity, "from")
    if own.startswith(_TEAMS_BOT):
        return True
    if text(recipient, "id") == own and text(activity, "type") == "conversationUpdate":
        return True
    is_sender = text(sender, "id", "name") == own
    return is_sender and _ROLES.get(text(recipient, "role") or "") == "customer"
