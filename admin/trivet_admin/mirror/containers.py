"""Fields of documents, arrays, ranges and addresses: values with a text that people can edit.

What people type is read into the value of the mapped class, each item by the field of its own
type, so that a form can hold whatever such a value can.
"""

import datetime as dt
import json
import re
from collections.abc import Callable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.duration import duration_string
from sqlalchemy import JSON
from sqlalchemy.dialects.postgresql import Range

from trivet.data.fitting import UnfitError
from trivet.json_text import JsonError, read_json
from trivet_admin.generic import AnyField
from trivet_admin.mirror.documents import NOTHING, DocumentField, DocumentFormField
from trivet_admin.mirror.enums import EnumField
from trivet_admin.mirror.storage import from_native, to_native
from trivet_admin.mirror.typed import COMPARISONS, TypedField


class TypedDocument(TypedField, DocumentField):
    """A JSON document of whatever column. Only where it is stored as Django stores its own can the
    inside be asked for."""

    def get_prep_value(self, value: Any) -> Any:
        # A document may be any text, and is not read from one.
        fit = self.storage().fit
        is_value = value is not None and not hasattr(value, "resolve_expression")
        return fit(value) if is_value and fit is not None else value

    def get_transform(self, name: str) -> Any:
        return DocumentField.get_transform(self, name) if self._is_djangos() else None

    def get_lookup(self, name: str) -> Any:
        if name in COMPARISONS or self._is_djangos():
            return super().get_lookup(name)
        return AnyField.get_class_lookups().get(name)

    def _is_djangos(self) -> bool:
        return self.text_type is None and isinstance(self.storage().native, JSON)


class NativeDocument(TypedDocument):
    """A document of which the type makes an object of its own: the form has the document."""

    def value_from_object(self, obj: Any) -> Any:
        return to_native(
            self.storage().outer, self.storage().dialect, super().value_from_object(obj)
        )

    def validate(self, value: Any, model_instance: Any) -> None:
        AnyField.validate(self, value, model_instance)  # and not whether it is JSON itself

    def formfield(self, **options: Any) -> Any:
        given = {"form_class": NativeDocumentFormField, "to_value": self.to_python}
        return super().formfield(**{**options, **given})

    def to_python(self, value: Any) -> Any:
        if not isinstance(value, dict | list):
            return value
        try:
            return from_native(self.storage().outer, self.storage().dialect, value)
        except (ValueError, TypeError, LookupError, ArithmeticError) as error:
            raise ValidationError(str(error), code="invalid") from error


class NativeDocumentFormField(DocumentFormField):
    """A document, of which `to_value` makes the object that the column has."""

    def __init__(self, *args: Any, to_value: Callable[[Any], Any], **options: Any) -> None:
        self._to_value = to_value
        super().__init__(*args, **options)

    def to_python(self, value: Any) -> Any:
        return self._to_value(super().to_python(value))


class ItemsFormField(DocumentFormField):
    """A JSON list, whose items are read by `to_item` and shown by `to_text`."""

    def __init__(
        self,
        *args: Any,
        to_item: Callable[[Any], Any],
        to_text: Callable[[Any], Any],
        each: Callable[[Callable[[Any], Any], Any], list[Any]],
        **more: Any,
    ) -> None:
        self._to_item, self._to_text, self._each = to_item, to_text, each
        super().__init__(*args, **more)

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return json.dumps(self._each(self._to_text, value), ensure_ascii=False)
        return super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        found = super().to_python(value)
        if found is None or isinstance(found, str):
            return found
        if not isinstance(found, list):
            raise ValidationError("This is no list in JSON, such as [1, 2].", code="invalid")
        return self._each(self._to_item, found)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return str(self.prepare_value(initial)) != str(data)


