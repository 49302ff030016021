"""The writing of several rows of a class at once, in one flush.

One row is several of which there is one: many rows of a flush cost little more than one, and the
rules of the door are the same.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapper, Session, lazyload, selectinload, undefer
from sqlalchemy.orm.attributes import instance_state

from trivet.capture.old_values import columns_of
from trivet.data.bounds import bounds_of, refusal
from trivet.data.explicit_nulls import keep_nulls
from trivet.data.fitting import UnfitError
from trivet.data.session import TrivetSession
from trivet.data.violation import Violation
from trivet.data.violations import find_violation
from trivet.errors import ConfigurationError
from trivet.identity.identity import Identity
from trivet_api.conditions import Condition, require_condition
from trivet_api.resource.faults import input_error, invalid
from trivet_api.resource.item_errors import ItemError, item
from trivet_api.resource.key_matching import Key, matched
from trivet_api.resource.keys import no_key, no_row, read_key
from trivet_api.resource.membership import Found, Membership
from trivet_api.resource.seen import (
    among,
    condition_of,
    having,
    key_attributes,
    references_of,
    require_creatable,
    require_known,
    require_references,
    require_visible,
    rules_of,
)
from trivet_api.resource.write_options import WriteOptions

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one row, or its deletion: `key` is the text of its key, as in an address."""

    key: str
    values: Values = field(default_factory=dict)
    condition: Condition | None = None


