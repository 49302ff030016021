"""The primary key of several columns, as Django's admin can live with it.

Django has such keys, and its admin refuses them: it makes a text of a row's key wherever a browser
has to bring it back (addresses, forms, chosen rows, the log), and finds the row by it. Django's
own key is a tuple without such a text. This one has one (`trivet.models.row_keys`), and is found by
its text as by its values.
"""

from typing import Any

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import models
from django.db.models.fields.composite import CompositeAttribute
from django.db.models.fields.tuple_lookups import TupleExact, TupleIn, TupleLookupMixin
from django.db.models.sql.where import OR, NothingNode, WhereNode

from trivet.models.row_keys import key_text, split_key


class RowKey(tuple[Any, ...]):
    """The values of a key, in the order of its columns. Its text is the whole key's."""

    __slots__ = ()

    def __str__(self) -> str:
        return key_text(self)

    def __lt__(self, other: Any) -> bool:
        """Django sorts rows before it deletes them; values of a key need not have an order."""
        try:
            return super().__lt__(other)
        except TypeError:
            return str(self) < key_text(other)


class _KeyAttribute(CompositeAttribute):
    """``row.pk``."""

    def __get__(self, instance: Any, cls: Any = None) -> Any:
        return self if instance is None else RowKey(super().__get__(instance, cls))


class KeyField(models.CompositePrimaryKey):
    """The key of a mirror over several columns."""

    descriptor_class = _KeyAttribute

    def to_python(self, value: Any) -> Any:
        """The key with this text, or with these values or their texts. Raises ValidationError for
        what is no key of this model."""
        try:
            if isinstance(value, str):
                value = split_key(value, len(self.fields))
            pairs = zip(self.fields, value, strict=True)
            return RowKey(_target(field).to_python(each) for field, each in pairs)
        except (TypeError, ValueError, ArithmeticError) as error:
            raise ValidationError(str(error)) from error

    def get_lookup(self, name: str) -> Any:
        return {"exact": _KeyExact, "in": _KeyIn}.get(name) or super().get_lookup(name)


def is_named_by_text(model: Any) -> bool:
    """Whether `model` has such a key."""
    return isinstance(model._meta.pk, KeyField)


def _target(field: Any) -> Any:
    """The field that has the type of a part: at the end of every foreign key."""
    while field.remote_field is not None:
        field = field.target_field
    return field


class _KeyLookup(TupleLookupMixin):
    """Takes a key by its text as well. On a direct value each column is compared by the lookup of
    its own field, whatever the database: a field may have its own way to write a parameter."""

    lhs: Any
    rhs: Any

    def _equals(self, key: Any) -> WhereNode:
        pairs = zip(self.lhs, self.lhs.field.to_python(key), strict=True)
        return WhereNode(
            [column.output_field.get_lookup("exact")(column, v) for column, v in pairs]
        )

    def _asked(self, key: Any) -> Any:
        """The key, or ValueError, by which Django's lookups say that a value is none of a field."""
        try:
            return self.lhs.field.to_python(key)
        except ValidationError as error:
            raise ValueError(error.message) from error


class _KeyExact(_KeyLookup, TupleExact):
    def get_prep_lookup(self) -> Any:
        if self.rhs_is_direct_value():
            self.rhs = self._asked(self.rhs)
        return super().get_prep_lookup()

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs_is_direct_value():
            return super().as_sql(compiler, connection)
        if None in self.rhs:
            raise EmptyResultSet
        return self._equals(self.rhs).as_sql(compiler, connection)


class _KeyIn(_KeyLookup, TupleIn):
    def get_prep_lookup(self) -> Any:
        if self.rhs_is_direct_value():
            self.rhs = [self._asked(each) for each in self.rhs]
        return super().get_prep_lookup()

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        if not self.rhs_is_direct_value():
            return super().as_sql(compiler, connection)
        known: list[Any] = [self._equals(key) for key in self.rhs if None not in key]
        return WhereNode(known or [NothingNode()], connector=OR).as_sql(compiler, connection)