class ItemsField(TypedField):
    """An array. `item` is the field of its items."""

    empty_strings_allowed = False
    empty_values = NOTHING

    def __init__(self, *args: Any, item: AnyField, **options: Any) -> None:
        self.item = item
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "item": self.item}

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            value = _read(value)
        if not isinstance(value, list | tuple):
            raise ValidationError("This is no list in JSON, such as [1, 2].", code="invalid")
        found = self.each(self._to_item, value)
        return found if isinstance(value, list) else tuple(found)

    def formfield(self, **options: Any) -> Any:
        given = {
            "form_class": ItemsFormField,
            "to_item": self._to_item,
            "to_text": self._to_text,
            "each": self.each,
        }
        return super().formfield(**{**given, **options})

    def each(self, function: Callable[[Any], Any], values: Any) -> list[Any]:
        """`function` of every item, in however many dimensions."""
        native: Any = self.storage().native
        if native.dimensions == 1:
            return [None if item is None else function(item) for item in values]
        return _each(function, values)

    def _to_item(self, value: Any) -> Any:
        # As a text, a number loses nothing on its way: Django would make 1 of 1.5.
        is_number = isinstance(value, int | float) and not isinstance(self.item, DocumentField)
        return self.item.to_python(str(value) if is_number else value)

    def _to_text(self, value: Any) -> Any:
        if isinstance(self.item, EnumField):
            return self.item.form_value(value)
        if value is None or isinstance(value, str | int | float | dict | list):
            return value
        return duration_string(value) if isinstance(value, dt.timedelta) else str(value)


class MappingField(TypedField):
    """PostgreSQL's ``hstore``: texts by names, in a form a JSON object."""

    empty_strings_allowed = False
    empty_values = NOTHING

    def to_python(self, value: Any) -> Any:
        found = _read(value) if isinstance(value, str) else value
        is_mapping = isinstance(found, dict) and all(
            each is None or isinstance(each, str) for each in found.values()
        )
        if not is_mapping:
            raise ValidationError(
                'This is no object of texts in JSON, such as {"a": "b"}.', code="invalid"
            )
        return found

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": DocumentFormField, **options})


_RANGE = re.compile(r'\s*([\[(])\s*"?([^",]*?)"?\s*,\s*"?([^",]*?)"?\s*([\])])\s*')
_NO_RANGE = "Write a range as [1,5) with its bounds: [ and ] take the end in, ( and ) leave it out."


class RangeField(TypedField):
    """A range, in a form in the text that PostgreSQL has for it. `item` reads its ends."""

    empty_strings_allowed = False

    def __init__(self, *args: Any, item: AnyField, **options: Any) -> None:
        self.item = item
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, arguments, options = super().deconstruct()
        return name, path, arguments, {**options, "item": self.item}

    def to_python(self, value: Any) -> Any:
        if value is None or isinstance(value, Range):
            return value
        text = str(value)
        if not text:
            return None
        if text.strip() == "empty":
            return Range(empty=True)
        found = _RANGE.fullmatch(text)
        if found is None:
            raise ValidationError(_NO_RANGE, code="invalid")
        before, lower, upper, after = found.groups()
        ends: list[Any] = [self.item.to_python(end) if end else None for end in (lower, upper)]
        bounds: Any = before + after
        fit = self.storage().fit
        try:
            return fit(Range(*ends, bounds=bounds)) if fit is not None else None
        except UnfitError as unfit:
            raise ValidationError(str(unfit), code="invalid") from unfit

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": forms.CharField, **options})


class AddressField(TypedField):
    """An address of a network, or a network, in a form its text."""

    empty_strings_allowed = False

    def to_python(self, value: Any) -> Any:
        if value is None or value == "":
            return None
        fit = self.storage().fit
        try:
            return value if fit is None else fit(str(value))
        except UnfitError as unfit:
            raise ValidationError(str(unfit), code="invalid") from unfit

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": forms.CharField, **options})


def _each(function: Callable[[Any], Any], values: Any) -> list[Any]:
    """`function` of every item of an array of however many dimensions."""
    return [
        _each(function, each)
        if isinstance(each, list | tuple)
        else None
        if each is None
        else function(each)
        for each in values
    ]


def _read(text: str) -> Any:
    try:
        return read_json(text)
    except (JsonError, UnfitError) as error:
        raise ValidationError(f"This is no JSON: {error}.", code="invalid") from error
