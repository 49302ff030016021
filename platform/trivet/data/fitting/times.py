"""Instants, days, times of day and spans, as far as both databases and Python can tell them."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from trivet.data.fitting.fit import Fit, UnfitError
from trivet.models.types import in_utc

EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001  # SQLAlchemy's own for an Interval on SQLite
LONGEST = dt.timedelta(microseconds=2**63 - 1)
"""The longest span that fits into the whole microseconds of a 64-bit column."""


def fit_instant(value: Any) -> Any:
    """An aware datetime, in UTC."""
    if not isinstance(value, dt.datetime):
        raise UnfitError("it must be a date with a time")
    if type(value) is dt.datetime and value.tzinfo is dt.UTC:
        return value
    try:
        utc = in_utc(value)
    except ValueError as error:
        raise UnfitError(str(error)) from None
    return dt.datetime.combine(utc.date(), utc.timetz())  # of no class of a library's own


def fit_wall_time(value: Any) -> Any:
    """A datetime without a zone, whose clock is that of UTC; an aware one is turned to it."""
    return _on_the_clock(value, dt.UTC)


def fit_wall_time_in(zone: str) -> Fit:
    """The same for a column whose clock is that of another zone."""
    clock = ZoneInfo(zone)
    return lambda value: _on_the_clock(value, clock)


def _on_the_clock(value: Any, clock: dt.tzinfo) -> Any:
    if not isinstance(value, dt.datetime):
        raise UnfitError("it must be a date with a time")
    if value.tzinfo is None:
        return value
    try:
        return value.astimezone(clock).replace(tzinfo=None)
    except (OverflowError, ValueError):
        raise UnfitError("on the clock of its column it is not in the years 1 to 9999") from None


def fit_day(value: Any) -> Any:
    if isinstance(value, dt.datetime) or not isinstance(value, dt.date):
        raise UnfitError("it must be a date without a time")
    return value


def fit_time(value: Any) -> Any:
    if not isinstance(value, dt.time):
        raise UnfitError("it must be a time of day")
    if value.tzinfo is not None:
        raise UnfitError(f"{value} has a time zone; a time of day has none")
    return value


def fit_span(value: Any) -> Any:
    if not isinstance(value, dt.timedelta):
        raise UnfitError("it must be a span of time")
    if not -LONGEST <= value <= LONGEST:
        raise UnfitError(f"it must be at most {LONGEST.days:,} days long")
    return value


def fit_span_from_epoch(value: Any) -> Any:
    """SQLAlchemy's own Interval is an instant on SQLite, counted from the epoch."""
    fit_span(value)
    try:
        EPOCH + value
    except OverflowError:
        raise UnfitError("counted from 1970, it must end in the years 1 to 9999") from None
    return value


INSTANTS: dict[bool, Fit] = {True: fit_instant, False: fit_wall_time}
"""By whether a column has a time zone."""
