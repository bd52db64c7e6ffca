"""Fields that Slack's events and interactions share.

https://docs.slack.dev/reference/events
"""

import re
from collections.abc import Iterator, Mapping
from html import unescape
from typing import Any

from ingest.channels import addresses
from ingest.channels.base import Account, Person, UnreadableCallError
from ingest.channels.json_body import MAX_DEPTH

REFERENCE_TYPE = "convolake_message"
"""`metadata.event_type` of our messages. Slack returns the metadata in the message's event."""

_TIMESTAMP = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,6}))?", re.ASCII)
_ENTITY = re.compile("&(?:amp|lt|gt);")
_CREDENTIALS = {"token", "response_url", "response_urls", "trigger_id", "bot_access_token"}


def microseconds(timestamp: str) -> int:
    """Return a Slack `ts`, which also names the message, as microseconds since 1970, exactly."""
    found = _TIMESTAMP.fullmatch(timestamp)
    if found is None:
        raise UnreadableCallError("a timestamp is not seconds with a fraction")
    return int(found[1] + (found[2] or "").ljust(6, "0"))


def message_name(channel: str, timestamp: str) -> str:
    """Return the id of a message: `ts` is unique only in its channel."""
    if not channel or not timestamp:
        raise UnreadableCallError("a message without its channel or timestamp")
    microseconds(timestamp)
    return f"{channel}/{timestamp}"


def thread_keys(channel: str, root: str | None, kind: str | None = None) -> tuple[str, ...]:
    """Return the keys of the conversation: of a direct chat its channel, of a thread its root.

    `channel:ts` says that the message is a root, which a reply has to name. `channel/ts` is the root's id.
    """
    if kind == "im" or channel.startswith("D"):
        return (channel,)
    return (f"{channel}:{root}", f"{channel}/{root}") if root else ()


def plain(text: str) -> str:
    """Return a text as people read it: Slack escapes `&`, `<` and `>`. Mentions and links stay as they are."""
    return _ENTITY.sub(lambda found: unescape(found[0]), text)


def escaped(text: str) -> str:
    """Return a text as Slack takes it, so that no part of it mentions people or becomes a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def person(user: object, team: str | None, name: str | None = None) -> Person | None:
    """Return the member of a workspace, or None if there is no user id."""
    if not isinstance(user, str) or not user:
        return None
    return Person(addresses=(addresses.slack_user(user, team or ""),), name=name)


def channel_party(channel: str, team: str | None) -> Person:
    """Return a channel as the other side of what an app or an agent begins in it: no customer is known yet."""
    return Person(addresses=(addresses.external_id(channel, team or ""),))


def is_agent(user: str | None, account: Account) -> bool:
    """Return whether a member is on our side, by the account's option `agent_users`."""
    return user is not None and user in account.options.get("agent_users", "").split(",")


def without_credentials(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields without those by which others could act in Slack."""
    return {name: value for name, value in tree.items() if name not in _CREDENTIALS}


def texts(node: object, levels: int = MAX_DEPTH) -> Iterator[str]:
    """Yield the texts of blocks and attachments, in their order."""
    if isinstance(node, dict) and isinstance(text := node.get("text") or node.get("fallback"), str):
        yield text
    elif isinstance(node, dict | list) and levels:
        for each in node.values() if isinstance(node, dict) else node:
            yield from texts(each, levels - 1)
