"""Every secret of the store: of webhooks, hooks and channel accounts. Encrypts old ones, and rotates keys."""

from collections.abc import Iterator

from sqlalchemy import Column, Connection, Engine, Table, select, update

from ingest.accounts.secret_box import SecretBox, is_sealed
from ingest.errors import UnreadableSecretError
from ingest.log.storage.tables import channel_accounts, hooks, webhooks

SECRETS: tuple[tuple[Table, "Column[str]"], ...] = (
    (webhooks, webhooks.c.secret),
    (webhooks, webhooks.c.old_secret),
    (hooks, hooks.c.secret),
    (hooks, hooks.c.old_secret),
    (channel_accounts, channel_accounts.c.secrets),
)
"""Where encrypted secrets are."""


def seal_stored_secrets(engine: Engine, box: SecretBox) -> int:
    """Encrypt the secrets that an older version stored as text; return how many. Safe to repeat."""
    with engine.begin() as connection:
        found = [each for each in _stored(connection) if not is_sealed(each[2])]
        for table, column, secret, key in found:
            _store(connection, table, column, key, secret, box.seal(secret))
    return len(found)


def reseal_stored_secrets(engine: Engine, box: SecretBox) -> tuple[int, int]:
    """Encrypt every secret with the newest key; return how many, and how many no key decrypts.

    Safe to repeat, and while the API runs: a secret that changes meanwhile stays as it is.
    """
    lost = 0
    with engine.begin() as connection:
        found = list(_stored(connection))
        for table, column, secret, key in found:
            try:
                _store(connection, table, column, key, secret, box.reseal(secret))
            except UnreadableSecretError:
                lost += 1
    return len(found) - lost, lost


def _stored(connection: Connection) -> Iterator[tuple[Table, "Column[str]", str, str]]:
    for table, column in SECRETS:
        query = select(column, _key_of(table)).where(column.is_not(None))
        for secret, key in connection.execute(query).all():
            yield table, column, secret, key


def _store(
    connection: Connection, table: Table, column: "Column[str]", key: str, before: str, after: str
) -> None:
    """Replace a secret, unless it changed meanwhile."""
    connection.execute(
        update(table).where(_key_of(table) == key, column == before).values({column.name: after})
    )


def _key_of(table: Table) -> "Column[str]":
    (key,) = table.primary_key.columns
    return key
