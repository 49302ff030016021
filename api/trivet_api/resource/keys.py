"""The primary key in an address, read back into the values of its columns.

The text is the one that the trail and the admin have (`trivet.models.row_keys`). It is read by the
letter: ``07`` and ``+7`` are no other names of the row 7, which would have two addresses then.
"""

import enum
from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.data.violation import VALUE_LENGTH
from trivet.errors import NotFound
from trivet.models.labels import noun_of
from trivet.models.row_keys import key_text, split_key
from trivet_api.resource.faults import input_error, invalid
from trivet_api.resource.fields import fields_of


def read_key(model: type[Any], text: str) -> tuple[Any, ...]:
    """The primary key that `text` is, in the order of the columns.

    Args:
        model: A mapped class.
        text: What stands in an address.

    Returns:
        The values, as ``db.get(model, …)`` takes them.

    Raises:
        ValueError: No row of the class can have this key.
    """
    readers = _readers(inspect(model))
    values: tuple[Any, ...]
    if len(readers) == 1:
        values = (readers[0](text),)
    else:
        texts = split_key(text, len(readers))
        values = tuple(
            None if each is None else read(each) for read, each in zip(readers, texts, strict=True)
        )
    if key_text(values) != text:
        raise ValueError(f"{text!r} is no key of {model.__name__}")
    return values


@cache
def _readers(mapper: Mapper[Any]) -> tuple[Callable[[str], Any], ...]:
    keys = [mapper.get_property_by_column(each).key for each in mapper.primary_key]
    fields = fields_of(mapper.class_)
    return tuple(_reader(fields[key]) for key in keys)


def _reader(field: Any) -> Callable[[str], Any]:
    members = getattr(field.column.type, "enum_class", None)
    if members is not None:
        by_text = {key_text([each]): each for each in members}
        return lambda text: _member(by_text, text)
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation)
    is_bytes = field.column.type.python_type is bytes if _has_type(field) else False
    fit = field.fit

    def read(text: str) -> Any:
        if is_bytes:
            return bytes.fromhex(text)
        try:
            value = adapter.validate_strings(text)
        except ValidationError:
            raise ValueError(f"{text!r} is no {field.name}") from None
        if fit is not None:
            fit(value)
        return value

    return read


def _has_type(field: Any) -> bool:
    try:
        return field.column.type.python_type is not None
    except NotImplementedError:
        return False


def _member(by_text: dict[str, enum.Enum], text: str) -> enum.Enum:
    try:
        return by_text[text]
    except KeyError:
        raise ValueError(f"{text!r} is none of {', '.join(by_text)}") from None


def no_row(model: type[Any], text: str) -> NotFound:
    """The answer about a row that there is not, or that the actor does not see."""
    noun = noun_of(inspect(model).local_table)
    told = f" {text}" if len(text) <= VALUE_LENGTH else ""
    return NotFound(f"{noun.lower().replace(' ', '-')}-not-found", f"There is no {noun}{told}.")


def require_key(model: type[Any], text: str) -> tuple[Any, ...]:
    """The primary key that `text`, a part of an address, is.

    Raises Invalid if no row of the class can have it (422).
    """
    try:
        if "\0" not in text:
            return read_key(model, text)
    except ValueError:
        pass
    detail = f"no {noun_of(inspect(model).local_table)} has such a key"
    raise invalid([input_error("key", detail, "path")])
