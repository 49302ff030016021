"""Pages by keyset: a page begins where another one ended, at values and not at a number.

Rows that come or go between two pages move none of the others: who walks a list sees every row
that is there all the time exactly once, in both directions. The values in a cursor are the
database's own, not those of Python: what a column's type makes of them may have lost something (a
decimal on SQLite), and the comparison would find the same row again, or miss one.
"""

import datetime as dt
import ipaddress
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, bindparam, cast, false, or_, tuple_
from sqlalchemy import and_ as both
from sqlalchemy.types import UserDefinedType

from trivet_api.resource.sorting import SortKey

Condition = ColumnElement[bool]


class DatabaseValue(UserDefinedType[Any]):
    """A value as the driver gives it and takes it, whatever the type of its column is.

    It is no `NullType`, for which a comparison would put the type of the column.
    """

    cache_ok = True

    def get_col_spec(self, **_options: Any) -> str:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list: the page lies after these values of the sort columns, or before them.

    With `inclusive` a row with exactly these values belongs to the page.
    """

    values: tuple[Any, ...]
    backward: bool = False
    inclusive: bool = False

    @property
    def shape(self) -> tuple[Any, ...]:
        """What of it decides the text of the statement."""
        return self.backward, self.inclusive, tuple(value is None for value in self.values)

    def parameters(self) -> dict[str, Any]:
        """The values of the parameters that `ranges` has."""
        return {f"k{at}": value for at, value in enumerate(self.values) if value is not None}

    def to_json(self) -> list[Any]:
        """It as a cursor carries it."""
        return [int(self.backward), int(self.inclusive), [_write(each) for each in self.values]]

    @classmethod
    def of_json(cls, written: Any) -> "Position":
        """The position that `to_json` gave."""
        backward, inclusive, values = written
        return cls(tuple(_read(each) for each in values), bool(backward), bool(inclusive))


def directed(keys: Sequence[SortKey], position: Position | None) -> tuple[SortKey, ...]:
    """The order in which the database has to find the rows of a page. A page that lies before a
    position is found in the other direction."""
    if position is None or not position.backward:
        return tuple(keys)
    return tuple(each.reversed() for each in keys)


def ranges(keys: Sequence[SortKey], position: Position) -> list[Condition]:
    """The conditions for the rows beyond `position`, in the order of `keys` (as `directed` gives
    them): one range of an index each, which together are in this order."""
    bound = [_Bound(key, f"k{at}", value) for at, (key, value) in _numbered(keys, position)]
    first = bound[0]
    if not first.is_null and not first.key.descending and first.key.nullable:
        return [_after(bound, position.inclusive, apart=True), first.key.column.is_(None)]
    if first.is_null and first.key.descending and len(bound) > 1:
        rest = _after(bound[1:], position.inclusive)
        return [both(first.equal, rest), first.key.column.is_not(None)]
    return [_after(bound, position.inclusive)]


def _numbered(
    keys: Sequence[SortKey], position: Position
) -> Iterator[tuple[int, tuple[SortKey, Any]]]:
    yield from enumerate(zip(keys, position.values, strict=True))


class _Bound:
    """A sort column with its value at the position."""

    def __init__(self, key: SortKey, name: str, value: Any) -> None:
        self.key = key
        self.is_null = value is None
        self.value: Any = bindparam(name, type_=DatabaseValue())
        if isinstance(key.column.type, Float):
            # A number of 32 bits is another one among those of 64.
            self.value = cast(self.value, key.column.type)

    @property
    def equal(self) -> Condition:
        found: Condition = self.key.column.is_(None) if self.is_null else self._same()
        return found

    def _same(self) -> Any:
        return self.key.column == self.value

    def beyond(self, *, apart: bool) -> Condition | None:
        """The rows that come later by this column alone; None if there are none. With `apart`
        those with null are left to another range."""
        column = self.key.column
        if self.is_null:
            others: Condition | None = column.is_not(None) if self.key.descending else None
            return others
        later: Condition = column < self.value if self.key.descending else column > self.value
        if self.key.descending or apart or not self.key.nullable:
            return later  # where the order descends, those with null came before
        return or_(later, column.is_(None))

    def from_here(self) -> Condition | None:
        """The range that holds the rest, for an index; None if it is no single one."""
        if self.is_null:
            return None
        column = self.key.column
        found: Condition = column <= self.value if self.key.descending else column >= self.value
        return found


def _after(bound: Sequence[_Bound], inclusive: bool, *, apart: bool = False) -> Condition:
    """The rows after the position by these columns; with `apart` without those that have null in
    the first one."""
    if (whole := _as_row(bound, inclusive, apart=apart)) is not None:
        return whole
    first, *rest = bound
    later = first.beyond(apart=apart)
    within: Condition = first.equal
    if rest:
        within = both(first.equal, _after(rest, inclusive))
    elif not inclusive:
        return false() if later is None else later
    if later is None:
        return within
    found = or_(later, within)
    limit = first.from_here() if apart or first.key.descending or not first.key.nullable else None
    return found if limit is None else both(limit, found)


def _as_row(bound: Sequence[_Bound], inclusive: bool, *, apart: bool) -> Condition | None:
    """The comparison of whole rows, ``(a, id) > (1, 2)``, which an index serves as it is; None
    where directions differ or nulls have to be found."""
    descending = bound[0].key.descending
    for at, each in enumerate(bound):
        skips_null = not each.key.nullable or each.key.descending or (apart and at == 0)
        if each.is_null or each.key.descending != descending or not skips_null:
            return None
    columns = [each.key.column for each in bound]
    values = [each.value for each in bound]
    row: Any = columns[0] if len(columns) == 1 else tuple_(*columns)
    limit: Any = values[0] if len(values) == 1 else tuple_(*values)
    if descending:
        found: Condition = row <= limit if inclusive else row < limit
    else:
        found = row >= limit if inclusive else row > limit
    return found


# The database's values in a cursor

_MARKED: dict[type[Any], tuple[str, Callable[[Any], Any]]] = {
    float: ("f", float.hex),
    Decimal: ("n", str),
    dt.datetime: ("t", dt.datetime.isoformat),
    dt.date: ("d", dt.date.isoformat),
    dt.time: ("c", dt.time.isoformat),
    dt.timedelta: ("s", lambda value: [value.days, value.seconds, value.microseconds]),
    UUID: ("u", str),
    bytes: ("b", bytes.hex),
    ipaddress.IPv4Address: ("a", str),
    ipaddress.IPv6Address: ("a", str),
    ipaddress.IPv4Interface: ("i", str),
    ipaddress.IPv6Interface: ("i", str),
    ipaddress.IPv4Network: ("w", str),
    ipaddress.IPv6Network: ("w", str),
}
_MADE: dict[str, Callable[[Any], Any]] = {
    "f": float.fromhex,
    "n": Decimal,
    "t": dt.datetime.fromisoformat,
    "d": dt.date.fromisoformat,
    "c": dt.time.fromisoformat,
    "s": lambda value: dt.timedelta(*value),
    "u": UUID,
    "b": bytes.fromhex,
    "a": ipaddress.ip_address,
    "i": ipaddress.ip_interface,
    "w": ipaddress.ip_network,
}


def _write(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | str):
        return value
    mark, write = _MARKED[type(value)]
    return [mark, write(value)]


def _read(written: Any) -> Any:
    if not isinstance(written, list):
        return written
    mark, value = written
    return _MADE[mark](value)
