"""Ranges, addresses and maps of texts, which PostgreSQL has alone.

The database writes them in one form: a range of days or whole numbers takes its beginning in and
leaves its end out, an address has no mask that says nothing, the octets of a MAC address are parted
by colons. What is set takes that form at once.
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects.postgresql import Range

from trivet.data.fitting.fit import Fit, UnfitError
from trivet.data.fitting.texts import require_storable


def fit_range(fit_end: Fit, step: Any = None) -> Fit:
    """For ranges whose ends fit `fit_end`; `step` is what lies between two of them, if the database
    counts them."""

    def fit(value: Any) -> Any:
        if not isinstance(value, Range):
            raise UnfitError("it must be a range")
        if value.isempty:
            return value
        lower, upper = (None if end is None else fit_end(end) for end in (value.lower, value.upper))
        bounds: str = value.bounds
        if lower is not None and upper is not None and lower > upper:
            raise UnfitError("it ends before it begins")
        if step is not None:
            lower, upper, bounds = _counted(lower, upper, bounds, step)
        bounds = ("(" if lower is None else bounds[0]) + (")" if upper is None else bounds[1])
        if lower is not None and lower == upper and bounds != "[]":
            return Range(empty=True)
        is_same = bounds == value.bounds and lower is value.lower and upper is value.upper
        written: Any = bounds
        return value if is_same else Range(lower, upper, bounds=written)

    return fit


def fit_ranges(value: Any) -> Any:
    """Several ranges, of which the database makes as few as it can."""
    if not isinstance(value, list | tuple) or not all(isinstance(each, Range) for each in value):
        raise UnfitError("it must be a list of ranges")
    return value


def _counted(lower: Any, upper: Any, bounds: str, step: Any) -> tuple[Any, Any, str]:
    try:
        if lower is not None and bounds[0] == "(":
            lower += step
        if upper is not None and bounds[1] == "]":
            upper += step
    except OverflowError:
        raise UnfitError("its end lies beyond the last day") from None
    return lower, upper, "[)"


DAY = dt.timedelta(days=1)


def fit_inet(value: Any) -> Any:
    """An address, or one with the mask of its network."""
    found = _parsed(ipaddress.ip_interface, value)
    return found.ip if found.network.prefixlen == found.max_prefixlen else found


def fit_cidr(value: Any) -> Any:
    """A network, without an address in it."""
    return _parsed(ipaddress.ip_network, value)


def _parsed(parse: Callable[[str], Any], value: Any) -> Any:
    try:
        return parse(str(value))
    except ValueError as error:
        raise UnfitError(str(error)) from None


def fit_mac(octets: int) -> Fit:
    """A MAC address of so many octets, in any spelling."""

    def fit(value: Any) -> Any:
        digits = re.sub(r"[:.-]", "", value).lower() if isinstance(value, str) else ""
        if not re.fullmatch(f"[0-9a-f]{{{2 * octets}}}", digits):
            raise UnfitError(f"it must be a MAC address of {octets} octets")
        return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2))

    return fit


def fit_texts_by_name(value: Any) -> Any:
    """What ``hstore`` holds."""
    if not isinstance(value, dict):
        raise UnfitError("it must be an object of texts")
    for text in (*value, *(each for each in value.values() if each is not None)):
        if not isinstance(text, str):
            raise UnfitError("it must be an object of texts")
        require_storable(text)
    return value
