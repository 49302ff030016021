"""The operations of a new revision, made fit for every database and every order of features.

Alembic compares one database with the models and writes down what it sees there. Five things it
cannot know are added here:

* a table of another feature must be there before a foreign key can refer to it. The revision then
  depends on that feature's newest one. If that table has no revision yet, because the features
  refer to each other, the key is postponed to a revision of its own;
* a column that is gone and one that is new may be the same under another name, which only people
  know;
* SQLite gives the key of a deleted row again, unless a new table says AUTOINCREMENT;
* PostgreSQL keeps an enumeration as a type of its own, which a downgrade has to drop;
* a revision without a message gets one that says what it does.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from sqlalchemy import Column, Connection, ForeignKeyConstraint, Table

from trivet.errors import ConfigurationError
from trivet.migrations.answers import Answers
from trivet.migrations.constraint_names import name_added
from trivet.migrations.enumerations import drops_of
from trivet.migrations.filling import fill
from trivet.migrations.filling_back import fill_back
from trivet.migrations.losses import find_losses
from trivet.migrations.numbered_keys import number_once
from trivet.migrations.policies import SecureRowsOp, order_policies
from trivet.migrations.prerequisites import prepare
from trivet.migrations.searches import CreateSearchOp, DropSearchOp, order_searches
from trivet.models.mapped import our_tables


@dataclass
class Revising:
    """What is known of a revision while it is written.

    Attributes:
        owner: The feature whose revision it is.
        owners: The feature of each table.
        is_there: Whether a table has a revision, or is in the database.
        will_be_there: Whether a table is about to have one.
        answers: What people say of renames, values for rows, and losses.
        connection: The database, which may have rows.
        postponed: The foreign keys that were left out.
        add: If it is not empty, the revision adds these keys and does nothing else.
    """

    owner: str
    owners: Mapping[str, str]
    is_there: Callable[[str], bool]
    will_be_there: Callable[[str], bool]
    answers: Answers
    connection: Connection
    postponed: list[ForeignKeyConstraint] = field(default_factory=list)
    add: list[ForeignKeyConstraint] = field(default_factory=list)

    def revise(self, directive: ops.MigrationScript) -> None:
        """Change what Alembic is about to write."""
        upgrade, downgrade = directive.upgrade_ops, directive.downgrade_ops
        assert upgrade is not None
        assert downgrade is not None
        for operation in upgrade.ops:
            if isinstance(operation, ops.CreateTableOp):
                number_once(operation)
        if self.add:
            upgrade.ops = [_adding(key) for key in self.add]
            downgrade.ops = upgrade.reverse().ops
        else:
            late = _take_late_keys(upgrade)
            upgrade.ops += late
            downgrade.ops[:0] = [each.reverse() for each in reversed(late)]
            name_added(upgrade, downgrade)
            self._postpone(upgrade, downgrade)
            self._rename(upgrade, downgrade)
            self.answers.require_loss(list(find_losses(upgrade)))
            fill(self.connection, upgrade, _tables_by_key(), self.answers)
            fill_back(downgrade)
            downgrade.ops.extend(drops_of(_new_columns(upgrade)))
            order_policies(upgrade, downgrade)
            order_searches(upgrade, downgrade)
            prepare(upgrade, downgrade)
        directive.message = directive.message or describe(upgrade)
        needed = {self.owners.get(table, self.owner) for table in _referred(upgrade)}
        depends = [f"{name}@head" for name in sorted(needed - {self.owner})]
        # The platform's newest one may be asked for by the first revision and by a key.
        every = dict.fromkeys([*_as_list(directive.depends_on), *depends])
        directive.depends_on = list(every) or None

    def _postpone(self, upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
        for operation in upgrade.ops:
            if isinstance(operation, ops.CreateTableOp):
                operation.columns = [each for each in operation.columns if self._stays(each)]
            elif isinstance(operation, ops.ModifyTableOps):
                operation.ops = [each for each in operation.ops if self._stays(_key_of(each))]
        names = {key.name for key in self.postponed}
        for operation in downgrade.ops:
            if isinstance(operation, ops.ModifyTableOps):
                operation.ops = [
                    each
                    for each in operation.ops
                    if not (
                        isinstance(each, ops.DropConstraintOp) and each.constraint_name in names
                    )
                ]

    def _rename(self, upgrade: ops.UpgradeOps, downgrade: ops.DowngradeOps) -> None:
        for change in upgrade.ops:
            if not isinstance(change, ops.ModifyTableOps):
                continue
            back = next(
                each
                for each in downgrade.ops
                if isinstance(each, ops.ModifyTableOps)
                and (each.schema, each.table_name) == (change.schema, change.table_name)
            )
            for old, new in self._renames(change, back):
                _replace(change, gone=old.name, new=new)
                _replace(back, gone=new.name, new=old)

    def _renames(
        self, change: ops.ModifyTableOps, back: ops.ModifyTableOps
    ) -> Iterator[tuple[Column[Any], Column[Any]]]:
        """The old and the new column of each rename."""
        removed = {column.name: column for column in _added(back)}
        for new in _added(change):
            for old in list(removed.values()):
                is_like = type(old.type.as_generic()) is type(new.type.as_generic())
                if is_like and self.answers.is_renamed(change.table_name, old.name, new.name):
                    del removed[old.name]
                    yield old, new
                    break

    def _stays(self, thing: Any) -> bool:
        if not isinstance(thing, ForeignKeyConstraint) or self.is_there(_target(thing)):
            return True
        if not self.will_be_there(_target(thing)):
            owner = self.owners.get(_target(thing), "its feature")
            raise ConfigurationError(
                "no-table",
                f"{thing.parent.name} refers to {_target(thing)}, which no revision makes yet. "
                f"Cure: `trivet makemigrations {owner}` first, or both at once.",
            )
        self.postponed.append(thing)
        return False


def _tables_by_key() -> dict[str, Table]:
    return {table.key: table for table in our_tables() if not table.info.get("external")}


def describe(upgrade: ops.UpgradeOps) -> str:
    """A message for a revision without one."""
    created = [each.table_name for each in upgrade.ops if isinstance(each, ops.CreateTableOp)]
    changed = [each.table_name for each in upgrade.ops if isinstance(each, ops.ModifyTableOps)]
    secured = [each.table for each in upgrade.ops if isinstance(each, SecureRowsOp)]
    searched = [
        each.index.table for each in upgrade.ops if isinstance(each, CreateSearchOp | DropSearchOp)
    ]
    verb, tables = ("create", created) if created else ("change", changed)
    if not tables:
        verb, tables = ("secure", secured) if secured else ("search", searched)
    return " ".join([verb, *dict.fromkeys(tables)]) if tables else "changes"


def _take_late_keys(upgrade: ops.UpgradeOps) -> list[ops.ModifyTableOps]:
    """Take those keys out of new tables that lead to a table which the revision makes later: of
    tables that refer to each other one is first. Returns what adds them."""
    tables = [each for each in upgrade.ops if isinstance(each, ops.CreateTableOp)]
    waiting = [_key_of_table(each.schema, each.table_name) for each in tables]
    late: list[ForeignKeyConstraint] = []
    for number, table in enumerate(tables, start=1):
        keys = [each for each in table.columns if isinstance(each, ForeignKeyConstraint)]
        too_early = [key for key in keys if key.use_alter or _target(key) in waiting[number:]]
        table.columns = [
            each
            for each in table.columns
            if not isinstance(each, ForeignKeyConstraint) or each not in too_early
        ]
        late += too_early
    return [_adding(key) for key in late]


def _key_of_table(schema: str | None, name: str) -> str:
    return name if schema is None else f"{schema}.{name}"


def _adding(key: ForeignKeyConstraint) -> ops.ModifyTableOps:
    operation = ops.CreateForeignKeyOp.from_constraint(key)
    return ops.ModifyTableOps(key.table.name, [operation], schema=key.table.schema)


def _added(change: ops.ModifyTableOps) -> "list[Column[Any]]":
    return [each.column for each in change.ops if isinstance(each, ops.AddColumnOp)]


def _replace(change: ops.ModifyTableOps, *, gone: str, new: "Column[Any]") -> None:
    """Rename the column `gone` to `new`, in place of dropping the one and adding the other."""
    rename = ops.AlterColumnOp(
        change.table_name,
        gone,
        modify_name=new.name,
        existing_type=new.type,
        schema=change.schema,
    )
    others = [
        each
        for each in change.ops
        if not (isinstance(each, ops.AddColumnOp) and each.column.name == new.name)
        and not (isinstance(each, ops.DropColumnOp) and each.column_name == gone)
    ]
    # First, because an index or a constraint may be on the column.
    change.ops = [rename, *others]


def _key_of(operation: Any) -> Any:
    """The foreign key that an operation adds, or the operation."""
    if isinstance(operation, ops.CreateForeignKeyOp):
        return operation.to_constraint()
    return operation


def _target(key: ForeignKeyConstraint) -> str:
    """The key of the table to which a key refers, which need not be known here."""
    table, _, _column = key.elements[0].target_fullname.rpartition(".")
    return table


def _referred(upgrade: ops.UpgradeOps) -> Iterator[str]:
    for operation in upgrade.ops:
        if isinstance(operation, ops.CreateTableOp):
            keys = [each for each in operation.columns if isinstance(each, ForeignKeyConstraint)]
        elif isinstance(operation, ops.ModifyTableOps):
            every = (_key_of(each) for each in operation.ops)
            keys = [each for each in every if isinstance(each, ForeignKeyConstraint)]
        elif isinstance(operation, SecureRowsOp):
            yield from operation.reads
            keys = []
        else:
            keys = []
        yield from map(_target, keys)


def _new_columns(upgrade: ops.UpgradeOps) -> Iterator["Column[Any]"]:
    """The columns with which PostgreSQL makes enumerations: those of new tables."""
    for operation in upgrade.ops:
        if isinstance(operation, ops.CreateTableOp):
            yield from (each for each in operation.columns if isinstance(each, Column))


def _as_list(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)
