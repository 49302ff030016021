"""Django's own tables whose every change somebody has to know of.

No signal tells of ``update()``, ``bulk_create()`` or of rows that go with others, but every
write of Django's ORM passes the SQL compilers. There an observed model's rows are read before
the statement and after it, in one transaction with it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import NotSupportedError
from django.db.models import Model
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import atomic

from trivet_admin import runtime
from trivet_admin.backends.guard import target_of
from trivet_admin.backends.rows import BATCH_ROWS, lock_rows

T = TypeVar("T")
Insert = Callable[[Sequence[Any]], list[Any]]
Rows = dict[Any, dict[str, Any]]
"""Rows by their primary keys, in the order of these; columns by their Django names."""

_observers: dict[type[Model], "Observer"] = {}


class Observer(ABC):
    """Is told what the rows of `model` held before a statement and after it.

    `ignored` are columns whose changes are nobody's business: a statement that writes no
    others costs nothing.
    """

    def __init__(self, model: Any, ignored: Iterable[str] = ()) -> None:
        self.model = model
        self._ignored = frozenset(ignored)
        names = (field.attname for field in model._meta.concrete_fields)
        self._names = [name for name in names if name not in self._ignored]

    @abstractmethod
    def changed(self, before: Rows, after: Rows) -> None:
        """A statement made `after` of `before`; both hold only rows that it may have touched."""

    @abstractmethod
    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """Tell of an insert. `write` sends it, and returns of each row the fields that it is
        asked for; the caller wants those in `returning`."""

    def update(self, compiler: Any, write: Callable[[], T]) -> T:
        """Tell of an update, which `write` sends."""
        if {field.attname for field, *_ in compiler.query.values} <= self._ignored:
            return write()
        before = self._lock(compiler)
        result = write()
        self.changed(before, self.read_keys(list(before)))
        return result

    def delete(self, compiler: Any, write: Callable[[], T]) -> T:
        """Tell of a deletion, which `write` sends."""
        before = self._lock(compiler)
        result = write()
        self.changed(before, {})
        return result

    def read(self, **conditions: Any) -> Rows:
        """What the rows that meet `conditions` hold now."""
        every = self.model._base_manager  # noqa: SLF001  # public by Django's documents
        found = every.filter(**conditions).order_by("pk")
        return self._rows(found.values_list(*self._names))

    def read_keys(self, keys: Sequence[Any]) -> Rows:
        """What the rows with these primary keys hold now."""
        found: Rows = {}
        for start in range(0, len(keys), BATCH_ROWS):
            found |= self.read(pk__in=keys[start : start + BATCH_ROWS])
        return found

    def _lock(self, compiler: SQLCompiler) -> Rows:
        return self._rows(lock_rows(compiler, self._names))

    def _rows(self, values: Iterable[Sequence[Any]]) -> Rows:
        rows = (dict(zip(self._names, row, strict=True)) for row in values)
        return {row[self.model._meta.pk.attname]: row for row in rows}


def observe(observer: Observer) -> None:
    """Have `observer` told from now on; the latest for a model counts."""
    _observers[observer.model] = observer


@contextmanager
def observed(compiler: Any) -> Iterator[Observer | None]:
    """Who has to know of the statement of `compiler`, if anyone; while this is open, it is in
    a transaction, and the guard lets it pass."""
    observer = _observers.get(compiler.query.model._meta.concrete_model)
    if observer is None or runtime.audit() is None:
        yield None
        return
    connection = compiler.connection
    with atomic(connection.alias, savepoint=False):
        connection.observed += 1
        try:
            yield observer
        finally:
            connection.observed -= 1


def require_observed(sql: Any) -> None:
    """Raise NotSupportedError if `sql` writes a table that somebody has to know of."""
    target = target_of(sql)
    if target in _observed_tables() and runtime.audit() is not None:
        raise NotSupportedError(
            f"refused, because it writes {target} past the audit trail: {str(sql)[:200]!r}. Use "
            "Django's models, in bulk if you like: each row is noted"
        )


def _observed_tables() -> frozenset[str]:
    return frozenset(model._meta.db_table for model in _observers)
