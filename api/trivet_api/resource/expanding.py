"""Related rows inside of rows: one more statement for each relationship that is expanded.

The statement asks for all rows of the page at once, and only for related rows that the actor may
see: a single row that is not visible is null, like one that is not there. A collection shows its
first `MEMBERS`, and says whether there are more: a filter of the related resource pages the rest.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, func, inspect, literal_column, select, tuple_
from sqlalchemy.orm import Mapper, aliased

from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_api.resource.faults import input_error, invalid
from trivet_api.resource.name_lists import require_known
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.rows import Members, RowWriter
from trivet_api.resource.statements import Sight, Statements

MEMBERS = 100
"""Rows of a collection that are shown."""
ROWS_MAX = 5_000
"""Rows that one expansion may bring; a request for more is refused."""
DEPTH_MAX = 4
"""Relationships one behind the other."""

Key = Any
"""The primary key of a row: its value, or a tuple of them."""


@dataclass(frozen=True, slots=True)
class Expansion:
    """A relationship that is to be expanded, with those of the related rows."""

    name: str
    inner: tuple["Expansion", ...] = ()


def key_columns(model: type[Any]) -> list[Any]:
    """The attributes of the primary key."""
    mapper: Mapper[Any] = inspect(model)
    return [getattr(model, mapper.get_property_by_column(each).key) for each in mapper.primary_key]


def key_of(values: Sequence[Any]) -> Key:
    """The key with these values."""
    return values[0] if len(values) == 1 else tuple(values)


def paths_of(options: ReadOptions, depth: int = DEPTH_MAX) -> tuple[str, ...]:
    """The words of ``expand``, parents first.

    Raises ConfigurationError for one that is no relationship.
    """
    known = inspect(options.model).relationships
    found: list[str] = []
    for name, inner in options.expand.items():
        if name not in known:
            raise ConfigurationError(
                "resource",
                f"resource({options.model.__name__}): it cannot expand {name!r}, which is no "
                f"relationship{did_you_mean(name, known.keys())}",
            )
        further = paths_of(inner, depth - 1) if depth > 1 else ()
        found += [name, *(f"{name}.{each}" for each in further)]
    return tuple(found)


def visible_paths(options: ReadOptions, paths: Sequence[str], sight: Sight) -> Sequence[str]:
    """Those of `paths` on which nothing is hidden from the actor."""
    return [path for path in paths if not _is_hidden(options, path, sight)]


def read_expansions(text: str, known: Sequence[str]) -> tuple[Expansion, ...]:
    """The expansions that an ``expand`` asks for, of those that are `known`. Raises `TextFault`."""
    wanted: dict[str, Any] = {}
    paths = text.split(",")
    require_known(paths, known, "it cannot expand {}".format)
    for path in paths:
        inside = wanted
        for name in path.split("."):
            inside = inside.setdefault(name, {})
    return _tree(wanted)


def _tree(wanted: Mapping[str, Any]) -> tuple[Expansion, ...]:
    return tuple(Expansion(name, _tree(wanted[name])) for name in sorted(wanted))


def _is_hidden(options: ReadOptions, path: str, sight: Sight) -> bool:
    for name in path.split("."):
        if name in sight.hidden(options.model):
            return True
        options = options.expand[name]
        if not sight.reads(options.model):
            return True
    return False


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """A statement that brings related rows, and how they are written."""

    statement: Any
    writer: RowWriter
    width: int


class Expander:
    """Brings the related rows of one relationship."""

    def __init__(self, owner: ReadOptions, name: str, *, depth: int = DEPTH_MAX) -> None:
        self.name = name
        self.options = owner.expand[name]
        self._owner = owner.model
        self._relationship = inspect(owner.model).relationships[name]
        self.to_many = bool(self._relationship.uselist)
        self._statements: Statements[_Made] = Statements()
        self.inner = expanders_of(self.options, depth - 1)

    def find(
        self, connection: Connection, sight: Sight, keys: Sequence[Key], inner: Sequence[Expansion]
    ) -> Mapping[Key, Any]:
        """What is to be shown in the rows of the class with these keys."""
        if not keys:
            return {}
        target = self.options.model
        hidden = sight.withheld(target)
        shape = hidden, tuple(each.name for each in inner)
        made, parameters = self._statements.find(
            shape, sight, [target], lambda: self._make(sight, [each.name for each in inner])
        )
        rows = connection.execute(made.statement, {"keys": list(keys), **parameters}).all()
        if len(rows) > ROWS_MAX:
            raise _too_many(self.name)
        size, width = len(made.writer.fields), made.width
        own = [key_of(row[size : size + width]) for row in rows]
        extra = find_all(self.inner, connection, sight, own, inner)
        written = [
            made.writer.write(row, [each.get(key, empty) for each, empty in extra])
            for row, key in zip(rows, own, strict=True)
        ]
        parents = [key_of(row[size + width :]) for row in rows]
        return self._gather(zip(parents, written, strict=True))

    def _gather(self, found: Iterable[tuple[Key, Any]]) -> Mapping[Key, Any]:
        if not self.to_many:
            return dict(found)
        members: dict[Key, list[Any]] = {}
        for parent, row in found:
            members.setdefault(parent, []).append(row)
        return {
            parent: Members(rows[:MEMBERS], has_more=len(rows) > MEMBERS)
            for parent, rows in members.items()
        }

    @property
    def empty(self) -> Any:
        """What is shown in a row without related rows."""
        return Members([], has_more=False) if self.to_many else None

    def _make(self, sight: Sight, inner: Sequence[str]) -> _Made:
        target = self.options.model
        hidden = sight.withheld(target)
        fields = [each for name, each in self.options.fields.items() if name not in hidden]
        # The owner gets another name, so that conditions about the target mean the target, also
        # where a class refers to itself.
        owner: Any = aliased(self._owner)
        own, parents = key_columns(target), key_columns(self._owner)
        of_owner = [getattr(owner, each.key) for each in parents]
        columns = [*(each.attribute for each in fields), *own, *of_owner]
        named = [column.label(f"c{at}") for at, column in enumerate(columns)]
        chosen: Any = of_owner[0] if len(of_owner) == 1 else tuple_(*of_owner)
        statement = (
            select(*named)
            .select_from(owner)
            .join(target, getattr(owner, self.name))
            .where(chosen.in_(bindparam("keys", expanding=True, type_=chosen.type)))
        )
        if (visible := sight.restrict(target)) is not None:
            statement = statement.where(visible)
        if self.to_many:
            statement = self._bound(statement, own, of_owner)
        statement = statement.limit(ROWS_MAX + 1)
        return _Made(statement, RowWriter(fields, inner), len(own))

    def _bound(self, statement: Any, own: Sequence[Any], of_owner: Sequence[Any]) -> Any:
        """The statement with the first rows of each collection alone, one more than are shown."""
        order = [*(self._relationship.order_by or ()), *own]
        place = func.row_number().over(partition_by=list(of_owner), order_by=order)
        ranked = statement.add_columns(place.label("place")).subquery()
        columns = [each for each in ranked.c if each.key != "place"]
        first = select(*columns).where(ranked.c.place <= literal_column(str(MEMBERS + 1)))
        return first.order_by(*columns[-len(of_owner) :], ranked.c.place)


def expanders_of(options: ReadOptions, depth: int = DEPTH_MAX) -> Mapping[str, Expander]:
    """The expanders of a resource by their names, as deep as `DEPTH_MAX`."""
    if depth < 1:
        return {}
    return {name: Expander(options, name, depth=depth) for name in options.expand}


def find_all(
    expanders: Mapping[str, Expander],
    connection: Connection,
    sight: Sight,
    keys: Iterable[Key],
    wanted: Sequence[Expansion],
) -> list[tuple[Mapping[Key, Any], Any]]:
    """What `wanted` brings, by the keys of the rows, each with what stands for nothing."""
    if not wanted:
        return []
    distinct = list(dict.fromkeys(keys))
    return [
        (
            expanders[each.name].find(connection, sight, distinct, each.inner),
            expanders[each.name].empty,
        )
        for each in wanted
    ]


def _too_many(name: str) -> Exception:
    detail = f"{name} brings more than {ROWS_MAX} rows: ask for fewer rows, or expand less"
    return invalid([input_error("expand", detail)])