class Writer:
    """Writes rows of one class for one actor. Each method raises ItemError, if it is known which of
    the rows is refused; else what the flush raises."""

    def __init__(self, db: Session, actor: Identity, write: WriteOptions) -> None:
        assert isinstance(db, TrivetSession)  # what it knows of rules and bounds is asked for
        self.db = db
        self.actor = actor
        self.write = write
        self.mapper: Mapper[Any] = write.mapper

    def insert(self, items: Sequence[Values]) -> list[Any]:
        """Make rows with the values of `items`."""
        require_creatable(rules_of(self.db), self.actor, self.write)
        self._require_known(items)
        fitted = [self.fitted(values, index) for index, values in enumerate(items)]
        require_references(self.db, self.actor, self.write.model, fitted)
        found = self._find_members(items)
        if self.write.create is None:
            rows = [self._new(values, found, index) for index, values in enumerate(items)]
            self.db.add_all(rows)
        else:
            rows = [self._serve_insert(values, index) for index, values in enumerate(items)]
        self.db.flush()
        require_visible(self.db, self.actor, self.write.model, rows, is_new=True)
        return self._loaded(rows)

    def update(self, changes: Sequence[Change]) -> list[Any]:
        """Make `changes`. What is as it should be already is not written."""
        items = [change.values for change in changes]
        self._require_known(items)
        rows = self.lock(changes)
        pairs = list(zip(rows, items, strict=True))
        changed = [self._differing(*pair, index) for index, pair in enumerate(pairs)]
        whole = [self._whole(row, new) for row, new in zip(rows, changed, strict=True)]
        require_references(self.db, self.actor, self.write.model, whole)
        found = self._find_members(items)
        for index, (row, values) in enumerate(pairs):
            with item(index):
                if self.write.update is not None:
                    self.write.update(self.db, self.actor, self._key(row), dict(values))
                else:
                    _set(row, changed[index])
                    self._set_members(row, values, found)
        self.db.flush()
        require_visible(self.db, self.actor, self.write.model, rows, is_new=False)
        return self._loaded(rows)

    def delete(self, changes: Sequence[Change]) -> None:
        """Delete the rows that `changes` are about."""
        for index, row in enumerate(self.lock(changes, are_deleted=True)):
            with item(index):
                if self.write.delete is not None:
                    self.write.delete(self.db, self.actor, self._key(row))
                else:
                    self.db.delete(row)
        try:
            self.db.flush()
        except (IntegrityError, AssertionError) as error:
            referring = self._find_referring(error)
            if referring is None:
                raise
            raise referring.error() from error

    def hold(
        self, texts: Iterable[str], known: Sequence[tuple[Any, ...]], *, are_deleted: bool
    ) -> None:
        """Lock, as `lock` does it, those rows that there are with these keys, or with the values
        `known` in the constraint of upserts, before it is known what becomes of each."""
        keys = []
        for text in texts:
            with suppress(ItemError):  # it is refused where its turn comes
                keys.append(self._read(text, 0))
        named = [having(self.mapper, keys)] if keys else []
        if known:
            constraint = [getattr(self.write.model, name) for name in self.write.unique]
            named.append(among(constraint, known))
        if named:
            query = select(*key_attributes(self.mapper)).where(or_(*named))
            self.db.execute(self._locking(query, are_deleted=are_deleted)).all()

    def lock(self, changes: Sequence[Change], *, are_deleted: bool = False) -> list[Any]:
        """The rows that `changes` are about, locked in the order of their keys, so that two units
        which change the same rows never wait for each other."""
        keys = [self._read(change.key, index) for index, change in enumerate(changes)]
        query = select(self.write.model).where(having(self.mapper, keys))
        query = self._locking(query, are_deleted=are_deleted)
        sent = {name for change in changes for name in change.values}
        lists = [each for each in self.write.members.values() if each.name in sent]
        locked = query.options(
            lazyload("*"), *(selectinload(each.attribute) for each in lists)
        ).execution_options(populate_existing=True)
        locked_rows = {self._identity(row): row for row in self.db.scalars(locked)}
        found = matched(keys, locked_rows, lambda key: self._find_among(locked_rows, key))
        left = {id(row) for row in found.values()}
        for index, (key, change) in enumerate(zip(keys, changes, strict=True)):
            with item(index):
                row = found.get(key)
                self._require(row, change)
                if id(row) not in left:
                    raise invalid([input_error("key", "this key stands here twice", "path")])
                left.remove(id(row))
        return [found[key] for key in keys]

    def _locking(self, query: Any, *, are_deleted: bool) -> Any:
        """`query` for those of its rows that the actor sees, in the order of their keys."""
        condition = condition_of(self.db, self.actor, self.write.model)
        if condition is not None:
            query = query.where(condition)
        # Who makes a row that refers to one holds its key. A lock of the whole row waits for that,
        # and two who hold it, and then change the row, wait for each other.
        return query.order_by(*key_attributes(self.mapper)).with_for_update(
            of=self.write.model, key_share=not are_deleted
        )

    def _find_among(self, rows: Mapping[Key, Any], key: Key) -> Any:
        """The one of `rows` that the database finds by `key`."""
        query = select(*key_attributes(self.mapper)).where(having(self.mapper, [key]))
        return rows.get(tuple(self.db.execute(query).one_or_none() or ()))

    def fitted(self, values: Values, index: int) -> dict[str, Any]:
        """The columns among `values` in the form in which they are read back."""
        fits = bounds_of(self.mapper, self.db.dialect).fits
        columns = columns_of(self.mapper)
        fitted: dict[str, Any] = {}
        faults: dict[str, str] = {}
        for name, value in values.items():
            fit = fits.get(name)
            try:
                if name in columns:
                    fitted[name] = value if fit is None or value is None else fit(value)
            except UnfitError as unfit:
                faults[name] = str(unfit)
        if faults:
            raise ItemError(index, refusal(self.mapper, faults))
        return fitted

    def _loaded(self, rows: list[Any]) -> list[Any]:
        """`rows` with all their columns: what the database has computed is read for all at once."""
        names = columns_of(self.mapper).keys()
        if any(names & instance_state(row).unloaded for row in rows):
            keys = [self._identity(row) for row in rows]
            query = select(self.write.model).where(having(self.mapper, keys))
            query = query.options(lazyload("*"), undefer("*"))
            self.db.scalars(query.execution_options(populate_existing=True)).all()
        return rows

    def _require_known(self, items: Iterable[Values]) -> None:
        for index, values in enumerate(items):
            with item(index):
                require_known(self.db, self.actor, self.write.model, values)

    def _require(self, row: Any, change: Change) -> None:
        if row is None:
            raise no_row(self.write.model, change.key)
        condition = change.condition
        if self.write.require_match:
            require_condition(condition or Condition())
        if condition is not None and (condition.if_match or condition.if_none_match):
            condition.require(self.write.version(row))

    def _read(self, text: str, index: int) -> tuple[Any, ...]:
        fits = bounds_of(self.mapper, self.db.dialect).fits
        names = [each.key for each in key_attributes(self.mapper)]
        try:
            key = read_key(self.write.model, text)
            # A loaded row is known by what its column's type makes of it: an address, not its text.
            return tuple(
                value if value is None or name not in fits else fits[name](value)
                for name, value in zip(names, key, strict=True)
            )
        except ValueError:
            raise ItemError(index, no_key(self.write.model)) from None

    def _identity(self, row: Any) -> tuple[Any, ...]:
        return tuple(self.mapper.primary_key_from_instance(row))

    def _key(self, row: Any) -> Any:
        """The key as a service gets it."""
        key = self._identity(row)
        return key[0] if len(key) == 1 else key

    def _serve_insert(self, values: Values, index: int) -> Any:
        service: Any = self.write.create
        with item(index):
            row = service(self.db, self.actor, dict(values))
            if not isinstance(row, self.write.model):
                raise ConfigurationError(
                    "resource",
                    f"The service {getattr(service, '__name__', service)} returned "
                    f"{type(row).__name__}: one that creates returns the new "
                    f"{self.write.model.__name__}.",
                )
            return row

    def _new(self, values: Values, found: Mapping[str, Found], index: int) -> Any:
        with item(index):
            row = new_row(self.write, values)
            self._set_members(row, values, found)
            return row

    def _membership(self, name: str) -> Membership:
        return Membership(self.db, self.actor, self.write.members[name])

    def _find_members(self, items: Sequence[Values]) -> Mapping[str, Found]:
        return {name: self._membership(name).find(items) for name in self.write.members}

    def _set_members(self, row: Any, values: Values, found: Mapping[str, Found]) -> None:
        for name in self.write.members:
            if name in values:
                self._membership(name).replace(row, values[name], found[name])

    def _differing(self, row: Any, values: Values, index: int) -> dict[str, Any]:
        """The columns among `values` that `row` does not have already."""
        columns = columns_of(self.mapper)
        return {
            name: value
            for name, value in self.fitted(values, index).items()
            if not columns[name].type.compare_values(getattr(row, name), value)
        }

    def _whole(self, row: Any, values: Values) -> dict[str, Any]:
        """`values` with the rest of each foreign key of which they set a part."""
        rest = {name: getattr(row, name) for name in references_of(self.mapper, values)}
        return {**rest, **values}

    def _find_referring(self, error: Exception) -> Violation | None:
        """The violation by rows that a relationship would part from the deleted one, and that
        cannot be without it: the session would set their reference to NULL, and they take none."""
        table: Any = self.mapper.local_table
        columns = tuple(table.primary_key.columns)
        if isinstance(error, AssertionError):
            is_parting = "blank-out primary key" in str(error)  # SQLAlchemy's words; it has no code
            return Violation("referred", table, columns) if is_parting else None
        found = find_violation(error)
        if found is None or found.kind != "null" or found.table in self.mapper.tables:
            return None
        return Violation("referred", table, columns, other=found.table)


def new_row(write: WriteOptions, values: Values) -> Any:
    """A new object with the columns among `values`."""
    # As a loaded row is made: a constructor of the class's own may want what nobody sends.
    row = write.mapper.class_manager.new_instance()
    if write.discriminator is not None:
        setattr(row, write.discriminator, write.mapper.polymorphic_identity)
    _set(row, {name: value for name, value in values.items() if name not in write.members})
    if nulls := [name for name, value in values.items() if value is None]:
        keep_nulls(row, nulls)
    return row


def _set(row: Any, values: Values) -> None:
    for name, value in values.items():
        setattr(row, name, value)
