"""Slack's interactivity and slash commands: forms, one with JSON in its field `payload`.

https://docs.slack.dev/interactivity/handling-user-interaction and
https://docs.slack.dev/interactivity/implementing-slash-commands
"""

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from ingest.channels.base import (
    Account,
    Inbound,
    MessageItem,
    OtherItem,
    Person,
    UnreadableCallError,
)
from ingest.channels.fields import kind_name, object_of, text_of
from ingest.channels.json_body import decode_tree
from ingest.channels.slack.fields import (
    is_agent,
    message_name,
    microseconds,
    person,
    texts,
    thread_keys,
    without_credentials,
)


def read_form(
    fields: Mapping[str, str], account: Account, called_at: int | None
) -> Iterator[Inbound]:
    """Yield the items of a form. `called_at`: when Slack signed it. Raises UnreadableCallError."""
    if "payload" in fields:
        yield from read_interaction(fields["payload"].encode(), account, called_at)
    elif "command" in fields:
        yield _command(fields, called_at)
    else:
        raise UnreadableCallError("a form with neither a payload nor a command")


def read_interaction(body: bytes, account: Account, called_at: int | None) -> Iterator[Inbound]:
    """Yield the items of an interaction. Raises UnreadableCallError."""
    tree = decode_tree(body)
    if not isinstance(tree.get("type"), str):
        raise UnreadableCallError("an interaction without a type")
    actions = tree.get("actions")
    if tree["type"] != "block_actions" or not isinstance(actions, list):
        actions = []
    presses = [_press(tree, action, account) for action in actions if _chosen(action)]
    yield from filter(None, presses)
    if None in presses or len(presses) < max(1, len(actions)):
        yield _other(tree, body, called_at)


def _command(fields: Mapping[str, str], called_at: int | None) -> OtherItem:
    channel, moment = fields.get("channel_id", ""), fields.get("trigger_id") or str(called_at)
    return OtherItem(
        provider_id=f"slash_command/{channel}/{moment}",
        person=person(fields.get("user_id"), fields.get("team_id"), fields.get("user_name")),
        happened_at=called_at,
        thread=thread_keys(channel, fields.get("thread_ts")) if channel else (),
        kind="slash_command",
        text=f"{fields['command']} {fields.get('text', '')}".strip(),
        data=without_credentials(fields),
    )


def _press(
    tree: Mapping[str, Any], action: Mapping[str, Any], account: Account
) -> MessageItem | None:
    """Return the message of a person who pressed a button or chose an option, None if it is on no message."""
    container, moment = object_of(tree, "container"), text_of(action, "action_ts")
    channel = text_of(container, "channel_id") or text_of(object_of(tree, "channel"), "id")
    timestamp = text_of(container, "message_ts")
    if not (channel and timestamp and moment):
        return None
    root = text_of(object_of(tree, "message"), "thread_ts") or text_of(container, "thread_ts")
    who, target = _person(tree), message_name(channel, timestamp)
    is_ours = is_agent(text_of(object_of(tree, "user"), "id"), account)
    key = "/".join(text_of(action, name) or "" for name in ("block_id", "action_id"))
    return MessageItem(
        provider_id=f"action/{target}/{moment}/{key}",
        person=None if is_ours else who,
        happened_at=microseconds(moment),
        thread=thread_keys(channel, root or timestamp),
        author="agent" if is_ours else "customer",
        author_name=who.name if who else None,
        text=_chosen(action),
        in_reply_to=target,
        payload={"action": _described(action)},
    )


def _chosen(action: object) -> str | None:
    """Return the words on the button, or those of the options that a person chose."""
    if not isinstance(action, dict):
        return None
    chosen = action.get("selected_option") or action.get("selected_options")
    if chosen is None and action.get("type") == "button":
        chosen = action.get("text")
    return ", ".join(texts(chosen)) or None


def _described(action: Mapping[str, Any]) -> dict[str, Any]:
    option = action.get("selected_option")
    value = option.get("value") if isinstance(option, dict) else action.get("value")
    named = {name: action.get(name) for name in ("type", "action_id", "block_id")}
    return {**named, "value": value}


def _other(tree: Mapping[str, Any], body: bytes, called_at: int | None) -> OtherItem:
    kind = kind_name(tree["type"])
    channel = text_of(object_of(tree, "channel"), "id")
    root = text_of(object_of(tree, "message"), "thread_ts") or text_of(
        object_of(tree, "message"), "ts"
    )
    moment = text_of(tree, "trigger_id") or text_of(tree, "action_ts") or sha256(body).hexdigest()
    return OtherItem(
        provider_id=f"{kind}/{moment}",
        person=_person(tree),
        happened_at=called_at,
        thread=thread_keys(channel, root) if channel else (),
        kind=kind,
        data=without_credentials(tree),
    )


def _person(tree: Mapping[str, Any]) -> Person | None:
    user = object_of(tree, "user")
    team = text_of(object_of(tree, "team"), "id") or text_of(user, "team_id")
    return person(user.get("id"), team, text_of(user, "name") or text_of(user, "username"))
