"""What Alembic's comparison leaves out, and where it takes two spellings for a difference.

Alembic compares the text of a model with the text of a catalogue, or not at all: CHECKs, conditions
of indexes, members of enumerations and generated columns change unseen. Here both texts are the
database's own (`shapes`, `scratch`): a database that was just made from the models differs in
nothing, whatever it makes of their words. Names of constraints and indexes are not compared, so
that a database which somebody else made keeps its own.
"""

from functools import cache
from typing import Any

from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from alembic.runtime.plugins import Plugin
from alembic.util import DispatchPriority, PriorityDispatchResult
from sqlalchemy import Column, Table

from trivet.migrations.comparison import Comparison, Pair
from trivet.migrations.policies import secure
from trivet.migrations.searches import compare_search
from trivet.migrations.table_comparison import TableComparison

NAME = "trivet.migrations.comparing"
TYPES = "types"
"""Where an operation of Alembic keeps the two types of a column, in its `info`."""


@cache
def install() -> None:
    """Make the comparison known to Alembic, once a process, under `NAME`."""
    plugin = Plugin(NAME)
    first = DispatchPriority.FIRST
    plugin.add_autogenerate_comparator(_compare_type, "column", "types", priority=first)
    plugin.add_autogenerate_comparator(_compare_default, "column", "server_default", priority=first)
    plugin.add_autogenerate_comparator(
        _compare_rest, "table", "trivet", priority=DispatchPriority.LAST
    )


def _pair_for(context: AutogenContext, table: Table) -> Pair | None:
    comparison: Comparison | None = context.opts.get("comparison")
    if comparison is None or context.connection is None:
        return None
    return comparison.pair_of(context.connection, table)


def _compare_type(  # the signature is Alembic's
    context: AutogenContext,
    operation: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    name: str,
    now: "Column[Any]",
    wanted: "Column[Any]",
) -> PriorityDispatchResult:
    pair = _pair_for(context, wanted.table)
    if pair is None:
        return PriorityDispatchResult.CONTINUE
    operation.existing_type = now.type
    is_kept, is_wanted = pair.columns(name)
    if is_kept.type != is_wanted.type:
        operation.modify_type = wanted.type
        if context.dialect.name == "postgresql":
            # Alembic would write both kinds of timestamp alike.
            operation.info[TYPES] = (is_kept.type, is_wanted.type)
    return PriorityDispatchResult.STOP


def _compare_default(  # the signature is Alembic's
    context: AutogenContext,
    operation: ops.AlterColumnOp,
    _schema: str | None,
    _table: str,
    name: str,
    now: "Column[Any]",
    wanted: "Column[Any]",
) -> PriorityDispatchResult:
    pair = _pair_for(context, wanted.table)
    if pair is None:
        return PriorityDispatchResult.STOP  # Alembic would compare spellings
    is_kept, is_wanted = pair.columns(name)
    if is_kept.computed or is_wanted.computed or is_kept.counts or is_wanted.counts:
        return PriorityDispatchResult.STOP  # compared with the table
    operation.existing_server_default = now.server_default
    if is_kept.default != is_wanted.default:
        operation.modify_server_default = wanted.server_default
    return PriorityDispatchResult.STOP


def _compare_rest(  # the signature is Alembic's
    context: AutogenContext,
    change: ops.ModifyTableOps,
    _schema: str | None,
    _name: str,
    now: Table | None,
    wanted: Table | None,
) -> PriorityDispatchResult:
    if wanted is not None:
        _compare_policies(context, change, wanted, is_new=now is None)
        if context.connection is not None:
            change.ops += compare_search(context.connection, wanted, is_new=now is None)
    if now is None or wanted is None:
        return PriorityDispatchResult.CONTINUE
    pair = _pair_for(context, wanted)
    if pair is not None and context.connection is not None:
        comparison: Comparison = context.opts["comparison"]
        TableComparison(comparison, context.connection, change, pair, now, wanted).run()
    return PriorityDispatchResult.CONTINUE


def _compare_policies(
    context: AutogenContext, change: ops.ModifyTableOps, table: Table, *, is_new: bool
) -> None:
    comparison: Comparison | None = context.opts.get("comparison")
    if comparison is None or context.connection is None:
        return
    policy = comparison.policies.get(table.key)
    found = secure(context.connection, table, policy, is_new=is_new)
    if found is not None:
        change.ops.append(found)
