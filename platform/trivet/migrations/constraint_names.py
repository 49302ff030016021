"""The names of constraints that their class leaves without one.

Classes that were not written for Trivet stand in a metadata of their own, often without a naming
convention. Their constraints get the names there that PostgreSQL gives by itself, so that a
database made by revisions is like one made by ``create_all``, and a later revision can drop them
on SQLite too, which gives no names.
"""

import hashlib
from typing import Any

from alembic.operations import ops
from sqlalchemy import (
    CheckConstraint,
    Constraint,
    ForeignKeyConstraint,
    PrimaryKeyConstraint,
    Table,
    UniqueConstraint,
)
from sqlalchemy.sql.naming import conv

_LONGEST = 63
"""Characters of a name in PostgreSQL."""


def name_constraint(constraint: Constraint, table: Table | None = None) -> None:
    """Give `constraint`, a copy that Alembic writes down, its name if it has none. A CHECK of a
    column alone knows its `table` by that alone."""
    if constraint.name is not None:
        return
    columns = [column.name for column in getattr(constraint, "columns", ())]
    parts = _parts(constraint, columns)
    if parts is not None:
        constraint.name = conv(
            _fitting("_".join([(table if table is not None else constraint.table).name, *parts]))
        )


def name_added(upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
    """Give their names to the constraints that a revision adds to tables, and drops on its way
    back."""
    for operation in _changes(upgrade):
        if isinstance(operation, ops.AddConstraintOp):
            _name(operation)
    for operation in _changes(downgrade):
        if isinstance(operation, ops.DropConstraintOp):
            _name(operation)


def _changes(operations: ops.OpContainer) -> list[Any]:
    tables = (each for each in operations.ops if isinstance(each, ops.ModifyTableOps))
    return [change for table in tables for change in table.ops]


def _name(operation: Any) -> None:
    if operation.constraint_name is None:
        constraint = operation.to_constraint()
        name_constraint(constraint)
        operation.constraint_name = constraint.name


def _parts(constraint: Constraint, columns: list[str]) -> list[str] | None:
    match constraint:
        case PrimaryKeyConstraint():
            return ["pkey"] if columns else None
        case UniqueConstraint():
            return [*columns, "key"]
        case ForeignKeyConstraint():
            return [*columns, "fkey"]
        case CheckConstraint():
            digest = hashlib.blake2b(str(constraint.sqltext).encode(), digest_size=4)
            return [digest.hexdigest(), "check"]
        case _:
            return None


def _fitting(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name[: _LONGEST - len(digest) - 1]}_{digest}"
