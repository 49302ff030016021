"""The columns of many rows: the parameters of a statement, turned from rows into arrays.

Every value travels as text, and PostgreSQL reads it as the type to which the statement casts it,
as it does with the text in a dump.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from trivet.array_text import texts

PARAMETER = re.compile(r"%\((\w+)\)s")
"""A parameter in the text of a statement, as psycopg takes it."""

_PLAIN = frozenset({int, bool, float, Decimal, dt.datetime, dt.date, dt.time, UUID})
"""The classes whose text PostgreSQL reads as the same value."""


def arrays_of(names: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> dict[str, str] | None:
    """An array for each of `names`, with the values that `rows` have for it; None if one of these
    values is of a class that has no plain text, or a text that cannot be stored."""
    arrays: dict[str, str] = {}
    for name in names:
        values = [row[name] for row in rows]
        kinds = set(map(type, values))
        if not kinds <= _TEXT_OR_NONE:
            if not kinds <= _WITH_TEXT:
                return None
            values = [each if each is None else str(each) for each in values]
        try:
            arrays[name] = texts(values)
        except ValueError:
            return None
    return arrays


_TEXT_OR_NONE = frozenset({str, type(None)})
_WITH_TEXT = _PLAIN | _TEXT_OR_NONE


def unnested(names: Sequence[str]) -> str:
    """The call that makes rows of the arrays again."""
    return f"unnest({', '.join(f'%({name})s::text[]' for name in names)})"


def numbered(names: Sequence[str]) -> str:
    """Names for the columns of these rows, which clash with nothing."""
    return ", ".join(f"p{number}" for number in range(len(names)))
