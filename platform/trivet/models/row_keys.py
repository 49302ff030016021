"""The text of a primary key: in the audit trail, and in addresses and forms of the admin.

A key of one column is its value as text. The parts of a key of several columns are joined by ``~``,
with what could be taken for a joint written as ``!`` and its number: (7, "a~b") is ``7~a!7Eb``. So
two rows never have the same text, and a list of keys may be joined by commas.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

_JOINT = "~"
_NULL = "!-"
_SPECIAL = re.compile("[!~,]")
_WRITTEN = re.compile("!([0-9A-F]{2})")


def key_text(values: Iterable[Any]) -> str:
    """The text of the primary key with these values: instants in ISO 8601, enums by their value,
    bytes in hexadecimal digits."""
    first, *others = values
    if not others:
        return _text(first)
    return _JOINT.join(map(_part, (first, *others)))


def split_key(text: str, size: int) -> Sequence[str | None]:
    """The texts of the `size` parts of a key of several columns; None stands for NULL.

    Raises ValueError if `text` is none of such a key.
    """
    parts = text.split(_JOINT)
    if len(parts) != size:
        raise ValueError(f"{text!r} is no key of {size} parts")
    return [_read(part) for part in parts]


def _part(value: Any) -> str:
    if value is None:
        return _NULL
    return _SPECIAL.sub(lambda found: f"!{ord(found[0]):02X}", _text(value))


def _read(part: str) -> str | None:
    if part == _NULL:
        return None
    if "!" in _WRITTEN.sub("", part):
        raise ValueError(f"{part!r} is no part of a key")
    return _WRITTEN.sub(lambda found: chr(int(found[1], 16)), part)


def _text(value: Any) -> str:
    if type(value) in _PLAIN:
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return str(msgspec.to_builtins(value, enc_hook=str))


_PLAIN = frozenset({int, str})
"""What most keys are; their text is that of the value."""
