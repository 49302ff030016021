"""The reads before a write: the rows that it means, and the values of its expressions.

Django's conditions and expressions (``F``, ``Case``, subqueries) are evaluated by Django,
in the database; SQLAlchemy then gets plain keys and plain values.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models.sql import Query, UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

from trivet_admin.mirror.keys import RowKey

BATCH_ROWS = 500
"""Rows read by one statement; each costs one bound parameter."""


def lock_rows(
    compiler: SQLCompiler, fields: Sequence[str] = ("pk",), expressions: Sequence[Any] = ()
) -> list[tuple[Any, ...]]:
    """The rows that the query of `compiler` means: `fields`, then `expressions`, for each.

    They are locked until the transaction ends; on SQLite it holds the whole database already.
    They come in the order of their keys, so that two writers of the same rows wait for each
    other instead of deadlocking. A row that changed while this waited
    for its lock is judged again by PostgreSQL, so a condition still holds when we write.
    """
    query = _plain(compiler.query.chain(klass=Query))
    if _joins(query) or query.group_by is not None:
        # FOR UPDATE would lock the joined rows too; outer joins and GROUP BY refuse it.
        query.add_fields(["pk"])
        outer: Any = Query(compiler.query.model)
        outer.add_filter("pk__in", query)
        query = outer
    else:
        # Django's UPDATE and DELETE of one table know no DISTINCT, and FOR UPDATE refuses it.
        query.distinct, query.distinct_fields = False, ()
    query.add_fields(_columns(query, fields))
    for number, expression in enumerate(expressions):
        query.add_annotation(expression, f"trivet_{number}")
    query.add_ordering("pk")
    query.select_for_update = True
    # As an UPDATE of the database's own locks: rows that refer to one may be made meanwhile.
    query.select_for_no_key_update = isinstance(compiler.query, UpdateQuery)
    rows = query.get_compiler(connection=compiler.connection).results_iter(tuple_expected=True)
    if fields[0] == "pk" and (size := len(_pk_fields(query))) > 1:
        return [(RowKey(row[:size]), *row[size:]) for row in rows]
    return list(rows)


def _columns(query: Any, fields: Sequence[str]) -> list[str]:
    """`fields`; of a key of several columns each column, which is then read in its own way."""
    if fields[0] != "pk":
        return list(fields)
    return [*(field.attname for field in _pk_fields(query)), *fields[1:]]


def _pk_fields(query: Any) -> Sequence[Any]:
    found: Sequence[Any] = query.model._meta.pk_fields
    return found


def select_values(compiler: SQLCompiler, expressions: list[Any]) -> list[Any]:
    """The values of `expressions`, which name no row, in the database."""
    parts = [compiler.compile(expression) for expression in expressions]
    params = [param for _, given in parts for param in given]
    with compiler.connection.cursor() as cursor:
        cursor.execute("SELECT " + ", ".join(sql for sql, _ in parts), params)
        row = cursor.fetchone()
    converters = compiler.get_converters(expressions)
    (values,) = compiler.apply_converters([row], converters) if converters else (row,)
    return list(values)


def batched(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """`keys` in parts of `BATCH_ROWS`."""
    for start in range(0, len(keys), BATCH_ROWS):
        yield keys[start : start + BATCH_ROWS]


def _plain(query: Query) -> Query:
    query.select_related = False
    query.clear_ordering(force=True)
    query.clear_select_clause()
    query.extra = {}
    query.get_initial_alias()
    return query


def _joins(query: Query) -> bool:
    return sum(count > 0 for count in query.alias_refcount.values()) > 1
