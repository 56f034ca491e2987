"""What Alembic runs. The connection, and the transaction that is open on it, come from the caller."""

from alembic import context

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=None, transactional_ddl=False)
context.run_migrations()
