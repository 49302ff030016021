"""Sub-selects of a condition that do not mean the row they seem to mean.

SQLAlchemy correlates a sub-select with the one around it, and with no other. In a condition over
`Loan`, an ``exists()`` in an ``exists()`` that compares something with ``Loan.id`` therefore reads
the whole table of loans once more: it asks whether there is any loan, and the rule lets everybody
see what only some may. ``.correlate(Loan)`` on the inner one says what is meant.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import FromClause, Join, Select, inspect
from sqlalchemy.orm import Mapper


def find_uncorrelated(mapped: type[Any], condition: Any) -> Iterator[str]:
    """The names of the tables that a sub-select of `condition`, over `mapped`, reads as a whole
    although a select around the one around it reads them: each is compared in its WHERE, and stands
    nowhere else in it."""
    mapper: Mapper[Any] = inspect(mapped)
    yield from _walk(condition, [set(mapper.tables)])


def _walk(element: Any, levels: list[set[FromClause]]) -> Iterator[str]:
    """`levels` are the tables of the selects around the element, the outermost first."""
    for inner in _selects_in(element):
        shown = _all_of(inner.get_final_froms())
        compared = shown - _said_by_itself(inner)
        if _is_left_to_sqlalchemy(inner):
            around: set[FromClause] = set().union(*levels[:-1])
            lost = compared.intersection(around) - levels[-1]
            yield from sorted(str(getattr(each, "name", each)) for each in lost)
            own = shown - levels[-1].intersection(compared)
        else:
            own = shown - set().union(*levels)  # its author has said what it means
        for part in (*inner.selected_columns, inner.whereclause):
            yield from _walk(part, [*levels, own]) if part is not None else ()


def _is_left_to_sqlalchemy(query: Select[Any]) -> bool:
    """Whether neither ``correlate`` nor ``correlate_except`` says what it means."""
    return bool(query._auto_correlate) and query._correlate_except is None  # noqa: SLF001  # pinned by a test


def _selects_in(element: Any) -> Iterator[Select[Any]]:
    """The selects in an element, without those in them."""
    if isinstance(element, Select):
        yield element
        return
    for child in element.get_children():
        yield from _selects_in(child)


def _said_by_itself(query: Select[Any]) -> set[FromClause]:
    """The tables from which a select reads by its columns, its ``select_from`` and its joins."""
    named = [*query.columns_clause_froms, *query._from_obj]  # noqa: SLF001  # pinned by a test
    joined = [each for each in query.get_final_froms() if isinstance(each, Join)]
    return _all_of([*named, *joined])


def _all_of(froms: Any) -> set[FromClause]:
    return {table for each in froms for table in _tables_of(each)}


def _tables_of(source: FromClause) -> Iterator[FromClause]:
    """A table or an alias, or those of a join."""
    if isinstance(source, Join):
        yield from _tables_of(source.left)
        yield from _tables_of(source.right)
    else:
        yield source
