"""Rows of a statement as JSON, without an object of the class in between.

Each set of attributes has a struct of msgspec, whose names are encoded once. Most values go into it
as the driver gives them; a few types have an encoder (`trivet_api.resource.fields`).
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from trivet_api.resource.fields import Field

encode = msgspec.json.Encoder().encode


class RowWriter:
    """Writes rows whose first columns are the values of `fields`; `extra` names what is put behind
    them, the rows that a row was expanded with."""

    def __init__(self, fields: Sequence[Field], extra: Sequence[str] = ()) -> None:
        self.fields = tuple(fields)
        names = [*(each.name for each in fields), *extra]
        # Keywords, and what a struct calls its own, are names of attributes too.
        plain = [f"f{at}" for at in range(len(names))]
        self._struct: Any = msgspec.defstruct(
            "Row",
            [(name, Any) for name in plain],
            rename=dict(zip(plain, names, strict=True)),
            gc=False,
        )
        self._size = len(fields)
        self._encoders = [
            (at, each.encoder) for at, each in enumerate(fields) if each.encoder is not None
        ]

    @classmethod
    def of(cls, fields: Sequence[Field], extra: Sequence[str] = ()) -> "RowWriter":
        """The writer of `fields` and what is put behind them, made once."""
        return _writer(tuple(fields), tuple(extra))

    def write(self, row: Sequence[Any], extra: Sequence[Any] = ()) -> Any:
        """A row as msgspec writes it."""
        values = list(row[: self._size])
        for at, encoder in self._encoders:
            if values[at] is not None:
                values[at] = encoder(values[at])
        return self._struct(*values, *extra)

    def write_all(self, rows: Iterable[Sequence[Any]]) -> list[Any]:
        """Rows as msgspec writes them, with nothing behind."""
        if self._encoders:
            return [self.write(row) for row in rows]
        struct, size = self._struct, self._size
        return [struct(*row[:size]) for row in rows]

    def write_object(self, instance: object, extra: Sequence[Any] = ()) -> Any:
        """An object of the class as its row is written."""
        return self.write([getattr(instance, each.name) for each in self.fields], extra)


@lru_cache(maxsize=1000)
def _writer(fields: tuple[Field, ...], extra: tuple[str, ...]) -> RowWriter:
    return RowWriter(fields, extra)


class Page(msgspec.Struct, omit_defaults=True):
    """The answer of a list. `count`, `groups`, and the position of the live channel (`epoch` and
    `offset`), are there where they were asked for."""

    items: list[Any]
    next_cursor: str | msgspec.UnsetType | None = msgspec.UNSET
    previous_cursor: str | msgspec.UnsetType | None = msgspec.UNSET
    count: int | msgspec.UnsetType = msgspec.UNSET
    groups: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    epoch: str | msgspec.UnsetType = msgspec.UNSET
    offset: int | msgspec.UnsetType = msgspec.UNSET


class Members(msgspec.Struct):
    """The rows of one collection, as far as they are shown."""

    items: list[Any]
    has_more: bool
