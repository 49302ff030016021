"""The key of a row in the addresses of its pages.

Django writes the text of a key with ``_`` and a number for what an address reserves (``a/b`` is
``a_2Fb``), and leaves any other value than a text as ``str`` has it, so that reading it back may
give another one. Here every key is a text first (`trivet.models.row_keys`). No address can have an
empty text in it, and browsers take ``.`` and ``..`` for other things: these have a ``_`` before
them. Control characters, which get lost on the way, are written as Django writes a slash. Django
itself writes no such text for any other key.
"""

import re
from typing import Any

from django.contrib.admin.utils import quote
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, connections
from django.urls import URLPattern, path, register_converter
from django.urls.converters import PathConverter, get_converters
from sqlalchemy import inspect

from trivet.data.fitting import why_unfit
from trivet.models.row_keys import key_text
from trivet_admin.backends.shared_connection import dialect_of
from trivet_admin.mirror.keys import RowKey
from trivet_admin.mirror.shape import Shape, find_shape

_CONVERTER = "trivet_key"
_DJANGOS = "<path:object_id>"
_IMPOSSIBLE = ("", ".", "..")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WRITTEN = re.compile("_(0[0-9A-F]|1[0-9A-F]|7F)")


class KeyConverter(PathConverter):
    """Between the key of a row and its place in an address. Django's views take it quoted."""

    def to_python(self, value: str) -> str:
        if value[:1] == "_" and value[1:] in _IMPOSSIBLE:
            return value[1:]
        return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), value)

    def to_url(self, value: Any) -> str:
        """`value` is a text that Django has quoted, or a key of another type."""
        text = value if isinstance(value, str) else quote(text_of_key(value))
        if text in _IMPOSSIBLE:
            return f"_{text}"
        return _CONTROL.sub(lambda found: f"_{ord(found[0]):02X}", text)


def text_of_key(key: Any) -> str:
    """The text of a key as Django has it: one value, or several."""
    return str(key) if isinstance(key, RowKey) else key_text([key])


def is_key(model: Any, text: str) -> bool:
    """Whether a row of `model` could have the key with this text."""
    try:
        key = model._meta.pk.to_python(text)
    except (ValidationError, ValueError, TypeError, ArithmeticError):
        return False
    shape = find_shape(model)
    if not isinstance(shape, Shape):
        return "\x00" not in text
    columns: Any = inspect(shape.mapped).primary_key
    dialect = dialect_of(connections[DEFAULT_DB_ALIAS].vendor)
    values = key if isinstance(key, RowKey) else [key]
    return all(
        value is not None and why_unfit(column, value, dialect) is None
        for column, value in zip(columns, values, strict=True)
    )


def with_keys(patterns: list[Any]) -> list[Any]:
    """Django's `patterns` of the pages of a model, with keys of any kind in them."""
    if _CONVERTER not in get_converters():
        register_converter(KeyConverter, _CONVERTER)
    return [_with_key(each) for each in patterns]


def _with_key(pattern: Any) -> Any:
    route = str(pattern.pattern)
    if not isinstance(pattern, URLPattern) or _DJANGOS not in route:
        return pattern
    route = route.replace(_DJANGOS, f"<{_CONVERTER}:object_id>")
    return path(route, pattern.callback, pattern.default_args, name=pattern.name)
