"""The rules of a flight's changes, said once; they judge every change from every caller.

Staff at a form, an action, an airline's report and a command meet the same sentences. The services
ask the functions here too, where they can tell more than one change at a time: which flights of a
list, which report of a batch.

A batch of reports may carry a flight through several states in one change, so what is judged is
whether a state can be reached, and whether the times tell how.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from departures.models import Flight, FlightStatus, Movement, MovementKind
from trivet import Conflict, Invalid
from trivet.rules import Change, rule

CLOCK_TOLERANCE = dt.timedelta(minutes=5)
"""How far the clock of an airline's system may be ahead of ours."""
FARTHEST = dt.timedelta(days=2)
"""A movement farther from its flight's schedule than this is of another day's flight."""
DELAY_MINUTES = range(-60, 2881)
"""From an hour early to two days late, the bound of `FARTHEST`."""

_WAITING = frozenset({FlightStatus.SCHEDULED, FlightStatus.DELAYED})

LEAVES: Mapping[MovementKind, frozenset[FlightStatus]] = {
    MovementKind.DELAY: _WAITING,
    MovementKind.CANCELLED: _WAITING | {FlightStatus.OFF_BLOCK, FlightStatus.CANCELLED},
    MovementKind.OFF_BLOCK: _WAITING,
    MovementKind.AIRBORNE: frozenset({FlightStatus.OFF_BLOCK}),
    MovementKind.LANDED: frozenset({FlightStatus.AIRBORNE}),
}
"""From which states each movement leads. Off-block may return to the gate and be cancelled."""

REACHES: Mapping[FlightStatus, frozenset[FlightStatus]] = {
    FlightStatus.SCHEDULED: frozenset(FlightStatus),
    FlightStatus.DELAYED: frozenset(FlightStatus),
    FlightStatus.OFF_BLOCK: frozenset(set(FlightStatus) - _WAITING),
    FlightStatus.AIRBORNE: frozenset({FlightStatus.AIRBORNE, FlightStatus.LANDED}),
    FlightStatus.LANDED: frozenset({FlightStatus.LANDED}),
    FlightStatus.CANCELLED: frozenset({FlightStatus.CANCELLED}),
}
"""Where the movements can carry a flight from each state."""

_TIMES = {"actual_departure": "went off-block", "airborne_at": "was airborne", "actual_arrival": ""}
"""The reports of a journey in their order, each with the flight's new status."""
_HAS = {
    FlightStatus.SCHEDULED: 0,
    FlightStatus.DELAYED: 0,
    FlightStatus.OFF_BLOCK: 1,
    FlightStatus.AIRBORNE: 2,
    FlightStatus.LANDED: 3,
}
"""How many of the times a flight has in each state. A cancelled one may have gone off-block."""


def is_gone(flight: Flight) -> bool:
    """Whether the flight has left the ground, so that it cannot be cancelled any more."""
    return FlightStatus.CANCELLED not in REACHES[flight.status]


def in_future(at: dt.datetime) -> str | None:
    """The fault of an instant that nobody can have seen yet."""
    return "lies in the future" if at > dt.datetime.now(dt.UTC) + CLOCK_TOLERANCE else None


def far_from(at: dt.datetime, schedule: dt.datetime) -> str | None:
    """The fault of a departure on another day."""
    is_far = abs(at - schedule) > FARTHEST
    return "more than two days from the scheduled departure" if is_far else None


def before(at: dt.datetime, earlier: dt.datetime | None, time: str) -> str | None:
    """The fault of an instant before `earlier`, the flight's `time`."""
    return f"before the flight {_TIMES[time]}" if earlier is not None and at < earlier else None


def wrong_minutes(kind: MovementKind, minutes: int | None) -> str | None:
    """The fault of the minutes of a report."""
    if (kind is MovementKind.DELAY) != (minutes is not None):
        return "a delay needs it, and nothing else has it"
    return None if minutes is None else wrong_delay(minutes)


def wrong_delay(minutes: int) -> str | None:
    """The fault of an expected delay."""
    if minutes in DELAY_MINUTES:
        return None
    return f"must be {DELAY_MINUTES.start} to {DELAY_MINUTES.stop - 1}"


