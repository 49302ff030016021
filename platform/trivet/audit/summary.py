"""The changes of a row's fields, in a line for people."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

LONGEST = 60
"""The characters of a value that are shown; the entry has all of them."""


@dataclass(frozen=True, slots=True)
class FieldChange:
    """The change of one field, for people. `old` and `new` are empty where there is no value."""

    name: str
    old: str
    new: str


def read_changes(changes: str) -> Iterator[FieldChange]:
    """The fields of an entry's `changes`, in the order of the columns."""
    for name, field in msgspec.json.decode(changes).items():
        yield FieldChange(name, *_ends(field))


def summarise(changes: str) -> str:
    """All of `changes` in one line."""
    return ", ".join(_phrase(change) for change in read_changes(changes))


def _ends(field: Mapping[str, Any]) -> tuple[str, str]:
    if "redacted" in field:
        return "", "(not shown)"
    if "added" in field or "removed" in field:
        return _list("−", field.get("removed", ())), _list("+", field.get("added", ()))
    # An update shows both ends, so that a null differs from a field that did not exist.
    return tuple(_text(field[end]) if end in field else "" for end in ("from", "to"))  # type: ignore[return-value]  # two ends


def _phrase(change: FieldChange) -> str:
    ends = [end for end in (change.old, change.new) if end]
    return f"{change.name}: {' → '.join(ends)}"


def _list(sign: str, keys: Any) -> str:
    return " ".join(f"{sign}{key}" for key in keys)


def _text(value: Any) -> str:
    match value:
        case None:
            text = "∅"
        case str():
            text = value or "''"
        case {"bytes": size}:
            text = f"{size:,} bytes"
        case _:
            text = msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
