"""Django's writes of mirrored models, as work of a SQLAlchemy session.

Insert: construct, add, flush, copy the columns back. Update: lock the rows, reload them,
set attributes, flush. Delete: lock, load, ``session.delete``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, Protocol

from django.db.models import Model as DjangoModel
from sqlalchemy import inspect, select
from sqlalchemy.orm import Mapper, Session, lazyload, undefer

from trivet.data.explicit_nulls import keep_nulls
from trivet.data.session import TrivetSession
from trivet.data.validators import find_refusal
from trivet_admin.backends.associations import AssociationWriter
from trivet_admin.backends.rows import batched, lock_rows
from trivet_admin.errors.to_django import (
    CHANGED_MEANWHILE,
    StaleEditError,
    not_supported,
    refused_value,
)
from trivet_admin.generic import AnyField
from trivet_admin.mirror.own_row import is_own
from trivet_admin.mirror.relating import relations_of
from trivet_admin.mirror.shape import Association, Shape, find_shape, table_name_of
from trivet_admin.mirror.unreadable import knowing_kinds, loading


class Writer(Protocol):
    """The parts of a mirrored model that the compilers need."""

    def check_conflict_clause(self, on_conflict: Any) -> None: ...

    def insert(
        self,
        connection: Any,
        objects: Sequence[DjangoModel],
        fields: Sequence[AnyField],
        rows: Sequence[Sequence[Any]],
    ) -> None: ...

    def update(self, compiler: Any) -> list[Any]: ...

    def delete(self, compiler: Any) -> int: ...

    def read(self, row: Any, field: AnyField) -> Any: ...


@cache
def writer_of(model: type[DjangoModel]) -> Writer | None:
    """The writer of a mirrored model, or None for a model of Django's own."""
    shape = find_shape(model)
    if isinstance(shape, Association):
        return AssociationWriter(shape)
    return None if shape is None else MappedWriter(shape)


