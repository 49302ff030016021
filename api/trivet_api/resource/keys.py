"""The primary key in an address, read back into the values of its columns.

The text is the one that the trail and the admin have (`trivet.models.row_keys`). It is read by the
letter: ``07`` and ``+7`` are no other names of the row 7, which would have two addresses then.

What no segment of an address can hold is written in it as ``!`` and its number, as in the parts of
a key of several columns: a slash, which servers and proxies take for the next segment even where it
is encoded, ``.`` and ``..``, which clients resolve, and an empty text, as ``!00``. So is a ``!``
that would be read as one of these.
"""

import enum
import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import inspect
from sqlalchemy.orm import Mapper

from trivet.data.violation import VALUE_LENGTH
from trivet.errors import Invalid, NotFound
from trivet.models.labels import noun_of_rows
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
    noun = noun_of_rows(inspect(model))
    told = f" {text}" if len(text) <= VALUE_LENGTH else ""
    return NotFound(f"{noun.lower().replace(' ', '-')}-not-found", f"There is no {noun}{told}.")


_NOTHING = "!00"
"""An empty key; no text that is stored has this character."""
_WRITTEN = re.compile("!([0-9A-F]{2})")
_DOTS = (".", "..")


def address_of(key: Sequence[Any]) -> str:
    """A primary key as a segment of an address has it, before it is percent-encoded."""
    text = key_text(key)
    if len(key) == 1:
        text = _WRITTEN.sub(r"!21\1", text) if "!" in text else text
        text = text.replace(".", "!2E") if text in _DOTS else text
    return text.replace("/", "!2F") or _NOTHING


def _text_at(address: str, size: int) -> str:
    """The text of the key of `size` columns that stands in an address."""
    if size > 1:
        return address.replace("!2F", "/")  # the parts have no other `!` of their own
    if address == _NOTHING:
        return ""
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), address)


def require_key(model: type[Any], address: str) -> tuple[Any, ...]:
    """The primary key that `address`, a segment of a path, is.

    Raises Invalid if no row of the class can have it (422).
    """
    text = _text_at(address, len(inspect(model).primary_key))
    try:
        if "\0" not in text and address == address_of(key := read_key(model, text)):
            return key
    except ValueError:
        pass
    raise no_key(model)


def no_key(model: type[Any]) -> Invalid:
    """The answer about a text that no row of a class can have for its key."""
    detail = f"no {noun_of_rows(inspect(model))} has such a key"
    return invalid([input_error("key", detail, "path")])
