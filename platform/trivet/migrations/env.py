"""Alembic's environment: run by Alembic with the connection that `history` opened."""

from alembic import context

from trivet.events import outbox
from trivet.identity import keys, tables
from trivet.migrations.scope import options
from trivet.model import Model

_mapped = (keys, tables, outbox)
"""Imported for their tables."""

config = context.config
context.configure(
    connection=config.attributes["connection"],
    transaction_per_migration=True,
    render_as_batch=config.attributes["connection"].dialect.name == "sqlite",
    **options(Model.metadata, config.attributes.get("tables")),
)
with context.begin_transaction():
    context.run_migrations()
