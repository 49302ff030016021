"""The order of a list: by columns from an allow-list, and by the key where those are equal.

Null counts as greater than every value: it comes last, and first where the order is descending.
That is PostgreSQL's own order, so an index serves it in both directions; SQLite is told to keep it
too. The key comes in the direction of the column before it, for the same reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Index, Table, UniqueConstraint, inspect
from sqlalchemy.orm import Mapper

from trivet.errors import ConfigurationError
from trivet.suggestion import did_you_mean
from trivet_api.resource import text_values
from trivet_api.resource.fields import Field
from trivet_api.resource.name_lists import require_known
from trivet_api.resource.options import ReadOptions


@dataclass(frozen=True, slots=True, eq=False)
class SortKey:
    """One column of an order."""

    name: str
    column: Any
    descending: bool
    nullable: bool

    @property
    def word(self) -> str:
        """It as ``sort`` has it."""
        return f"-{self.name}" if self.descending else self.name

    def reversed(self) -> "SortKey":
        """The column in the other direction."""
        return SortKey(self.name, self.column, not self.descending, self.nullable)

    def order(self, column: Any = None) -> ColumnElement[Any]:
        """The element of ORDER BY; `column` stands in the place of its own."""
        chosen: Any = self.column if column is None else column
        if self.descending:
            found: ColumnElement[Any] = chosen.desc()
            return found.nulls_first() if self.nullable else found
        found = chosen.asc()
        return found.nulls_last() if self.nullable else found


class Sorting:
    """The orders that a resource allows.

    Raises ConfigurationError for a column that cannot be sorted by.
    """

    def __init__(self, options: ReadOptions) -> None:
        self._mapper: Mapper[Any] = inspect(options.model)
        self._options = options
        self._key = [
            (self._mapper.get_property_by_column(each).key, each)
            for each in self._mapper.primary_key
        ]
        named = options.sorts if options.sorts is not None else self._usual()
        self.allowed: Mapping[str, Field] = {name: self._field(name) for name in named}
        self._default = tuple(self._known(each) for each in options.default_sort or ())
        self._plain = self._finish(self._default)

    def read(self, text: str, hidden: frozenset[str]) -> tuple[str, ...]:
        """The words of a ``sort``. Raises `TextFault`."""
        words = tuple(text.split(","))
        names = [word.removeprefix("-") for word in words]
        known = [name for name in self.allowed if name not in hidden]
        require_known(names, known, "it cannot sort by {}".format)
        return words

    def keys(self, words: tuple[str, ...] | None, hidden: frozenset[str]) -> tuple[SortKey, ...]:
        """The columns of an order; without `words` those of the default."""
        if words is not None:
            return self._finish(map(self._known, words))
        if hidden and any(each.name in hidden for each in self._default):
            # The order itself would tell what may not be read, and so would a cursor.
            return self._finish(each for each in self._default if each.name not in hidden)
        return self._plain

    def _finish(self, given: Iterable[SortKey]) -> tuple[SortKey, ...]:
        keys = list(given)
        descending = bool(keys) and keys[-1].descending
        named = {each.name for each in keys}
        for name, _ in self._key:
            if name not in named:
                attribute = getattr(self._mapper.class_, name)
                keys.append(SortKey(name, attribute, descending, nullable=False))
        return tuple(keys)

    def _known(self, word: str) -> SortKey:
        name = word.removeprefix("-")
        field = self.allowed.get(name) or self._field(name)
        return SortKey(name, field.attribute, word.startswith("-"), field.nullable)

    def _field(self, name: str) -> Field:
        field = self._options.fields.get(name)
        model = self._options.model.__name__
        if field is None:
            raise ConfigurationError(
                "resource",
                f"resource({model}): it cannot be sorted by {name!r}, which is no readable "
                f"attribute{did_you_mean(name, self._options.fields)}",
            )
        if not is_sortable(field):
            raise ConfigurationError(
                "resource", f"resource({model}): {name!r} has a type that has no order."
            )
        return field

    def _usual(self) -> list[str]:
        """The key, and the columns with which an index begins: those that a page can be found
        by."""
        first = {id(column) for column in _leading(self._mapper)}
        fields = self._options.fields.values()
        return [
            each.name
            for each in fields
            if (each.is_key or id(each.column) in first) and is_sortable(each)
        ]


def is_sortable(field: Field) -> bool:
    """Whether its values have an order, which a cursor can name."""
    kind = text_values.base_type(field.annotation)
    return issubclass(kind, text_values.COMPARED)


def _leading(mapper: Mapper[Any]) -> Iterable[Any]:
    for table in mapper.tables:
        if not isinstance(table, Table):
            continue
        for index in table.indexes:
            yield from _first(index)
        for constraint in table.constraints:
            if isinstance(constraint, UniqueConstraint):
                yield from _first(constraint)


def _first(index: Index | UniqueConstraint) -> list[Any]:
    is_partial = isinstance(index, Index) and any(
        index.dialect_options[each].get("where") is not None for each in ("postgresql", "sqlite")
    )
    return [] if is_partial else list(index.columns)[:1]
