"""How alembic reaches the store; the URL comes from `migrate`."""

from alembic import context
from sqlalchemy import create_engine

from ingest.log.tables import metadata

engine = create_engine(context.config.attributes["url"])
with engine.begin() as connection:
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
