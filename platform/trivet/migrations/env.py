"""Alembic's environment: run by Alembic with the connection that `history` opened."""

from typing import Any

from alembic import context

from trivet.audit import tables as audit_tables
from trivet.events import outbox
from trivet.identity import django_tables, keys
from trivet.migrations.kept_searches import KeptSearches
from trivet.migrations.numbered_keys import NumberingSqliteImpl
from trivet.migrations.risks import find_risks
from trivet.migrations.scope import options


def look_at(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Make a new revision fit, and note its risks. One that changes nothing is not written."""
    for directive in directives:
        config.attributes["revise"](directive)
    if directives and directives[0].upgrade_ops.is_empty():
        directives.clear()
    for directive in directives:
        config.attributes["risks"].extend(find_risks(directive.upgrade_ops))


_mapped = (audit_tables, keys, django_tables, outbox)
"""Imported for their tables."""

_implementations = (NumberingSqliteImpl,)
"""Imported for Alembic, which knows them by their dialects."""

config = context.config
context.configure(
    connection=config.attributes["connection"],
    transaction_per_migration=True,
    # SQLite knows no other way to change a table, and others do the same as without.
    render_as_batch=True,
    process_revision_directives=look_at,
    on_version_apply=KeptSearches(config.attributes["connection"]).look,
    starting_rev=config.attributes.get("starting_rev"),
    **options(config.attributes.get("tables"), config.attributes.get("comparison")),
)
with context.begin_transaction():
    context.run_migrations()
