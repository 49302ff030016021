"""Alembic's environment: run by Alembic with the connection that `history` opened."""

from typing import Any

from alembic import context

from trivet.audit import tables as audit_tables
from trivet.events import outbox
from trivet.identity import django_tables, keys
from trivet.migrations.scope import options
from trivet.models.base import Model


def refuse_empty(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """A revision that changes nothing is not written; `history.make` says so."""
    if directives and directives[0].upgrade_ops.is_empty():
        directives.clear()


_mapped = (audit_tables, keys, django_tables, outbox)
"""Imported for their tables."""

config = context.config
context.configure(
    connection=config.attributes["connection"],
    transaction_per_migration=True,
    render_as_batch=config.attributes["connection"].dialect.name == "sqlite",
    process_revision_directives=refuse_empty,
    **options(Model.metadata, config.attributes.get("tables")),
)
with context.begin_transaction():
    context.run_migrations()