class MappedWriter:
    """Writes the rows of one mapped class."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.mapped = shape.mapped

    def check_conflict_clause(self, on_conflict: Any) -> None:
        if on_conflict is not None:
            raise not_supported(
                "bulk_create() with ignore_conflicts or update_conflicts",
                "look up what is there and create the rest",
            )

    def insert(
        self,
        connection: Any,
        objects: Sequence[DjangoModel],
        fields: Sequence[AnyField],
        rows: Sequence[Sequence[Any]],
    ) -> None:
        self._require_written()
        with connection.shared_transaction.translated() as session:
            instances = [
                self._construct(session, dict(zip(fields, values, strict=True))) for values in rows
            ]
            session.add_all(instances)
            session.flush()
            for instance, given in zip(instances, objects, strict=True):
                self.shape.copy_columns(instance, given)

    def update(self, compiler: Any) -> list[Any]:
        self._require_written()
        constants, expressions = _split(compiler)
        rows = lock_rows(compiler, expressions=list(expressions.values()))
        with compiler.connection.shared_transaction.translated() as session:
            names = [self.shape.key_of(field) for field in (*constants, *expressions)]
            instances = self._load(session, [row[0] for row in rows], names)
            for key, *values in rows:
                changes = constants | dict(zip(expressions, values, strict=True))
                self._change(session, instances[key], changes)
            session.flush()
        return list(instances.values())

    def delete(self, compiler: Any) -> int:
        self._require_written()
        keys = [row[0] for row in lock_rows(compiler)]
        with (
            compiler.connection.shared_transaction.translated() as session,
            knowing_kinds(table_name_of(compiler.query.model)),
        ):
            instances = self._load(session, keys, ())
            for instance in instances.values():
                session.delete(instance)
            session.flush()
        return len(instances)

    def read(self, row: Any, field: AnyField) -> Any:
        """The present value of `field` in a row that `update` returned."""
        return getattr(row, self.shape.key_of(field))

    def _require_written(self) -> None:
        if self.shape.only_read is not None:
            raise not_supported(
                f"a write of {self.mapped.__name__}",
                f"{self.shape.only_read}: write what its rows come from",
            )

    def _load(
        self, session: TrivetSession, keys: Sequence[Any], names: Sequence[str]
    ) -> dict[Any, Any]:
        """The rows with these keys as the database has them now; the columns in `names` are
        loaded even if deferred, for a feed wants their old values."""
        query = (
            select(self.mapped)
            .options(lazyload("*"), *(undefer(getattr(self.mapped, name)) for name in names))
            .execution_options(populate_existing=True)
            .order_by(*self.shape.key_columns)
        )
        mapper: Mapper[Any] = inspect(self.mapped)
        found: dict[Any, Any] = {}
        for batch in batched(keys):
            with loading(str(mapper.local_table.description)):
                rows = session.scalars(query.where(self.shape.with_keys(batch)))
                found.update((self._key_of(row), row) for row in rows if is_own(mapper, row))
        return found

    def _key_of(self, row: Any) -> Any:
        return self.shape.identity_of([getattr(row, name) for name in self.shape.primary_key])

    def _construct(self, session: TrivetSession, values: Mapping[AnyField, Any]) -> Any:
        # As a row from the database is: __init__ belongs to the feature and may want anything.
        instance = inspect(self.mapped).class_manager.new_instance()
        if self.shape.discriminator is not None:
            setattr(instance, self.shape.discriminator, self.shape.identity)
        given = {
            field: value
            for field, value in values.items()
            if not self.shape.is_left_to_the_database(field, value)
        }
        self._set(session, instance, given)
        keep_nulls(
            instance, [self.shape.key_of(each) for each in given if _is_cleared(each, given)]
        )
        return instance

    def _change(
        self, session: TrivetSession, instance: Any, values: Mapping[AnyField, Any]
    ) -> None:
        version = self.shape.version
        writable = {}
        for field, value in values.items():
            if self.shape.key_of(field) != version:
                writable[field] = value
            elif getattr(instance, version) != value:
                raise StaleEditError(CHANGED_MEANWHILE)
        self._set(session, instance, writable)

    def _set(self, session: Session, instance: Any, values: Mapping[AnyField, Any]) -> None:
        """Set attributes, validators included; ValidationError names every refused field."""
        refused: dict[str, str] = {}
        given: dict[str, Any] = {}
        relations = relations_of(inspect(self.mapped))
        fields = {self.shape.key_of(f): f for f in values if not self.shape.is_computed(f)}
        for key, field in fields.items():
            with _refusals(refused, field.name):
                given[key] = to_mapped(field, values[field])
                setattr(instance, key, given[key])
        for key in [key for key in relations if key in given]:
            with _refusals(refused, fields[key].name):
                relations[key].relate(session, instance, given[key])
        if refused:
            raise refused_value(refused)


@contextmanager
def _refusals(refused: dict[str, str], name: str) -> Iterator[None]:
    """Note in `refused` what a validator says of the field `name`."""
    try:
        yield
    except Exception as error:
        refusal = find_refusal(error)
        if refusal is None and not isinstance(error, ValueError):
            raise
        refused[name] = refusal.sentence if refusal else str(error)


def _is_cleared(field: AnyField, given: Mapping[AnyField, Any]) -> bool:
    """Whether a default that the form showed was taken out of it."""
    return given[field] is None and field.has_default() and field.get_default() is not None


def to_mapped(field: AnyField, value: Any) -> Any:
    """A value of Django's as the mapped attribute wants it: in the field's Python type."""
    return None if value is None else field.to_python(field.get_prep_value(value))


def _split(compiler: Any) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """The assignments of an update: constants, and expressions for the database."""
    constants: dict[Any, Any] = {}
    expressions: dict[Any, Any] = {}
    for field, _, value in compiler.query.values:
        if hasattr(value, "resolve_expression"):
            expressions[field] = value
        elif hasattr(value, "prepare_database_save"):
            constants[field] = value.prepare_database_save(field)
        else:
            constants[field] = value
    return constants, expressions
