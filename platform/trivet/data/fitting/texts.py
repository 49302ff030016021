"""Texts, choices, bytes and identifiers."""

import enum
import uuid
from typing import Any

from sqlalchemy import BINARY, CHAR, VARBINARY, Enum, String, Uuid

from trivet.data.fitting.fit import Fit, UnfitError

CHOICES_SAID = 12
"""Members of an enum that a sentence still lists."""


def fit_text(kind: String) -> Fit:
    """At most `kind.length` characters, each of which Unicode and PostgreSQL can write."""
    length = kind.length
    is_padded = isinstance(kind, CHAR)

    def fit(value: Any) -> Any:
        text = value if type(value) is str else _text(value)
        if length is not None and len(text) > length:
            raise UnfitError(f"it has {len(text):,} characters, and at most {length:,} fit")
        if is_padded and length is not None and len(text) < length:
            # PostgreSQL would fill it up with blanks, and SQLite would not.
            raise UnfitError(f"it has {len(text):,} characters, and must have {length:,}")
        require_storable(text)
        return text

    return fit


def require_storable(text: str) -> None:
    """Raise UnfitError for a character that no column of text can hold."""
    if "\x00" in text:
        raise UnfitError("it holds a NUL character, which cannot be stored")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise UnfitError("it holds half of a character (a lone surrogate)") from None


def _text(value: Any) -> str:
    if isinstance(value, str):
        return str.__str__(value)  # a member of an enum, or marked as safe HTML: its characters
    raise UnfitError("it must be a text")


def fit_choice(kind: Enum) -> Fit:
    """A member of the enum, or one of its stored values, for which the member is read back."""
    members: dict[Any, Any] = dict.fromkeys(kind.enums)
    if kind.enum_class is None:
        members = {value: value for value in kind.enums}
    else:
        members = dict(zip(kind.enums, kind.enum_class, strict=False))
    known = set(members.values())

    def fit(value: Any) -> Any:
        # The class is compared, because a member of another enum may be equal.
        if type(value) is kind.enum_class or (kind.enum_class is None and type(value) is str):
            if value in known:
                return value
        elif isinstance(value, str) and not isinstance(value, enum.Enum):
            member = members.get(value)
            if member is not None:
                return member
        raise UnfitError(_one_of(list(members)))

    return fit


def _one_of(values: list[str]) -> str:
    said = ", ".join(values[:CHOICES_SAID])
    return f"it must be one of {said}{' …' if len(values) > CHOICES_SAID else ''}"


def fit_bytes(value: Any) -> Any:
    if type(value) is bytes:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    raise UnfitError("it must be bytes")


def fit_bytes_of(kind: BINARY | VARBINARY) -> Fit:
    """At most so many bytes as the column is wide; PostgreSQL and SQLite would not count them."""
    length = kind.length

    def fit(value: Any) -> Any:
        found = fit_bytes(value)
        if length is not None and len(found) > length:
            raise UnfitError(f"it has {len(found):,} bytes, and at most {length:,} fit")
        return found

    return fit


def fit_flag(value: Any) -> Any:
    if value is True or value is False:
        return value
    if type(value) is int and value in (0, 1):
        return bool(value)
    raise UnfitError("it must be true or false")


def fit_uuid(kind: Uuid[Any]) -> Fit:
    def fit(value: Any) -> Any:
        if type(value) is uuid.UUID:
            return value if kind.as_uuid else str(value)
        try:
            found = uuid.UUID(str(value)) if isinstance(value, str | uuid.UUID) else None
        except ValueError:
            found = None
        if found is None:
            raise UnfitError("it must be a UUID")
        if kind.as_uuid:
            return found
        return value if value == str(found) else str(found)

    return fit
