"""The audit's note of one change, and the form of its values."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from trivet.events.feeds import Kind

_SIMPLE = (str, int, float, dt.date, dt.time, dt.timedelta, Decimal, uuid.UUID)
"""What the encoder of an entry knows by itself, and most columns hold."""
_MOST = frozenset({*_SIMPLE, type(None), dt.datetime, bool})
"""The same by the class itself, which is asked more quickly than for its bases."""

Field = dict[str, Any]
"""The change of one field: ``from`` and ``to`` (either may be missing, on an insert or a
delete), ``added`` and ``removed`` keys of an association, or ``redacted``: true."""


class Entry(NamedTuple):
    """One row that was written. `key` is its primary key as text, `changes` a JSON object of
    field names to `Field`."""

    table: str
    key: str
    kind: Kind
    changes: str


def encode_changes(changes: Mapping[str, Field]) -> str:
    """The JSON of `changes`: instants in ISO 8601, decimals as text, enums by their value.

    The text itself is hashed, so it is stored as text and never parsed and written again.
    """
    return _encoder.encode(changes).decode()


_encoder = msgspec.json.Encoder(enc_hook=str)


def plain(value: Any) -> Any:
    """`value` in the form of an entry: an object of somebody's own by its text. Bytes are replaced
    by their length and digest: the trail records that a picture was replaced, and does not store
    pictures."""
    if type(value) in _MOST:
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    if isinstance(value, _SIMPLE) or value is None:
        return value
    try:
        return msgspec.to_builtins(value, str_keys=True, enc_hook=str)
    except (TypeError, ValueError, RecursionError):  # what a pickle may hold
        return str(value)
