"""Django's own tables whose every change somebody has to know of.

No signal tells of ``update()``, ``bulk_create()`` or of rows that go with others, but every
write of Django's ORM passes the SQL compilers. There an observed model's rows are read before
the statement and after it, in the same transaction: once, for all listeners.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from django.db import NotSupportedError
from django.db.models import Model
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler
from django.db.transaction import atomic

from trivet_admin.backends.guard import target_of
from trivet_admin.backends.rows import BATCH_ROWS, lock_rows

T = TypeVar("T")
Insert = Callable[[Sequence[Any]], list[Any]]
Rows = dict[Any, dict[str, Any]]
"""Rows by their primary keys, in the order of these; columns by their Django names."""

_observers: dict[type[Model], "Observer"] = {}


@dataclass(frozen=True, slots=True)
class Listener:
    """`tell` is called with what was and with what is, in the form of its observer, right
    after the statement and inside its transaction, as long as `is_listening`."""

    is_listening: Callable[[], bool]
    tell: Callable[[Any, Any], None]


class Observer(ABC):
    """Reads what the rows of `model` held before a statement and after it, and tells
    `listeners`, in their order, what differs.

    `ignored` are columns whose changes are nobody's business: a statement that writes no
    others costs nothing.
    """

    is_sole_way: ClassVar[bool] = True
    """Whether statements that do not pass here are refused."""

    def __init__(
        self, model: Any, listeners: Iterable[Listener], ignored: Iterable[str] = ()
    ) -> None:
        self.model = model
        self._listeners = tuple(listeners)
        self._ignored = frozenset(ignored)
        # What is inherited from another model lies in its table, and is its observer's.
        names = (field.attname for field in model._meta.local_concrete_fields)
        self._names = [name for name in names if name not in self._ignored]
        self.key_fields = tuple(model._meta.pk_fields)
        self._keys = [field.attname for field in self.key_fields]

    @abstractmethod
    def changed(self, before: Rows, after: Rows) -> None:
        """A statement made `after` of `before`; both hold only rows that it may have touched."""

    @abstractmethod
    def insert(self, compiler: Any, returning: Sequence[Any], write: Insert) -> list[Any]:
        """Tell of an insert. `write` sends it, and returns of each row the fields that it is
        asked for; the caller wants those in `returning`."""

    def update(self, compiler: Any, write: Callable[[], T]) -> T:
        """Tell of an update, which `write` sends.

        Raises NotSupportedError if it changes primary keys, because old and new rows could then
        not be matched.
        """
        if any(field in self.key_fields for field, *_ in compiler.query.values):
            raise NotSupportedError(
                f"{self.model._meta.verbose_name_plural} keep their primary keys, because the "
                "audit trail follows a row by its key; create a new row and delete the old one"
            )
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

    def is_heard(self) -> bool:
        """Whether anybody listens at this moment."""
        return any(each.is_listening() for each in self._listeners)

    def is_concerned(self, query: Any) -> bool:
        """Whether `query`, a write of the model, can change anything but what is ignored."""
        if not isinstance(query, UpdateQuery):
            return True
        return not {field.attname for field, *_ in query.values} <= self._ignored  # type: ignore[attr-defined]  # not in the stubs

    def tell(self, was: Any, now: Any) -> None:
        """Tell the listeners, if anything differs."""
        if was != now:
            for each in self._listeners:
                if each.is_listening():
                    each.tell(was, now)

    def read(self, **conditions: Any) -> Rows:
        """The present values of the rows that meet `conditions`."""
        every = self.model._base_manager  # noqa: SLF001  # public by Django's documents
        found = every.filter(**conditions).order_by("pk")
        return self._rows(found.values_list(*self._names))

    def read_keys(self, keys: Sequence[Any]) -> Rows:
        """The present values of the rows with these primary keys."""
        found: Rows = {}
        for start in range(0, len(keys), BATCH_ROWS):
            found |= self.read(pk__in=keys[start : start + BATCH_ROWS])
        return found

    def _lock(self, compiler: SQLCompiler) -> Rows:
        return self._rows(lock_rows(compiler, self._names))

    def _rows(self, values: Iterable[Sequence[Any]]) -> Rows:
        rows = (dict(zip(self._names, row, strict=True)) for row in values)
        return {self.key_in([row[name] for name in self._keys]): row for row in rows}

    def key_in(self, values: Sequence[Any]) -> Any:
        """A primary key as Django has it: of several fields, a tuple."""
        return values[0] if len(self._keys) == 1 else tuple(values)


def observe(observer: Observer) -> None:
    """Have `observer` read from now on; the latest for a model counts."""
    _observers[observer.model] = observer


@contextmanager
def observed(compiler: Any) -> Iterator[Observer | None]:
    """The observer of the statement of `compiler`, if there is one: then it is in a transaction
    while this is open. The guard lets it pass in any case."""
    observer = _observers.get(compiler.query.model._meta.concrete_model)
    if observer is None or not observer.is_heard():
        yield None
        return
    connection = compiler.connection
    connection.observed += 1
    try:
        if observer.is_concerned(compiler.query):
            with atomic(connection.alias, savepoint=False):
                yield observer
        else:
            yield None
    finally:
        connection.observed -= 1


def require_observed(sql: Any) -> None:
    """Raise NotSupportedError if `sql` writes a table of whose rows somebody has to know: the
    audit trail, or the revocations, without which open sockets keep what their user lost."""
    target = target_of(sql)
    if target and any(
        model._meta.db_table == target and observer.is_sole_way and observer.is_heard()
        for model, observer in _observers.items()
    ):
        raise NotSupportedError(
            f"refused, because it writes {target} past the audit trail and the revocations: "
            f"{str(sql)[:200]!r}. Use Django's models, in bulk if you like: each row is seen"
        )
