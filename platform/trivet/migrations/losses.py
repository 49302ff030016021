"""What a revision takes from rows: columns, tables, and parts of values."""

from collections.abc import Iterator
from typing import Any

from alembic.operations import ops
from sqlalchemy import Date, DateTime, Float, Integer, Numeric, String, Time

from trivet.migrations.conversions import REBUILT


def find_losses(upgrade: ops.UpgradeOps) -> Iterator[str]:
    """A sentence for each loss, in the order of the operations."""
    for operation in upgrade.ops:
        inner = operation.ops if isinstance(operation, ops.ModifyTableOps) else [operation]
        for each in inner:
            yield from _losses_of(each)


def _losses_of(operation: Any) -> Iterator[str]:
    match operation:
        case ops.DropColumnOp() if not operation.info.get(REBUILT):
            yield f"the column {operation.table_name}.{operation.column_name} is dropped"
        case ops.DropTableOp():
            yield f"the table {operation.table_name} is dropped"
        case ops.AlterColumnOp(existing_type=now, modify_type=wanted) if wanted is not None:
            if _is_narrower(now, wanted):
                yield (
                    f"the column {operation.table_name}.{operation.column_name} becomes {wanted}, "
                    f"which holds less than {now}"
                )
        case _:
            pass


def _is_narrower(now: Any, wanted: Any) -> bool:
    old, new = (each.as_generic(allow_nulltype=True) for each in (now, wanted))
    match old, new:
        case DateTime(), Date() | Time():
            return True
        case Numeric() | Float(), Integer():
            return True
        case String(), String() if new.length is not None:
            return old.length is None or old.length > new.length
        case Numeric(), Numeric() if new.scale is not None and not isinstance(new, Float):
            return old.scale is None or old.scale > new.scale
        case _:
            return False
