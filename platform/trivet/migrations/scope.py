"""The tables that Alembic may compare: ours, of all features or of one."""

from collections.abc import Callable, Collection
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.ddl.postgresql import PostgresqlImpl
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Constraint, Table
from sqlalchemy.schema import sort_tables_and_constraints
from sqlalchemy.sql.elements import False_, Null, True_
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from trivet.migrations import comparing
from trivet.migrations.comparison import Comparison
from trivet.migrations.constraint_names import name_constraint
from trivet.models import owners
from trivet.models.base import NAMING_CONVENTION
from trivet.models.mapped import our_tables
from trivet.models.views import is_migrated

VERSION_TABLE = "trivet_migration"
"""The table in which Alembic notes the applied revisions."""


class AllTables:
    """The tables of all our metadata, as Alembic reads those of one.

    Alembic takes a list of metadata too, and then makes the tables of one after those of another,
    whichever refer to which. Where one table stands in two, the one that is not external counts.
    """

    naming_convention = NAMING_CONVENTION
    """Used by revisions that leave a constraint of theirs without a name."""
    schema = None

    def __init__(self) -> None:
        known = sorted(our_tables(), key=lambda each: not each.info.get("external"))
        self.tables: dict[str, Table] = {each.key: each for each in known}
        # Tables that refer to each other come as they are: their keys are made behind them.
        ordered = sort_tables_and_constraints(self.tables.values())  # type: ignore[no-untyped-call]  # SQLAlchemy's
        self.sorted_tables = [table for table, _ in ordered if table is not None]


def all_tables() -> Any:
    """Our tables, in the place of a MetaData."""
    return AllTables()


def tables_of(owner: str) -> set[str]:
    """The keys of the tables of the feature called `owner`, or of the platform: the name of each,
    behind that of its schema if it has one."""
    return {table.key for table in owners.tables_of(owner)}


_DEFAULT_SCHEMAS = ("public", "main")
"""What a table in the schema of the connection may say; the database then tells of none."""


def schemas() -> set[str]:
    """The schemas that our tables name."""
    return {str(each.schema) for each in our_tables() if each.schema is not None}


def options(
    tables: Collection[str] | None = None, comparison: Comparison | None = None
) -> dict[str, Any]:
    """Alembic's options: compare `tables` (all of ours by default) and never a view, or one
    that is marked as external. With a `comparison` the texts are compared too."""
    comparing.install()
    target = AllTables()
    ours = {key for key, t in target.tables.items() if is_migrated(t)}
    wanted = ours if tables is None else ours.intersection(tables)
    # A name alone may be that of a table in another schema, which is somebody else's.
    near = (target.tables[key] for key in wanted)
    found = wanted | {t.name for t in near if str(t.schema) in _DEFAULT_SCHEMAS}
    named = schemas()

    def include_name(name: str | None, kind: str, parents: Any) -> bool:
        if kind == "schema":
            return name is None or name in named
        return kind != "table" or parents["schema_qualified_table_name"] in found

    def include_object(
        thing: Any, _name: str | None, kind: str, _reflected: bool, _to: Any
    ) -> bool:
        return kind != "table" or thing.key in found

    return {
        "version_table": VERSION_TABLE,
        "include_schemas": bool(named),
        "include_name": include_name,
        "include_object": include_object,
        "render_item": _render_item,
        "autogenerate_plugins": ["alembic.autogenerate.*", comparing.NAME],
        # Ours compares defaults. Alembic would run none of its plugins for them without this.
        "compare_server_default": True,
        "comparison": comparison,
        "target_metadata": target,
    }


def _render_item(kind: str, thing: Any, context: AutogenContext) -> Any:
    """Our column types by their own name; the template imports their module. Defaults as the
    models have them, and not in the words of the database of the moment. A constraint with the
    name that its database would give it, because a revision's own convention is ours."""
    if kind == "server_default":
        return _portable(getattr(thing, "arg", None)) or False
    if isinstance(thing, Constraint):
        name_constraint(thing)
    if isinstance(thing, TypeEngine):
        return _render_type(thing, context)
    return False


def _render_type(kind: TypeEngine[Any], context: AutogenContext) -> str | bool:
    module = type(kind).__module__
    if module == "trivet.models.types" and isinstance(kind, TypeDecorator):
        return f"trivet.models.types.{type(kind).__name__}()"
    if module.partition(".")[0] != "sqlalchemy":
        context.imports.add(f"import {module}")
    # Alembic knows what is inside such a type only where its database is the one at hand.
    said = PostgresqlImpl.render_type(_POSTGRESQL, kind, context)
    return said if isinstance(said, str) else False


_POSTGRESQL = PostgresqlImpl.__new__(PostgresqlImpl)
"""For the text of types alone, for which it needs no connection."""


def _portable(expression: Any) -> str | None:
    """Python for an expression that every dialect writes in its own way; None for others."""
    match expression:
        case True_():
            return "sa.true()"
        case False_():
            return "sa.false()"
        case Null():
            return "sa.null()"
        case FunctionElement(name=str(name)) if not expression.clauses.clauses:
            return f"sa.func.{name}()"
        case _:
            return None


def write_percents_once(context: MigrationContext) -> None:
    """Let a new revision say ``%`` where a model says it. Alembic writes what the driver would get,
    which is ``%%`` for PostgreSQL's, and the revision would double it again."""
    if not context.dialect.identifier_preparer._double_percents:  # noqa: SLF001  # pinned by a test
        return
    render: Callable[..., str] = context.impl.render_ddl_sql_expr

    def once(*arguments: Any, **options: Any) -> str:
        return render(*arguments, **options).replace("%%", "%")

    context.impl.render_ddl_sql_expr = once  # type: ignore[method-assign]  # of this run alone
