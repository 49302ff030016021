"""The SQL compilers: the one place that every write of Django's ORM passes.

``save``, ``delete``, ``QuerySet.update``, ``bulk_create``, the managers of relations and
every cascade of the Collector end here. A write of a mirrored model becomes work of the
unit's session, so that defaults, ``onupdate``, ``@validates``, version counters and the
capture of events hold whoever writes; a write of any other model is Django's own.

A write outside ``atomic()`` is a unit of its own, as it is a transaction of its own.
"""

from collections.abc import Sequence
from typing import Any

from django.db.models import Field, Model
from django.db.models.sql import compiler
from django.db.models.sql.compiler import SQLAggregateCompiler, SQLCompiler
from django.db.transaction import atomic

from trivet_admin.backends.rows import select_values
from trivet_admin.backends.writes import writer_of

__all__ = [
    "SQLAggregateCompiler",
    "SQLCompiler",
    "SQLDeleteCompiler",
    "SQLInsertCompiler",
    "SQLUpdateCompiler",
]


class SQLInsertCompiler(compiler.SQLInsertCompiler):
    def execute_sql(self, returning_fields: Sequence[Any] | None = None) -> list[Any]:
        writer = writer_of(self.query.model)
        if writer is None:
            rows: list[Any] = super().execute_sql(returning_fields)
            return rows
        writer.check_conflict_clause(self.query.on_conflict)
        objects: list[Model] = self.query.objs
        with atomic(self.connection.alias, savepoint=False):
            given = [[self._value(field, each) for field in self.query.fields] for each in objects]
            writer.insert(self.connection, objects, self.query.fields, given)
        return [[getattr(o, f.attname) for f in returning_fields or ()] for o in objects]

    def _value(self, field: Field, instance: Model) -> Any:
        value = self.pre_save_val(field, instance)
        if hasattr(value, "resolve_expression"):
            resolved = value.resolve_expression(self.query, allow_joins=False, for_save=True)
            (value,) = select_values(self, [resolved])
        return value


class SQLUpdateCompiler(compiler.SQLUpdateCompiler):
    def execute_sql(self, result_type: str | None) -> int:  # type: ignore[override]  # the stubs have Django's inner overloads
        writer = writer_of(self.query.model)
        if writer is None:
            count: int = super().execute_sql(result_type)  # type: ignore[arg-type]  # as above
            return count
        return len(self._update(writer))

    def execute_returning_sql(self, returning_fields: Sequence[Any] | None) -> list[Any]:
        """Django 6 saves through this one."""
        writer = writer_of(self.query.model)
        if writer is None:
            rows: list[Any] = super().execute_returning_sql(returning_fields)  # type: ignore[misc]  # Django 6 only
            return rows
        fields = list(returning_fields or ())
        return [tuple(writer.read(row, field) for field in fields) for row in self._update(writer)]

    def _update(self, writer: Any) -> list[Any]:
        with atomic(self.connection.alias, savepoint=False):
            self.pre_sql_setup()  # conditions on other tables become a subquery
            rows: list[Any] = writer.update(self)
            return rows


class SQLDeleteCompiler(compiler.SQLDeleteCompiler):
    def execute_sql(self, result_type: str | None, **options: Any) -> Any:  # type: ignore[override]  # as above
        writer = writer_of(self.query.model)
        if writer is None:
            return super().execute_sql(result_type, **options)  # type: ignore[call-overload]  # as above
        with atomic(self.connection.alias, savepoint=False):
            return writer.delete(self)
