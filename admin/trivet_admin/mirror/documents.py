"""JSON in a form: read as the API reads it, and refused at the field.

Django's own field knows one way in which JSON is malformed. What is nested too deeply, or has a
number of five thousand digits, leaves it as an error of Python's; NaN, and the first of two equal
names, pass without a word.
"""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.fields import InvalidJSONInput

from trivet.data.fitting import UnfitError
from trivet.data.fitting.documents import fit_document
from trivet.json_text import JsonError, read_json
from trivet_admin.generic import JSONField

NOTHING: list[Any] = [None, ""]
"""What a required column refuses. Django counts {} and [] too, so that a row which holds one, by
``default=dict`` for example, could never be saved again."""


class DocumentFormField(forms.JSONField):
    """The text of a document. What is none stays in the browser as it was typed."""

    empty_values = NOTHING

    def prepare_value(self, value: Any) -> Any:
        """NULL is an empty field: the people at a form need not know what `null` is."""
        return "" if value is None else super().prepare_value(value)

    def to_python(self, value: Any) -> Any:
        if not self.disabled and isinstance(value, str) and value not in self.empty_values:
            try:
                _read(value)
            except (JsonError, UnfitError) as error:
                raise ValidationError(_sentence(error), code="invalid") from error
        return super().to_python(value)

    def bound_data(self, data: Any, initial: Any) -> Any:
        if not self.disabled and isinstance(data, str):
            try:
                _read(data)
            except (JsonError, UnfitError):
                return InvalidJSONInput(data)
        return super().bound_data(data, initial)


def _read(text: str) -> Any:
    return fit_document(read_json(text))


def _sentence(error: Exception) -> str:
    return f"This is no JSON: {error}." if isinstance(error, JsonError) else f"{error}."


class DocumentField(JSONField):
    """A column of documents, with `DocumentFormField` in forms."""

    empty_values = NOTHING

    def formfield(self, **options: Any) -> Any:
        return super().formfield(**{"form_class": DocumentFormField, **options})
