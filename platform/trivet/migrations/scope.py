"""The tables that Alembic may compare: ours, of all features or of one."""

import sys
from collections.abc import Collection
from typing import Any

from sqlalchemy import MetaData, Table
from sqlalchemy.sql.elements import False_, Null, True_
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator

from trivet.models.base import Model
from trivet.models.mapped import our_mappers

VERSION_TABLE = "trivet_migration"
"""The table in which Alembic notes the applied revisions."""


def tables_of(package: str) -> set[str]:
    """The names of the tables that the modules of `package` define."""

    def is_inside(module: str) -> bool:
        return module == package or module.startswith(f"{package}.")

    mapped = {
        mapper.local_table.name
        for mapper in our_mappers()
        if isinstance(mapper.local_table, Table) and is_inside(mapper.class_.__module__)
    }
    bare = {
        value.name
        for name, module in list(sys.modules.items())
        if is_inside(name)
        for value in vars(module).values()
        if isinstance(value, Table) and value.metadata is Model.metadata
    }
    return mapped | bare


def options(metadata: MetaData, tables: Collection[str] | None = None) -> dict[str, Any]:
    """Alembic's options: compare `tables` (all of `metadata` by default) and never one
    that is marked as external."""
    ours = {t.name for t in metadata.tables.values() if not t.info.get("external")}
    wanted = ours if tables is None else ours.intersection(tables)

    def include_name(name: str | None, kind: str, _parents: Any) -> bool:
        return kind != "table" or name in wanted

    def include_object(
        _thing: Any, name: str | None, kind: str, _reflected: bool, _to: Any
    ) -> bool:
        return kind != "table" or name in wanted

    return {
        "version_table": VERSION_TABLE,
        "include_name": include_name,
        "include_object": include_object,
        "render_item": _render_item,
        "target_metadata": metadata,
    }


def _render_item(kind: str, thing: Any, _context: Any) -> Any:
    """Our column types by their own name; the template imports their module. Defaults as the
    models have them, and not in the words of the database of the moment."""
    if kind == "server_default":
        return _portable(getattr(thing, "arg", None)) or False
    ours = isinstance(thing, TypeDecorator) and type(thing).__module__ == "trivet.models.types"
    return f"trivet.models.types.{type(thing).__name__}()" if kind == "type" and ours else False


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
