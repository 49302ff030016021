"""Alembic's environment: run by Alembic with the connection that `history` opened."""

from typing import Any

from alembic import context

from trivet.audit import tables as audit_tables
from trivet.events import outbox
from trivet.identity import django_tables, keys
from trivet.migrations.risks import find_risks
from trivet.migrations.scope import options
from trivet.models.base import Model


def look_at(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Note the risks of a new revision. One that changes nothing is not written; `history.make`
    says so."""
    if directives and directives[0].upgrade_ops.is_empty():
        directives.clear()
    for directive in directives:
        config.attributes["risks"].extend(find_risks(directive.upgrade_ops))


_mapped = (audit_tables, keys, django_tables, outbox)
"""Imported for their tables."""

config = context.config
context.configure(
    connection=config.attributes["connection"],
    transaction_per_migration=True,
    render_as_batch=config.attributes["connection"].dialect.name == "sqlite",
    process_revision_directives=look_at,
    **options(Model.metadata, config.attributes.get("tables")),
)
with context.begin_transaction():
    context.run_migrations()
