"""The pages of a list: their statements, their rows and the cursors to their neighbours."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, type_coerce, union_all
from sqlalchemy.types import Integer

from trivet.data.compiled_read import CompiledRead
from trivet_api.resource import paging
from trivet_api.resource.asking import Asked
from trivet_api.resource.expanding import key_columns
from trivet_api.resource.options import ReadOptions
from trivet_api.resource.paging import Position
from trivet_api.resource.rows import Page, RowWriter
from trivet_api.resource.statements import Statements

Rows = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True, eq=False)
class PageStatement:
    """A statement that brings a page, and one row more if there is one.

    Attributes:
        read: It brings what is shown, the key if more is shown than columns, and the database's own
            values of the sort columns.
        writer: Writes the rows.
        key: The place of the key in a row.
        position: The place of the values of the sort columns.
    """

    read: CompiledRead
    writer: RowWriter
    key: slice
    position: slice


class Listing:
    """The pages of a resource."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._key = key_columns(options.model)
        self._statements: Statements[PageStatement] = Statements()

    def prepare(self, asked: Asked) -> tuple[PageStatement, dict[str, Any]]:
        """The statement of a page, and the values of its parameters."""
        query, position = asked.query, asked.position
        shape = (
            asked.shape,
            query.fields,
            tuple(key.word for key in asked.keys),
            tuple(each.name for each in query.expand),
            None if position is None else position.shape,
        )
        made, values = self._statements.find(
            shape, asked.sight, asked.models, lambda: self._make(asked)
        )
        values |= asked.values()
        values["limit"] = query.limit + 1
        if position is not None:
            values |= position.parameters()
        return made, values

    def _make(self, asked: Asked) -> PageStatement:
        query, position = asked.query, asked.position
        fields = self._options.shown(asked.hidden, query.fields)
        keys = paging.directed(asked.keys, position)
        lists = asked.lists
        own = self._key if query.expand or lists else []
        columns = [*(each.attribute for each in fields), *own]
        shown = [column.label(f"c{at}") for at, column in enumerate(columns)]
        raw = [
            type_coerce(key.column, paging.DatabaseValue()).label(f"p{at}")
            for at, key in enumerate(keys)
        ]
        limit: Any = bindparam("limit", type_=Integer())
        conditions = asked.conditions()
        ranges: Sequence[Any] = [()]
        if position is not None:
            ranges = [(each,) for each in paging.ranges(keys, position)]
        order = [key.order() for key in keys]
        parts = [
            select(*shown, *raw).where(*conditions, *each).order_by(*order).limit(limit)
            for each in ranges
        ]
        statement: Any = parts[0]
        if len(parts) > 1:  # each of them is short, and sorted by an index
            rows = union_all(*(select(part.subquery()) for part in parts)).subquery()
            again = [key.order(rows.c[f"p{at}"]) for at, key in enumerate(keys)]
            statement = select(*rows.c).order_by(*again).limit(limit)
        writer = RowWriter(fields, [*lists, *(each.name for each in query.expand)])
        end = len(columns)
        return PageStatement(
            CompiledRead(statement), writer, slice(len(fields), end), slice(end, end + len(raw))
        )


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of a page in the order of the list, and whether there are more beyond them."""

    rows: Rows
    is_full: bool


def in_order(asked: Asked, rows: Rows) -> Found:
    """What a statement of a page has brought."""
    limit, position = asked.query.limit, asked.position
    page = rows[:limit]
    if position is not None and position.backward:
        page = page[::-1]
    return Found(page, len(rows) > limit)


def add_cursors(
    page: Page,
    asked: Asked,
    made: PageStatement,
    found: Found,
    write: Callable[[str, Any], str],
) -> None:
    """Give `page` the cursors to its neighbours; `write` signs a position for a purpose."""
    position, rows = asked.position, found.rows
    is_backward = position is not None and position.backward

    def cursor(values: Sequence[Any], *, backward: bool, inclusive: bool = False) -> str:
        return write(asked.purpose, Position(tuple(values), backward, inclusive).to_json())

    page.next_cursor = page.previous_cursor = None
    if not rows:
        if position is not None:
            # All rows beyond are gone: back to where this began, and to the row that was there.
            there = cursor(position.values, backward=not is_backward, inclusive=True)
            if is_backward:
                page.next_cursor = there
            else:
                page.previous_cursor = there
        return
    if found.is_full or is_backward:
        page.next_cursor = cursor(rows[-1][made.position], backward=False)
    if found.is_full if is_backward else position is not None:
        page.previous_cursor = cursor(rows[0][made.position], backward=True)
