"""Bodies that are nearly right: a call of a provider with one place that has another value."""

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

STRANGE: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 10**40, "", " ", "x", "\u0000", "1", "1700000000.000100",
    "-1.5", "漢" * 70, [], {}, [None], [{}], {"id": None}, {"text": 7}, [[[[[]]]]], {"type": "message"},
)  # fmt: skip


def changed_bodies(calls: Sequence[dict[str, Any]]) -> st.SearchStrategy[bytes]:
    """Bodies of these calls with one changed place, truncated ones, and arbitrary bytes."""
    changed = st.builds(
        _with_change,
        st.sampled_from(calls),
        st.integers(0, 400),
        st.sampled_from(STRANGE) | st.text(max_size=8),
        st.booleans(),
    )
    encoded = changed.map(lambda call: json.dumps(call).encode())
    cut = st.builds(lambda body, length: body[:length], encoded, st.integers(0, 200))
    return encoded | cut | st.binary(max_size=100)


def _with_change(
    call: dict[str, Any], number: int, value: object, is_removal: bool
) -> dict[str, Any]:
    changed = copy.deepcopy(call)
    places = list(_places(changed))
    parent, key = places[number % len(places)]
    if is_removal:
        del parent[key]
    else:
        parent[key] = value
    return changed


def _places(node: Any) -> list[tuple[Any, Any]]:
    keys = (
        list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    )
    found = [(node, key) for key in keys]
    return found + [place for key in keys for place in _places(node[key])]
