"""The risks of a new revision for existing rows, reported before it is applied.

An empty table accepts every revision, so a revision is not refused for a risk. But its author
learns of the risk while the file is new, and not when it fails on a database with rows.
"""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops


def find_risks(upgrade: ops.UpgradeOps) -> Iterator[str]:
    """A sentence for each risk, in the order of the operations."""
    for operation in upgrade.ops:
        inner = operation.ops if isinstance(operation, ops.ModifyTableOps) else [operation]
        for each in inner:
            yield from _risks_of(each)


def _risks_of(operation: Any) -> Iterator[str]:
    match operation:
        case ops.AddColumnOp(column=column) if not column.nullable and not _has_default(column):
            yield (
                f"the new column {operation.table_name}.{column.name} takes no NULL, and rows that "
                "are there have no value for it: the revision fails unless the table is empty. "
                f"Cure: {FILL}."
            )
        case ops.AlterColumnOp(modify_nullable=False) if FILLED not in operation.info:
            yield (
                f"the column {operation.table_name}.{operation.column_name} will take no NULL: the "
                "revision fails if a row has one. Cure: make the revision with --value "
                "table.column=…, which fills it first."
            )
        case ops.DropColumnOp():
            yield (
                f"the column {operation.table_name}.{operation.column_name} is dropped with what "
                "is in it. If you renamed it, delete the revision and make it with --rename "
                f"{operation.table_name}.{operation.column_name}=…, which keeps the values."
            )
        case ops.DropTableOp():
            yield (
                f"the table {operation.table_name} is dropped with what is in it. If you renamed "
                "it, write op.rename_table(…) instead."
            )
        case _:
            pass


FILLED = "filled"
"""In the `info` of an operation whose column has a value in every row by then."""
FILL = (
    "give the column a server_default, or make the revision with --value table.column=…, which "
    "adds it with NULL, fills it, and then lets it take no NULL"
)
"""The way to add a column that takes no NULL to a table with rows."""


def _has_default(column: Any) -> bool:
    return column.server_default is not None or column.computed is not None
