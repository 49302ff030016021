"""The differences of one table, each with the operation that cures it, if one can."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alembic.operations import ops
from sqlalchemy import Connection, Identity, Table
from sqlalchemy.sql.naming import conv

from trivet.migrations.comparison import Comparison, Pair
from trivet.migrations.conversions import REBUILT, SENTENCE, conversion
from trivet.migrations.enumerations import ChangeEnumOp, ensure_enums, list_users
from trivet.migrations.matching import by_effect, condition_of, index_of, match, unique_of
from trivet.migrations.searches import CreateSearchOp, DropSearchOp, read_definition
from trivet.migrations.shapes import ColumnShape, Shape, is_unnamed
from trivet.models.searches import SearchIndex, find_search, name_of_index


@dataclass
class TableComparison:
    """Compares a table, and writes the operations into `change`."""

    comparison: Comparison
    connection: Connection
    change: ops.ModifyTableOps
    pair: Pair
    now: Table
    wanted: Table
    rebuilt: set[str] = field(default_factory=set)

    def run(self) -> None:
        self.change.ops[:] = [each for each in self.change.ops if not _is_about_names(each)]
        self._compare_nulls()
        self._compare_keys_of_sqlite()
        self._ensure_enums()
        self._change_types()
        self._compare_key()
        self._compare_computed()
        self._compare_counts()
        self._compare_checks()
        self._compare_indexes()
        self._compare_excludes()
        self._compare_enums()

    def _compare_nulls(self) -> None:
        """A key takes no NULL, whatever SQLite says of its column."""
        keys = {column.name for column in self.wanted.primary_key}
        for each in list(self.change.ops):
            if isinstance(each, ops.AlterColumnOp) and each.column_name in keys:
                each.modify_nullable = None
                if not each.has_changes():
                    self.change.ops.remove(each)

    def _compare_keys_of_sqlite(self) -> None:
        """Foreign keys of SQLite as SQLite reads them. One without a name goes with its column
        alone."""
        if self.connection.dialect.name != "sqlite":
            return
        added = {_columns_of(each): each for each in self.change.ops if _is_new_key(each)}
        gone = {column.name for column in self.now.columns} - {c.name for c in self.wanted.columns}
        for each in list(self.change.ops):
            if not isinstance(each, ops.DropConstraintOp) or each.constraint_type != "foreignkey":
                continue
            columns = _columns_of(each)
            other = added.get(columns)
            if other is not None and self._is_same_key(each, other):
                self.change.ops.remove(each)
                self.change.ops.remove(other)
            elif each.constraint_name is None:
                self.change.ops.remove(each)
                if not gone.intersection(columns.split(", ")):
                    self._unwritten(
                        f"a foreign key of {self.wanted.name} without a name, of {columns}, is in "
                        "the database and not in the models"
                    )

    def _is_same_key(self, now: ops.DropConstraintOp, wanted: Any) -> bool:
        kept: Any = now.to_constraint()
        key = wanted.to_constraint()
        same = [each.target_fullname for each in kept.elements] == [
            each.target_fullname for each in key.elements
        ]
        actions = tuple(str(each or "NO ACTION").upper() for each in (key.ondelete, key.onupdate))
        return same and self.pair.now.actions.get(_columns_of(now)) == actions

    def _unwritten(self, sentence: str) -> None:
        self.comparison.unwritten.append((self.wanted.key, sentence))

    def _as_wanted(self, now: Mapping[str, str]) -> dict[str, str]:
        """Definitions in the words that they would have if the models had just been built. What
        stands on a column that is built anew goes with it, and has none."""
        known = self.pair.wanted.again
        return {
            name: "" if self._is_on_rebuilt(said) else known.get(said, said)
            for name, said in now.items()
        }

    def _is_on_rebuilt(self, definition: str) -> bool:
        return any(re.search(rf"\b{re.escape(name)}\b", definition) for name in self.rebuilt)

    def _both(self) -> Iterator[tuple[str, ColumnShape, ColumnShape]]:
        for name, wanted in self.pair.wanted.shape.columns.items():
            if name in self.pair.now.columns:
                yield name, self.pair.now.columns[name], wanted

    def _compare_key(self) -> None:
        now, wanted = self.pair.now.primary_key, self.pair.wanted.shape.primary_key
        if now != wanted:
            self._unwritten(
                f"the primary key of {self.wanted.name} is {now or 'none'} in the database and "
                f"{wanted or 'none'} in the models"
            )

    def _compare_computed(self) -> None:
        for name, now, wanted in self._both():
            if now.computed == wanted.computed:
                continue
            drop = ops.DropColumnOp.from_column_and_tablename(
                self.wanted.schema, self.wanted.name, self.now.c[name]
            )
            add = ops.AddColumnOp.from_column_and_tablename(
                self.wanted.schema, self.wanted.name, self.wanted.c[name]
            )
            drop.info[SENTENCE] = (
                f"the column {self.wanted.name}.{name} is {_computed(now)} in the database and "
                f"{_computed(wanted)} in the models"
            )
            add.info[SENTENCE] = ""
            drop.info[REBUILT] = now.computed is not None
            self.change.ops += [drop, add]
            self.rebuilt.add(name)

    def _compare_counts(self) -> None:
        for name, now, wanted in self._both():
            is_explicit = isinstance(self.wanted.c[name].server_default, Identity)
            if not is_explicit or now.counts == wanted.counts or not wanted.counts:
                continue
            self._unwritten(
                f"the column {self.wanted.name}.{name} is numbered "
                f"{now.counts or 'by nobody'} in the database and {wanted.counts} in the models"
            )

    def _ensure_enums(self) -> None:
        """Make the enumerations of new columns and of new types first. SQLAlchemy makes those of
        new tables alone."""
        for each in list(self.change.ops):
            if isinstance(each, ops.AddColumnOp):
                self.change.ops[:0] = ensure_enums(each.column.type)
            elif isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
                self.change.ops[:0] = ensure_enums(each.modify_type)

    def _change_types(self) -> None:
        """Write the conversions of types. A default stands in their way."""
        changed: list[ops.MigrateOperation] = []
        for each in self.change.ops:
            if isinstance(each, ops.AlterColumnOp) and each.modify_type is not None:
                changed += conversion(each, self.now.c[each.column_name])
            else:
                changed.append(each)
        self.change.ops[:] = changed

    def _compare_checks(self) -> None:
        now = self.pair.now.checks
        pairs = match(self._as_wanted(now), self.pair.wanted.shape.checks)
        replaced: dict[str, str] = {}
        for name in pairs.added:
            check = self.pair.wanted.checks[name]
            final = conv(check.name)  # no convention makes another one of it
            operation = ops.CreateCheckConstraintOp(
                final, self.wanted.name, check.condition, schema=self.wanted.schema
            )
            operation.info[SENTENCE] = (
                f"the check {final} of {self.wanted.name} ({check.condition}) is in the models and "
                "not in the database"
            )
            if final in pairs.removed:
                operation.info[SENTENCE] = ""
                replaced[final] = check.condition
            self.change.ops.append(operation)
        for name in pairs.removed:
            condition = condition_of(now[name])
            if is_unnamed(name):
                self._unwritten(
                    f"a check of {self.wanted.name} without a name ({condition}) is in the database"
                    " and not in the models"
                )
                continue
            drop = ops.DropConstraintOp(
                conv(name),
                self.wanted.name,
                "check",
                schema=self.wanted.schema,
                _reverse=ops.CreateCheckConstraintOp(
                    conv(name), self.wanted.name, condition, schema=self.wanted.schema
                ),
            )
            drop.info[SENTENCE] = (
                ""
                if self._is_on_rebuilt(now[name])
                else f"the check {name} of {self.wanted.name} is {condition} in the database and "
                f"{replaced[name]} in the models"
                if name in replaced
                else f"the check {name} of {self.wanted.name} ({condition}) is in the database and "
                "not in the models"
            )
            self.change.ops.insert(0, drop)

    def _compare_indexes(self) -> None:
        """Unique constraints and indexes at once, because a unique index does what a constraint
        does: one stands for the other."""
        now, wanted = self.pair.now, self.pair.wanted.shape
        pairs = match(self._as_wanted(by_effect(now)), by_effect(wanted))
        for name in pairs.removed:
            self._remove(name, wanted.indexes.get(name) if name in pairs.added else None)
        for name in pairs.added:
            index = next((each for each in self.wanted.indexes if each.name == name), None)
            said = self._told(name, wanted, "models", "database")
            if (search := self._find_search(name, wanted)) is not None:
                said = search.missing
                operation: ops.MigrateOperation = CreateSearchOp(search)
            elif index is not None:
                operation = ops.CreateIndexOp.from_index(index)
            else:
                unique = unique_of(self.wanted, wanted.uniques[name])
                operation = ops.CreateUniqueConstraintOp.from_constraint(unique)
            operation.info[SENTENCE] = "" if name in pairs.removed else said
            self.change.ops.append(operation)

    def _remove(self, name: str, other: str | None) -> None:
        """Drop an index or a unique constraint, in whose place `other` comes under its name."""
        now = self.pair.now
        sentence = self._told(name, now, "database", "models")
        if other is not None and name in now.indexes:
            was, of = now.indexes[name], self.wanted.name
            differs = f"the index {name} of {of} is {was} in the database and {other} in the models"
            sentence = "" if other == was else differs
        if is_unnamed(name):
            self._unwritten(sentence)
            return
        if name in now.indexes and name == name_of_index(self.now.name):
            search = read_definition(self.now, now.indexes[name])
            sentence = sentence if other is not None else search.left
            operation: ops.MigrateOperation = DropSearchOp(search)
        elif name in now.uniques:
            unique = unique_of(self.now, now.uniques[name])
            operation = ops.DropConstraintOp.from_constraint(unique)
        else:
            operation = ops.DropIndexOp.from_index(index_of(self.now, name, now.indexes[name]))
        operation.info[SENTENCE] = sentence
        self.change.ops.insert(0, operation)

    def _find_search(self, name: str, shape: Shape) -> SearchIndex | None:
        """The search whose index PostgreSQL calls `name`, if it is one."""
        is_search = name in shape.indexes and name == name_of_index(self.wanted.name)
        return find_search(self.wanted) if is_search else None

    def _told(self, name: str, shape: Shape, side: str, other: str) -> str:
        of = f"of {self.wanted.name}"
        if name in shape.indexes:
            what = f"the index {name} {of}"
        elif is_unnamed(name):
            what = f"a unique constraint {of} without a name, {shape.uniques[name]},"
        else:
            what = f"the unique constraint {name} {of}"
        return f"{what} is in the {side} and not in the {other}"

    def _compare_excludes(self) -> None:
        pairs = match(self.pair.now.excludes, self.pair.wanted.shape.excludes)
        for name in (*pairs.added, *pairs.removed):
            side = "models" if name in pairs.added else "database"
            self._unwritten(f"the constraint {name} of {self.wanted.name} is in the {side} only")

    def _compare_enums(self) -> None:
        for name, wanted in self.pair.wanted.shape.enums.items():
            now = self.pair.now.enums.get(name)
            if now is None or now == wanted or name in self.comparison.enums:
                continue
            self.comparison.enums.add(name)
            operation = ChangeEnumOp(name, now, wanted, list_users(self.connection, name))
            operation.info[SENTENCE] = (
                f"the enumeration {name} has {_listed(now)} in the database and {_listed(wanted)} "
                "in the models"
            )
            self.change.ops.insert(0, operation)


def _is_new_key(operation: ops.MigrateOperation) -> bool:
    return isinstance(operation, ops.CreateForeignKeyOp)


def _columns_of(operation: Any) -> str:
    """The columns of a foreign key that is added or dropped."""
    key = operation.to_constraint()
    return ", ".join(sorted(column.name for column in key.columns))


def _is_about_names(operation: ops.MigrateOperation) -> bool:
    """Whether Alembic looked at the name of a constraint or an index."""
    if isinstance(operation, ops.DropConstraintOp):
        return operation.constraint_type == "unique"
    about = (ops.CreateIndexOp, ops.DropIndexOp, ops.CreateUniqueConstraintOp)
    return isinstance(operation, about)


def _computed(shape: ColumnShape) -> str:
    return "not computed" if shape.computed is None else f"computed as {shape.computed[:-2]}"


def _listed(members: tuple[str, ...]) -> str:
    return ", ".join(members)