@rule(Flight, "gate", on="update")
def a_flight_that_does_not_wait_keeps_its_gate(change: Change[Flight]) -> None:
    status = change.old["status"]
    if status not in _WAITING:
        sentence = f"{change.instance.designator} is {status}; its gate cannot change any more."
        raise Conflict("flight-not-waiting", sentence, attributes=["gate"])


@rule(Flight, "status", on="update")
def a_flight_goes_the_way_of_flights(change: Change[Flight]) -> None:
    old, new = change.changes["status"]
    if new in REACHES[old]:
        return
    flight = change.instance.designator
    if new is FlightStatus.CANCELLED:
        raise Conflict("flight-has-left", too_late(flight), attributes=["status"])
    sentence = f"{flight} is {old}; it cannot be {new} now."
    raise Conflict("flight-status", sentence, attributes=["status"])


def too_late(flights: str) -> str:
    """Why `flights` cannot be cancelled."""
    return f"Too late to cancel {flights}: it has taken off."


@rule(Flight, "delay_minutes", "status", on=("insert", "update"))
def only_a_waiting_flight_is_delayed(change: Change[Flight]) -> None:
    minutes, status = change.new["delay_minutes"], change.new["status"]
    if status not in _WAITING:
        if change.kind == "update" and change.changed("delay_minutes"):
            _require_leaving(change)
        return
    wrong = wrong_delay(minutes)
    if wrong is None and (status is FlightStatus.DELAYED) != (minutes > 0):
        wrong = "a delayed flight is late, and one on schedule is not"
    if wrong is not None:
        raise Invalid(
            "flight-delay", f"{wrong[:1].upper()}{wrong[1:]}.", attributes=["delay_minutes"]
        )


def _require_leaving(change: Change[Flight]) -> None:
    """The delay of a flight becomes final when it leaves its stand."""
    old = change.old["status"]
    if old not in _WAITING:
        sentence = f"{change.instance.designator} is {old}; its delay cannot change any more."
        raise Conflict("flight-not-waiting", sentence, attributes=["delay_minutes"])


@rule(Flight, "status", *_TIMES, on=("insert", "update"))
def the_times_of_a_flight_tell_its_journey(change: Change[Flight]) -> None:
    faults = list(_wrong_times(change))
    if faults:
        raise Invalid(
            "flight-times",
            "These times do not fit the flight.",
            errors=[{"pointer": f"/{name}", "detail": detail} for name, detail in faults],
        )


def _wrong_times(change: Change[Flight]) -> Iterator[tuple[str, str]]:
    new: Mapping[str, Any] = change.new
    status = new["status"]
    for place, name in enumerate(_TIMES):
        wrong = _wrong_presence(status, place, new[name])
        if wrong is None and new[name] is not None and change.changed(name):
            wrong = in_future(new[name])
        if wrong is not None:
            yield name, wrong
    departure = new["actual_departure"]
    if departure is not None and (wrong := far_from(departure, new["scheduled_departure"])):
        yield "actual_departure", wrong
    for earlier, later in pairwise(_TIMES):
        if new[later] is not None and (wrong := before(new[later], new[earlier], earlier)):
            yield later, wrong


def _wrong_presence(status: FlightStatus, place: int, time: dt.datetime | None) -> str | None:
    if status is FlightStatus.CANCELLED:
        return "a cancelled flight has none" if time is not None and place > 0 else None
    if (place < _HAS[status]) == (time is not None):
        return None
    return f"a flight that is {status} {'has none' if time is not None else 'needs it'}"


@rule(Movement, on="insert")
def a_report_has_minutes_if_it_is_a_delay(change: Change[Movement]) -> None:
    wrong = wrong_minutes(change.new["kind"], change.new["minutes"])
    if wrong is not None:
        raise Invalid("movement-minutes", f"The minutes: {wrong}.", attributes=["minutes"])


@rule(Movement, on="update")
def a_report_is_a_record(_change: Change[Movement]) -> None:
    raise Conflict("movement-recorded", "A report is a record; it does not change.")
