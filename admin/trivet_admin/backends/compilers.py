"""The SQL compilers: the one place that every write of Django's ORM passes.

``save``, ``delete``, ``QuerySet.update``, ``bulk_create``, the managers of relations and
every cascade of the Collector end here. A write of a mirrored model becomes work of the
unit's session, so that defaults, ``onupdate``, ``@validates``, version counters and the
capture of events hold for every caller. A write of any other model is Django's own; the
observers of that model are told.

A write outside ``atomic()`` is a unit of its own, as it is a transaction of its own.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from django.db.models import Model
from django.db.models.sql import compiler
from django.db.models.sql.compiler import SQLAggregateCompiler
from django.db.transaction import atomic

from trivet_admin.backends.own_rows import require_fitting
from trivet_admin.backends.row_observer import observed
from trivet_admin.backends.rows import select_values
from trivet_admin.backends.writes import writer_of
from trivet_admin.generic import AnyField
from trivet_admin.mirror.sources import Source

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLCompiler(compiler.SQLCompiler):
    """Selects. Where a mirror reads from a query (`trivet_admin.mirror.sources`), the query stands
    before its name in FROM."""

    def compile(self, node: Any) -> Any:
        sql, params = super().compile(node)
        source = getattr(node, "table_name", None)
        if not isinstance(source, Source):
            return sql, params
        query, values = source.compiled
        name = self.connection.ops.quote_name(source)
        # Behind the kind of join, if any, the name comes first; an alias may follow it.
        is_aliased = node.table_alias != source
        replaced = sql.replace(name, f"({query})" if is_aliased else f"({query}) {name}", 1)
        return replaced, (*values, *params)


class SQLInsertCompiler(compiler.SQLInsertCompiler):
    def execute_sql(self, returning_fields: Sequence[Any] | None = None) -> Any:  # type: ignore[override]  # another signature, in Django too
        query: Any = self.query
        writer = writer_of(query.model)
        if writer is None:
            require_fitting(self._given(), self.connection.vendor)
            write = super().execute_sql
            with observed(self) as observer:
                if observer is None:
                    return write(returning_fields)
                return observer.insert(self, returning_fields or (), write)
        writer.check_conflict_clause(query.on_conflict)
        objects: list[Model] = query.objs
        with atomic(self.connection.alias, savepoint=False):
            given = [[self._value(field, each) for field in query.fields] for each in objects]
            writer.insert(self.connection, objects, query.fields, given)
        return [[getattr(o, f.attname) for f in returning_fields or ()] for o in objects]

    def apply_converters(self, rows: Any, converters: Any) -> Any:
        # Of a single row that was passed over for a conflict the database returns nothing.
        return super().apply_converters([row for row in rows if row is not None], converters)

    def _given(self) -> Iterator[tuple[AnyField, Any]]:
        """The fields with what is written to them; what they do before a save is not done here."""
        query: Any = self.query
        for instance in query.objs:
            for field in query.fields or ():
                yield field, getattr(instance, field.attname)

    def _value(self, field: AnyField, instance: Model) -> Any:
        value = self.pre_save_val(field, instance)
        if hasattr(value, "resolve_expression"):
            resolved = value.resolve_expression(self.query, allow_joins=False, for_save=True)
            (value,) = select_values(self, [resolved])
        return value


class SQLUpdateCompiler(compiler.SQLUpdateCompiler):
    def execute_sql(self, result_type: Any) -> Any:  # type: ignore[override]  # one for all overloads
        writer = writer_of(self.query.model)
        if writer is None:
            require_fitting(self._given(), self.connection.vendor)
            write = partial(super().execute_sql, result_type)
            with observed(self) as observer:
                return write() if observer is None else observer.update(self, write)
        return len(self._update(writer))

    def execute_returning_sql(self, returning_fields: Sequence[Any] | None) -> list[Any]:
        """Django 6 saves through this one."""
        writer = writer_of(self.query.model)
        if writer is None:
            require_fitting(self._given(), self.connection.vendor)
            plain: Any = super()
            write = partial(plain.execute_returning_sql, returning_fields)
            if not (returning_fields and self.connection.features.can_return_rows_from_update):
                return write()  # type: ignore[no-any-return]  # ends in `execute_sql`, which tells
            with observed(self) as observer:
                rows: list[Any] = write() if observer is None else observer.update(self, write)
            return rows
        fields = list(returning_fields or ())
        return [tuple(writer.read(row, field) for field in fields) for row in self._update(writer)]

    def _given(self) -> Iterator[tuple[AnyField, Any]]:
        query: Any = self.query
        return ((field, value) for field, _, value in query.values)

    def _update(self, writer: Any) -> list[Any]:
        with atomic(self.connection.alias, savepoint=False):
            self.pre_sql_setup()  # conditions on other tables become a subquery
            rows: list[Any] = writer.update(self)
            return rows


class SQLDeleteCompiler(compiler.SQLDeleteCompiler):
    def execute_sql(self, result_type: Any, **options: Any) -> Any:  # type: ignore[override]  # one for its overloads
        writer = writer_of(self.query.model)
        if writer is None:
            write = partial(super().execute_sql, result_type, **options)
            with observed(self) as observer:
                return write() if observer is None else observer.delete(self, write)
        with atomic(self.connection.alias, savepoint=False):
            return writer.delete(self)
