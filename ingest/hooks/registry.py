"""Hooks in the store: endpoints that run before a message is stored."""

from typing import Any

from msgspec import Struct
from sqlalchemy import ClauseElement, Engine, RowMapping, delete, insert, select, update

from ingest.log.storage.tables import hooks


class Hook(Struct, frozen=True):
    """A hook. Without `channels` it runs for every channel; without `roles`, for every role.

    The secrets are encrypted.
    """

    hook_id: str
    source: str
    url: str
    channels: frozenset[str]
    roles: frozenset[str]
    timeout_ms: int
    on_failure: str
    secret: str
    old_secret: str | None
    old_secret_until: int | None
    created_at: int

    def wants(self, channel: str, role: str) -> bool:
        """Return whether the hook runs for a message of this role on this channel."""
        if self.channels and channel not in self.channels:
            return False
        return not self.roles or role in self.roles


def list_hooks(engine: Engine) -> list[Hook]:
    """Return every hook, in the order in which they run: oldest first."""
    query = select(hooks).order_by(hooks.c.created_at, hooks.c.hook_id)
    with engine.connect() as connection:
        return [_hook(row) for row in connection.execute(query).mappings()]


def get_hook(engine: Engine, hook_id: str) -> Hook | None:
    """Return a hook, or None."""
    with engine.connect() as connection:
        found = connection.execute(select(hooks).where(hooks.c.hook_id == hook_id)).mappings()
        row = found.first()
    return None if row is None else _hook(row)


def _hook(row: RowMapping) -> Hook:
    values = dict(row)
    for name in ("channels", "roles"):
        values[name] = frozenset(values[name].split())
    return Hook(**values)


# --- changing, by the writer


def insert_hook(hook: Hook) -> ClauseElement:
    """Return the statement that adds a hook."""
    values = {name: getattr(hook, name) for name in Hook.__struct_fields__}
    for name in ("channels", "roles"):
        values[name] = " ".join(sorted(values[name]))
    return insert(hooks).values(values)


def update_hook(hook_id: str, **values: Any) -> ClauseElement:
    """Return the statement that changes fields of a hook."""
    return update(hooks).where(hooks.c.hook_id == hook_id).values(**values)


def delete_hook(hook_id: str) -> ClauseElement:
    """Return the statement that deletes a hook."""
    return delete(hooks).where(hooks.c.hook_id == hook_id)
