"""The tables whose every change is captured, and their protection against unseen changes.

Feeds (`trivet.events.fed_tables`) and the audit trail (`trivet.audit.audited_tables`) use the same
capture, which sees the writes of a flush. Outside of a flush, a statement that writes to such a
table is refused (`trivet.data.statement_guard`). Actions of the database itself on its rows (ON
DELETE, ON UPDATE) are refused when the application starts.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table
from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty

from trivet.capture.sql import read_statement
from trivet.identity.user import User
from trivet.models.mapped import every_mapper
from trivet.models.views import find_reading

_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""The actions of a foreign key on the rows that refer to a changed one."""


class CapturedTables:
    """The tables of mapped classes, `tables`, and of links between them, `associations`."""

    def __init__(self, tables: Iterable[Table], associations: Iterable[Table]) -> None:
        linking = list(associations)
        every = {*tables, *linking}
        self.associations = frozenset(table.name for table in linking)
        # In lower case: SQLite accepts a quoted name in any case.
        self._written = frozenset(table.name.lower() for table in every)
        self._deleted = self._written | {
            key.referred_table.name.lower()
            for table in every
            for key in table.foreign_key_constraints
            if action_of(key.ondelete)
        }
        self.find_unseen: Callable[[str], str | None] = lru_cache(maxsize=4096)(self._find_unseen)
        """The table that a statement (its SQL) would change unseen, if any."""

    def _find_unseen(self, sql: str) -> str | None:
        statement = read_statement(sql)
        if statement.is_opaque:
            return "a table that its text does not show"
        for write in statement.writes:
            guarded = self._deleted if write.verb == "DELETE" else self._written
            if write.table is not None and write.table.lower() in guarded:
                return write.table
            named = self._deleted & statement.names
            if write.table is None and named:
                return min(named)
        return None


@dataclass(frozen=True, slots=True)
class CaptureReason:
    """The words of messages about captured tables: their property ("is audited"), the consequence
    of an uncaptured change, the other cure, and the tables of a captured class."""

    of: str
    unheard: str
    otherwise: str = ""
    covers: Callable[[Table], bool] = lambda _table: True


def faults_of(captured: Iterable[Mapper[Any]], reason: CaptureReason) -> list[str]:
    """A sentence for each foreign key by which the database would change rows of `captured`
    by itself, so that no flush sees it. The mappers must be configured."""
    found: set[str] = set()
    for mapper in captured:
        if find_reading(mapper) is not None:
            continue  # other code changes its rows anyway
        found.update(_faults(mapper, reason))
        for table, _ in associations_of(mapper):
            if reason.covers(table):
                found.update(_faults_of_links(table, reason))
    return sorted(found)


def associations_of(mapper: Mapper[Any]) -> Iterator[tuple[Table, RelationshipProperty[Any]]]:
    """The tables without a class whose rows relationships of `mapper` write."""
    for relationship in mapper.relationships:
        if isinstance(relationship.secondary, Table) and not relationship.viewonly:
            yield relationship.secondary, relationship


def action_of(rule: str | None) -> str | None:
    """The action of the database by a foreign key's `rule`; None if it only refuses."""
    name = (rule or "").upper()
    return name if name in _ACTIONS else None


def _faults(mapper: Mapper[Any], reason: CaptureReason) -> Iterator[str]:
    child = mapper.class_.__name__
    for key in foreign_keys_of(mapper, reason):
        subject = f"{child} {reason.of}, and its foreign key ({_columns(key)})"
        if action_of(key.onupdate):
            yield _on_update(subject, key, reason)
        if action_of(key.ondelete) is None or (parent := find_parent(key)) is None:
            continue
        deletes = action_of(key.ondelete) == "CASCADE"
        if not any(follows(r, mapper, key, deletes=deletes) for r in parent.relationships):
            cure = 'cascade="all, delete-orphan"' if deletes else "its usual cascade"
            yield (
                f"{subject} has ON DELETE {key.ondelete}, by which the database changes rows "
                f"{reason.unheard}. Give {parent.class_.__name__} a relationship to {child} with "
                f"{cure} and without passive_deletes, so that SQLAlchemy does it before the "
                f"database{reason.otherwise}."
            )


def _faults_of_links(table: Table, reason: CaptureReason) -> Iterator[str]:
    for key in table.foreign_key_constraints:
        subject = f"{table.name} {reason.of}, and its foreign key ({_columns(key)})"
        if action_of(key.onupdate):
            yield _on_update(subject, key, reason)
        if action_of(key.ondelete) is None or (parent := find_parent(key)) is None:
            continue
        if not any(link is table and is_cut(r, key) for link, r in associations_of(parent)):
            yield (
                f"{subject} has ON DELETE {key.ondelete}, by which the database cuts links "
                f"{reason.unheard}. Give {parent.class_.__name__} a relationship with "
                f"secondary={table.name} too, without passive_deletes, so that SQLAlchemy does "
                f"it before the database{reason.otherwise}."
            )


def _on_update(subject: str, key: ForeignKeyConstraint, reason: CaptureReason) -> str:
    return (
        f"{subject} has ON UPDATE {key.onupdate}, by which the database changes rows "
        f"{reason.unheard}: leave it out, because keys do not change{reason.otherwise}."
    )


def find_parent(key: ForeignKeyConstraint) -> Mapper[Any] | None:
    """The class that `key` refers to; of several classes in one table their common base, because
    any of their rows may be deleted. None for Django's own tables, users among them, because Django
    collects what it deletes."""
    table = key.referred_table
    if table is User.__table__:
        return None
    found = [each for each in every_mapper() if each.local_table is table]
    return next((m for m in found if m.inherits not in found), None)


def follows(
    relationship: RelationshipProperty[Any],
    mapper: Mapper[Any],
    key: ForeignKeyConstraint,
    *,
    deletes: bool,
) -> bool:
    """Whether the ORM itself treats the children of a deleted row, through `relationship`."""
    return (
        relationship.direction is RelationshipDirection.ONETOMANY
        and mapper in relationship.mapper.self_and_descendants
        and {pair[1] for pair in relationship.synchronize_pairs or ()} == set(key.columns)
        and not relationship.viewonly
        and not relationship.passive_deletes
        and (relationship.cascade.delete or not deletes)
    )


def is_cut(relationship: RelationshipProperty[Any], key: ForeignKeyConstraint) -> bool:
    """Whether the ORM deletes the links of a deleted row, through `relationship`."""
    columns = {pair[1] for pair in relationship.synchronize_pairs or ()}
    return columns == set(key.columns) and not relationship.passive_deletes


def foreign_keys_of(mapper: Mapper[Any], reason: CaptureReason) -> Iterator[ForeignKeyConstraint]:
    own = {table for table in mapper.tables if isinstance(table, Table)}
    for table in filter(reason.covers, own):
        for key in table.foreign_key_constraints:
            if key.referred_table not in own or key.referred_table is table:
                yield key


def _columns(key: ForeignKeyConstraint) -> str:
    return ", ".join(column.name for column in key.columns)
