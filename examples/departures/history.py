"""The real events of the week, as the movements that airlines would have reported.

The files have three facts a flight: when it left its stand, when it arrived, and how long
it was in the air. The rest is derived, by rules that stand here:

- airborne: the taxiing is what remains of the time between the stands; two thirds of it,
  in New York, come before the take-off.
- landed is the arrival as recorded. Where it is not, but the time in the air is (the
  destination's zone is unknown), it is the end of that. A diverted flight never lands.
- a delay of 15 minutes or more (the US Department of Transportation's "late") is announced
  half an hour before the scheduled departure.
- a cancellation is announced an hour and a half before the scheduled departure.
"""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path

from departures.models import MovementKind
from departures.services import FlightKey, MovementReport
from departures.timetable import DATA, Leg, read_legs, read_reference

DELAY_ANNOUNCED = dt.timedelta(minutes=30)
CANCELLATION_ANNOUNCED = dt.timedelta(minutes=90)
LATE = dt.timedelta(minutes=15)
TYPICAL_TAXI_OUT = dt.timedelta(minutes=18)
"""Where the time in the air is not known; about the median of this week."""
_ORDER = list(MovementKind)


def list_movements(data: Path = DATA) -> list[MovementReport]:
    """Every movement of the week, oldest first. The same week gives the same ids."""
    legs = (leg for leg in read_legs(read_reference(data), data) if isinstance(leg, Leg))
    movements = [movement for leg in legs for movement in movements_of(leg)]
    return sorted(movements, key=lambda m: (m.at, _ORDER.index(m.kind), m.id))


def movements_of(leg: Leg) -> Iterator[MovementReport]:
    """The reports about one flight, oldest first."""
    scheduled = leg.scheduled_departure
    if leg.departed is None:
        yield _report(leg, MovementKind.CANCELLED, scheduled - CANCELLATION_ANNOUNCED)
        return
    delay = leg.departed - scheduled
    if delay >= LATE:
        minutes = delay // dt.timedelta(minutes=1)
        yield _report(leg, MovementKind.DELAY, scheduled - DELAY_ANNOUNCED, minutes)
    yield _report(leg, MovementKind.OFF_BLOCK, leg.departed)
    airborne = leg.departed + _taxi_out(leg)
    yield _report(leg, MovementKind.AIRBORNE, airborne)
    if leg.arrived is not None:
        yield _report(leg, MovementKind.LANDED, leg.arrived)
    elif leg.air_time is not None:
        yield _report(leg, MovementKind.LANDED, airborne + leg.air_time)


def _taxi_out(leg: Leg) -> dt.timedelta:
    if leg.departed is None or leg.arrived is None or leg.air_time is None:
        return TYPICAL_TAXI_OUT
    minutes = (leg.arrived - leg.departed - leg.air_time) / dt.timedelta(minutes=1)
    return dt.timedelta(minutes=round(minutes * 2 / 3))


def _report(
    leg: Leg, kind: MovementKind, at: dt.datetime, minutes: int | None = None
) -> MovementReport:
    key = FlightKey(leg.carrier, leg.number, leg.scheduled_departure)
    identifier = f"{leg.carrier}{leg.number}-{leg.scheduled_departure:%Y%m%dT%H%MZ}-{kind}"
    return MovementReport(identifier, kind, key, at, minutes)
