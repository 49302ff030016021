"""A condition over a mapped class as a condition over one row that is given apart from its table.

What refers to the row that is judged refers to the given one afterwards, also inside of subqueries
that SQL would correlate with it. A subquery that reads the table for itself, a derived table and an
alias stay as they are: they ask the database about other rows.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Column, ColumnElement, Select, Table, TextClause
from sqlalchemy.orm import Mapper
from sqlalchemy.sql import visitors
from sqlalchemy.sql.elements import ColumnClause
from sqlalchemy.sql.selectable import CTE, Alias, FromClause, Join, Subquery

from trivet.errors import ConfigurationError

_OF_EXISTS = re.compile(r"\*|\d+")
"""The literal columns that SQLAlchemy writes into its own EXISTS and counts."""
_Place = tuple[str, str]
"""A table and a column by their names: annotated copies of both are about."""


def about_row(
    condition: ColumnElement[bool], mapper: Mapper[Any], row: FromClause
) -> ColumnElement[bool]:
    """`condition` over the class of `mapper`, asked about `row`, whose columns have the names of
    the attributes.

    Raises:
        ConfigurationError: The condition has a text of SQL, in which nobody can tell what is meant,
            or reads a column that `row` has not.
    """
    names = dict(_names_of(mapper))
    tables = {table for table, _ in names}

    def given(element: Any, **_: Any) -> Any:
        match element:
            case Column(table=Table() as table) if table.key in tables:
                return _column_of(row, names, (table.key, element.key), mapper)
            case Table() if element.key in tables:
                return row
            case Join() if _keys([element]) <= tables:  # a class that inherits, in a correlate()
                return row
            case Select() if _reads_for_itself(element, tables):
                return element
            case Alias(element=Table() | Join()):
                return element
            case Subquery() | CTE() if element.__visit_name__ != "lateral":
                return element
            case TextClause():
                raise _unfit(mapper, "has a text of SQL: write it with the columns of the class")
            case ColumnClause() if element.is_literal and not _OF_EXISTS.fullmatch(element.name):
                raise _unfit(mapper, "has a literal column: write it with those of the class")
        return None

    changed: ColumnElement[bool] = visitors.replacement_traverse(condition, {}, given)
    return changed


def attributes_read(condition: ColumnElement[bool], mapper: Mapper[Any]) -> set[str]:
    """The attributes of the class that `condition` reads, of whatever rows."""
    names = dict(_names_of(mapper))
    found: set[str] = set()
    for element in visitors.iterate(condition):
        match element:
            case Column(table=Table() as table):
                found.add(names.get((table.key, element.key), ""))
            case _:
                pass
    return found


def _names_of(mapper: Mapper[Any]) -> Iterator[tuple[_Place, str]]:
    for attribute in mapper.column_attrs:
        for column in attribute.columns:
            if isinstance(column, Column) and isinstance(column.table, Table):
                yield (column.table.key, column.key), attribute.key


def _column_of(
    row: FromClause, names: Mapping[_Place, str], place: _Place, mapper: Mapper[Any]
) -> ColumnElement[Any]:
    name = names.get(place)
    if name is None or name not in row.c:
        raise _unfit(
            mapper,
            f"reads {'.'.join(place)}, which is a secret, holds bytes or is not mapped, and so is "
            "not kept with what is published: write the rule by another column",
        )
    return row.c[name]


def _unfit(mapper: Mapper[Any], why: str) -> ConfigurationError:
    name = mapper.class_.__name__
    return ConfigurationError("live", f"live({name}): a row rule of {name} {why}.")


def _reads_for_itself(query: Select[Any], tables: set[str]) -> bool:
    """Whether `query` has one of `tables` in its own FROM, and so speaks of other rows."""
    froms = query.get_final_froms()
    if any(isinstance(each, Join) and not _keys([each]).isdisjoint(tables) for each in froms):
        return True
    own = [each for each in froms if isinstance(each, Table) and each.key in tables]
    if not own:
        return False
    # What SQLAlchemy decides when it renders the query, and keeps to itself.
    excepted, correlated = query._correlate_except, query._correlate  # noqa: SLF001  # as just said
    if excepted is not None:
        return not _keys(excepted).isdisjoint(_keys(own))
    if correlated:
        return not _keys(own) <= _keys(correlated)
    is_automatic = query._auto_correlate  # noqa: SLF001  # the same
    return not is_automatic or len(own) == len(froms)


def _keys(froms: Any) -> set[str]:
    found: set[str] = set()
    for each in froms:
        if isinstance(each, Join):
            found |= _keys((each.left, each.right))
        else:
            found.add(each.key if isinstance(each, Table) else "")
    return found
