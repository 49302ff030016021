"""The events of the departure boards: one channel an airport, ``departures:JFK``.

Every event carries the flight's whole row, not the difference: a board applies it without
knowing what came before, and applying it twice does no harm. What kind of event it is tells
people (and the board's screen reader) why the row turned.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from departures.models import Flight, FlightStatus
from trivet.events import Change, Publication, feed

STAYS_AFTER_DEPARTURE = dt.timedelta(minutes=5)
STAYS_AFTER_CANCELLATION = dt.timedelta(minutes=30)
"""Counted from the scheduled departure, when the passengers are there to read it."""
STAYS_WITHOUT_NEWS = dt.timedelta(minutes=60)
"""Counted from the expected departure: a flight of which nobody reports anything."""


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One line of a departure board.

    `destination` is the airport's code; the board's snapshot names the cities. `until` is
    when the line leaves the board, so that the rule for it stands in one place. All
    instants are aware UTC; `delay_minutes` is negative for early.
    """

    id: int
    version: int
    carrier: str
    number: int
    destination: str
    gate: str | None
    status: FlightStatus
    delay_minutes: int
    scheduled_departure: dt.datetime
    expected_departure: dt.datetime
    until: dt.datetime


def board_row(flight: Flight) -> BoardRow:
    """The line that `flight` has on the board of its origin."""
    return BoardRow(
        id=flight.id,
        version=flight.version,
        carrier=flight.carrier_id,
        number=flight.number,
        destination=flight.dest_id,
        gate=flight.gate,
        status=flight.status,
        delay_minutes=flight.delay_minutes,
        scheduled_departure=flight.scheduled_departure,
        expected_departure=flight.expected_departure,
        until=_leaves_board_at(flight),
    )


def _leaves_board_at(flight: Flight) -> dt.datetime:
    if flight.status is FlightStatus.CANCELLED:
        return flight.scheduled_departure + STAYS_AFTER_CANCELLATION
    if flight.status.is_waiting:
        return flight.expected_departure + STAYS_WITHOUT_NEWS
    return flight.expected_departure + STAYS_AFTER_DEPARTURE


@dataclass(frozen=True, slots=True)
class FlightChanged:
    """Something about a flight changed. The subclasses say what, if it has a name.

    `as_of` is the instant of the report behind it, None for a change made by staff.
    """

    row: BoardRow
    as_of: dt.datetime | None


class FlightScheduled(FlightChanged):
    """A flight was added, or moved to this airport."""

    __slots__ = ()


class GateAssigned(FlightChanged):
    """A flight has another gate, or none any more."""

    __slots__ = ()


class FlightDelayed(FlightChanged):
    """The expected time of a flight has changed, perhaps back to the scheduled one."""

    __slots__ = ()


class FlightCancelled(FlightChanged):
    """A flight will not take place."""

    __slots__ = ()


class FlightLeftStand(FlightChanged):
    """A flight went off-block."""

    __slots__ = ()


class FlightTookOff(FlightChanged):
    """A flight is airborne."""

    __slots__ = ()


class FlightLanded(FlightChanged):
    """A flight reached its destination."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class FlightRemoved:
    """A flight is no departure of this airport any more."""

    id: int


_BY_STATUS: dict[FlightStatus, type[FlightChanged]] = {
    FlightStatus.SCHEDULED: FlightDelayed,
    FlightStatus.DELAYED: FlightDelayed,
    FlightStatus.CANCELLED: FlightCancelled,
    FlightStatus.OFF_BLOCK: FlightLeftStand,
    FlightStatus.AIRBORNE: FlightTookOff,
    FlightStatus.LANDED: FlightLanded,
}


def channel_of(airport: str) -> str:
    """The channel of the departures of `airport`, an IATA code."""
    return f"departures:{airport}"


@feed(Flight)
def flight_changed(change: Change[Flight]) -> Iterator[Publication]:
    """Tell the board of the flight's origin, and the one that it left."""
    flight = change.instance
    if change.kind == "delete":
        yield Publication(channel_of(flight.origin_id), FlightRemoved(flight.id))
        return
    moved_from = change.old.get("origin_id")
    if moved_from is not None:
        yield Publication(channel_of(moved_from), FlightRemoved(flight.id))
    as_of = flight.reported_at if "reported_at" in change.old else None
    yield Publication(channel_of(flight.origin_id), _event_of(change)(board_row(flight), as_of))


def _event_of(change: Change[Flight]) -> type[FlightChanged]:
    if change.kind == "insert" or "origin_id" in change.old:
        return FlightScheduled
    if change.changed("status", "delay_minutes"):
        return _BY_STATUS[change.instance.status]
    return GateAssigned if change.changed("gate") else FlightChanged
