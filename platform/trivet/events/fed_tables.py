"""Which tables feed channels, and what could change their rows behind the capture's back.

The capture sees what a flush writes. A statement that names a fed table is refused outside of
a flush (`trivet.session`), and what the database would do to fed rows by itself is refused when
the application starts.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ForeignKeyConstraint, Table, inspect
from sqlalchemy.orm import (
    Mapper,
    RelationshipDirection,
    RelationshipProperty,
    configure_mappers,
)

from trivet.errors import ConfigurationError
from trivet.model import Model

_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""What a foreign key may have the database do to the rows that refer to a changed one."""

_NOISE = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\$(\w*)\$.*?\$\1\$""", re.DOTALL)
_TOKEN = re.compile(r'"(?:[^"]|"")*"|\w+|[.;(]')
_ANYWHERE = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
"""Verbs that a CTE may hide behind a SELECT."""
_FIRST = frozenset({"REPLACE", "TRUNCATE", "COPY", "ALTER", "DROP", "DO", "CALL"})
"""Verbs that begin a statement, and are mere names inside of one."""
_BETWEEN = frozenset(
    {"OR", "IGNORE", "REPLACE", "ABORT", "FAIL", "ROLLBACK", "INTO", "FROM", "ONLY"}
)
"""What may stand between a verb and its table."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a statement does: whether it writes at all, and the fed table that it would change
    unseen, if any."""

    writes: bool
    unseen: str | None


class FedTables:
    """The tables of `models`: their own, those of the classes they inherit from and of their
    subclasses, and the association tables of their relationships."""

    def __init__(self, models: Iterable[type]) -> None:
        mappers = {each for model in models for each in _family(inspect(model))}
        self.associations = frozenset(
            table.name for each in mappers for table in _associations(each)
        )
        self._written = self.associations | {
            table.name for each in mappers for table in each.tables if isinstance(table, Table)
        }
        carried = {parent for each in mappers for parent in _parents_that_carry(each)}
        self._deleted = self._written | carried
        self.judge: Callable[[str], Verdict] = lru_cache(maxsize=4096)(self._judge)

    def _judge(self, sql: str) -> Verdict:
        tokens = _TOKEN.findall(_NOISE.sub(" ", sql))
        verbs = list(_verbs(tokens))
        if not verbs:
            return Verdict(writes=False, unseen=None)
        named = sorted(self._deleted & {_name(token) for token in tokens})
        for position, verb in verbs:
            target = _target(tokens, position) if verb in _ANYWHERE else None
            guarded = self._deleted if verb == "DELETE" else self._written
            if target is None and named:
                return Verdict(writes=True, unseen=named[0])
            if target in guarded:
                return Verdict(writes=True, unseen=target)
        return Verdict(writes=True, unseen=None)


@lru_cache(maxsize=4096)
def writes(sql: str) -> bool:
    """Whether a statement writes anything."""
    return any(_verbs(_TOKEN.findall(_NOISE.sub(" ", sql))))


def require_captured(models: Iterable[type]) -> None:
    """Raise ConfigurationError, naming every case, where the database would change rows of
    `models` by itself and no flush would see it."""
    configure_mappers()  # only then do relationships know each other
    mappers = {each for model in models for each in _family(inspect(model))}
    faults = sorted({fault for each in mappers for fault in _faults(each)})
    if faults:
        raise ConfigurationError("uncaptured", " ".join(faults))


def _faults(mapper: Mapper[Any]) -> Iterator[str]:
    for key in _foreign_keys(mapper):
        if _action(key.onupdate):
            yield (
                f"{_describe(mapper, key)} has ON UPDATE {key.onupdate}, by which the database "
                "changes rows that no channel hears of: leave it out, for keys do not change."
            )
        parent = _parent(mapper, key)
        if _action(key.ondelete) is None or parent is None or parent.mapper is None:
            continue
        if not parent.is_followed:
            yield (
                f"{_describe(mapper, key)} has ON DELETE {key.ondelete}, by which the database "
                f"changes rows that no channel hears of. Give {parent.mapper.class_.__name__} a "
                f"relationship to {mapper.class_.__name__} with {parent.cure} and without "
                "passive_deletes, so that SQLAlchemy does it before the database."
            )


@dataclass(frozen=True, slots=True)
class _Parent:
    mapper: Mapper[Any] | None
    is_followed: bool
    cure: str


def _parent(mapper: Mapper[Any], key: ForeignKeyConstraint) -> _Parent | None:
    """The class that `key` of `mapper` refers to, and whether its deletion is the ORM's work.
    None for a table without a class: Django's own, whose deletions Django collects."""
    found = [
        each
        for each in Model.registry.mappers
        if key.referred_table in each.tables and each.local_table is key.referred_table
    ]
    if not found:
        return None
    deletes = _action(key.ondelete) == "CASCADE"
    cure = 'cascade="all, delete-orphan"' if deletes else "its usual cascade"
    followed = any(
        _follows(relationship, mapper, key, deletes=deletes)
        for each in found
        for relationship in each.relationships
    )
    return _Parent(found[0], followed, cure)


def _follows(
    relationship: "RelationshipProperty[Any]",
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


def _family(mapper: Mapper[Any]) -> Iterator[Mapper[Any]]:
    """The classes whose rows a feed of `mapper`'s class hears of."""
    yield from mapper.self_and_descendants


def _associations(mapper: Mapper[Any]) -> Iterator[Table]:
    for relationship in mapper.relationships:
        if isinstance(relationship.secondary, Table) and not relationship.viewonly:
            yield relationship.secondary


def _foreign_keys(mapper: Mapper[Any]) -> Iterator[ForeignKeyConstraint]:
    own = {table for table in mapper.tables if isinstance(table, Table)}
    for table in own:
        for key in table.foreign_key_constraints:
            if key.referred_table not in own or key.referred_table is table:
                yield key


def _parents_that_carry(mapper: Mapper[Any]) -> Iterator[str]:
    for key in _foreign_keys(mapper):
        if _action(key.ondelete):
            yield key.referred_table.name


def _action(rule: str | None) -> str | None:
    name = (rule or "").upper()
    return name if name in _ACTIONS else None


def _describe(mapper: Mapper[Any], key: ForeignKeyConstraint) -> str:
    columns = ", ".join(column.name for column in key.columns)
    return f"{mapper.class_.__name__} feeds channels, and its foreign key ({columns})"


def _verbs(tokens: list[str]) -> Iterator[tuple[int, str]]:
    words = [token.upper() for token in tokens]
    for position, word in enumerate(words):
        before = words[position - 1] if position else ";"
        is_lock = word == "UPDATE" and before in {"FOR", "KEY", "DO"}
        if (word in _ANYWHERE and not is_lock) or (word in _FIRST and before == ";"):
            yield position, word


def _target(tokens: list[str], position: int) -> str | None:
    """The table behind a verb; None if it cannot be told."""
    rest = iter(range(position + 1, len(tokens)))
    at = next((i for i in rest if tokens[i].upper() not in _BETWEEN), None)
    while at is not None and at + 2 < len(tokens) and tokens[at + 1] == ".":
        at += 2  # a schema stands before the name
    return None if at is None or tokens[at] in {".", ";", "("} else _name(tokens[at])


def _name(token: str) -> str:
    """A name as the database understands it: without quotes, or folded."""
    return token[1:-1].replace('""', '"') if token.startswith('"') else token.lower()
