"""Attributes of spans: the first of several names, and lists that are spread over numbered names."""

from collections.abc import Iterable, Mapping
from typing import Any

from ingest.bots.chat_messages import parsed


def first(attributes: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Return the value of the first name that has one."""
    for name in names:
        value = attributes.get(name)
        if value is not None and value != "":
            return value
    return None


def first_text(attributes: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first value as text."""
    value = first(attributes, names)
    if isinstance(value, list):
        value = next(iter(value), None)
    return None if value is None or value == "" else str(value)


def first_count(attributes: Mapping[str, Any], names: Iterable[str]) -> int | None:
    """Return the first value that is a count."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value.isdecimal():
            value = int(value[:19])
        if isinstance(value, int | float) and 0 <= value < 2**63:
            return int(value)
    return None


def first_number(attributes: Mapping[str, Any], names: Iterable[str]) -> float | None:
    """Return the first value that is a number."""
    value = first(attributes, names)
    return float(value) if isinstance(value, int | float) else None


def numbered(attributes: Mapping[str, Any], prefix: str) -> list[Any]:
    """Return the list that names like `PREFIX.0.role` and `PREFIX.1.content` describe."""
    tree: dict[str, Any] = {}
    start = len(prefix) + 1
    for name, value in attributes.items():
        if name.startswith(prefix) and name[start : start + 1].isdigit():
            _put(tree, name[start:].split("."), value)
    built = _built(tree)
    return built if isinstance(built, list) else []


def metadata(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the object in the attribute `metadata`, empty if there is none."""
    found = parsed(attributes.get("metadata"))
    return found if isinstance(found, Mapping) else {}


def _put(tree: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        below = tree.get(part)
        if not isinstance(below, dict):
            below = tree[part] = {}
        tree = below
    if not isinstance(tree.get(path[-1]), dict):
        tree[path[-1]] = value


def _built(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    if tree and all(name.isdecimal() for name in tree):
        return [_built(tree[name]) for name in sorted(tree, key=int)]
    return {name: _built(value) for name, value in tree.items()}
