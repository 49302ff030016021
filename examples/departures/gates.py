"""Plausible gates for the week, because the data has none.

Every airline departs from its pier, flight after flight from gate after gate, so that a
gate has hours between two departures. One flight in nine has none yet: somebody has to
assign it in the admin. The same week always gets the same gates.
"""

from collections.abc import Iterable, Mapping
from itertools import count

from departures.timetable import Leg

_PIERS: Mapping[tuple[str, str], str] = {
    ("EWR", "UA"): "C",
    ("EWR", "EV"): "C",
    ("EWR", "DL"): "B",
    ("EWR", "9E"): "B",
    ("JFK", "B6"): "",
    ("JFK", "DL"): "B",
    ("JFK", "9E"): "B",
    ("JFK", "AA"): "C",
    ("JFK", "MQ"): "C",
    ("LGA", "DL"): "D",
    ("LGA", "9E"): "D",
    ("LGA", "AA"): "C",
    ("LGA", "MQ"): "C",
}
_OTHER_PIER = "A"
_GATES: Mapping[str, range] = {
    "": range(1, 31),
    "A": range(2, 20),
    "B": range(20, 43),
    "C": range(1, 61),
    "D": range(1, 25),
}
_UNASSIGNED_EVERY = 9


def gates_of(legs: Iterable[Leg]) -> dict[Leg, str | None]:
    """A gate, or None, for each of `legs`."""
    counters: dict[tuple[str, str], count[int]] = {}
    gates: dict[Leg, str | None] = {}
    for leg in sorted(legs, key=lambda leg: (leg.scheduled_departure, leg.carrier, leg.number)):
        pier = _PIERS.get((leg.origin, leg.carrier), _OTHER_PIER)
        turn = next(counters.setdefault((leg.origin, pier), count()))
        numbers = _GATES[pier]
        unassigned = turn % _UNASSIGNED_EVERY == _UNASSIGNED_EVERY - 1
        gates[leg] = None if unassigned else f"{pier}{numbers[turn % len(numbers)]}"
    return gates
