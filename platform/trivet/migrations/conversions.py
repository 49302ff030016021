"""Changes of a column's type that keep what is in it.

PostgreSQL asks for an expression where it would not convert by itself, and reads a timestamp
without a zone in the zone of the moment. Here such timestamps are UTC, as everywhere in Trivet, so
that no revision shifts a time, whoever runs it and wherever.
"""

from typing import Any

from alembic.autogenerate import renderers
from alembic.autogenerate.api import AutogenContext
from alembic.operations import MigrateOperation, ops
from sqlalchemy import Boolean, Column, Date, DateTime, Dialect, Enum, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeDecorator, TypeEngine

SENTENCE = "sentence"
"""Where an operation of Alembic keeps the sentence of its difference, in its `info`; empty if
another operation tells it."""
REBUILT = "rebuilt"
"""In the `info` of an operation that drops a column whose values are computed again."""
POSTGRESQL: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's
"""PostgreSQL as a revision has to say it, whatever database it is made on."""


class ConvertOp(ops.AlterColumnOp):
    """A change of a type, with the expression that PostgreSQL needs for it."""


@renderers.dispatch_for(ConvertOp)
def _render(context: AutogenContext, operation: ConvertOp) -> Any:
    written = renderers.dispatch(ops.AlterColumnOp)(context, operation)
    using = find_using(operation.column_name, operation.existing_type, operation.modify_type)
    if using is None:
        return written
    return f"{written.removesuffix(')')},\n{' ' * 11}postgresql_using={using!r})"


def conversion(operation: ops.AlterColumnOp, now: "Column[Any]") -> list[MigrateOperation]:
    """`operation`, a change of a type, as the operations that do it. A default is taken away
    first where it could not be converted."""
    convert = ConvertOp(operation.table_name, operation.column_name)
    convert.__dict__.update(operation.__dict__)
    convert.modify_type = _without_check(operation.modify_type)
    using = find_using(operation.column_name, operation.existing_type, operation.modify_type)
    if using is None or now.server_default is None:
        return [convert]
    wanted = operation.modify_server_default
    convert.modify_server_default = False
    convert.existing_server_default = None
    named: dict[str, Any] = {"schema": operation.schema}
    table, column = operation.table_name, operation.column_name
    kept, new = operation.existing_type, operation.modify_type
    before = ops.AlterColumnOp(
        table,
        column,
        existing_type=kept,
        existing_server_default=now.server_default,
        modify_server_default=None,
        **named,
    )
    after = ops.AlterColumnOp(
        table,
        column,
        existing_type=new,
        existing_server_default=None,
        modify_server_default=now.server_default if wanted is False else wanted,
        **named,
    )
    before.info[SENTENCE] = ""
    if wanted is False:
        after.info[SENTENCE] = ""
    return [before, convert, after]


def _without_check(kind: TypeEngine[Any] | None) -> TypeEngine[Any] | None:
    """A type without the CHECK that it would bring, which is compared and written by itself."""
    if not isinstance(kind, (Enum, Boolean)) or not kind.create_constraint:
        return kind
    bare: Enum | Boolean = kind.copy()  # type: ignore[no-untyped-call]  # SQLAlchemy's
    bare.create_constraint = False
    return bare


def find_using(
    column: str, now: TypeEngine[Any] | None, wanted: TypeEngine[Any] | None
) -> str | None:
    """The expression that converts a column on PostgreSQL; None where it converts by itself."""
    if now is None or wanted is None:
        return None
    quoted = POSTGRESQL.identifier_preparer.quote(column)
    old, new = _plain(now), _plain(wanted)
    if isinstance(old, (DateTime, Date)) and isinstance(new, DateTime):
        return _using_of_time(quoted, old, new)
    kinds = [type(each.as_generic(allow_nulltype=True)) for each in (old, new)]
    is_new_kind = kinds[0] is not kinds[1]
    if is_new_kind or _is_native(old) or _is_native(new):
        is_text = isinstance(new, String) and not _is_native(new)
        return f"{quoted}::{'text' if is_text else new.compile(dialect=POSTGRESQL)}"
    # Not for a shorter text: with a cast PostgreSQL would cut it, and without one it refuses.
    return None


def _using_of_time(column: str, now: TypeEngine[Any], wanted: DateTime) -> str | None:
    had_zone = getattr(now, "timezone", False)
    if bool(had_zone) == bool(wanted.timezone):
        return None
    return f"{column}{'' if isinstance(now, DateTime) else '::timestamp'} AT TIME ZONE 'UTC'"


def _plain(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    """The type that PostgreSQL gets."""
    if isinstance(kind, TypeDecorator):
        return _plain(kind.load_dialect_impl(POSTGRESQL))
    return kind.dialect_impl(POSTGRESQL)


def _is_native(kind: TypeEngine[Any]) -> bool:
    return isinstance(kind, Enum) and kind.native_enum
