"""How alembic reaches the store; the URL comes from `migrate`."""

from alembic import context

from ingest.log.storage.engine import database_for, open_engine
from ingest.log.storage.tables import metadata

engine = open_engine(context.config.attributes["url"])
with engine.begin() as connection:
    database_for(engine).acquire_write_lock(
        connection.connection.cursor()
    )  # several processes may start at once
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
