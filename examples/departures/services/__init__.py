"""The business rules, written once: plain functions over a Session, for every door.

They check permissions themselves, raise `trivet.errors`, and leave committing to the unit
of work that runs them. Whatever they change becomes publications by `departures.events`.
"""

from departures.services.board import Board, get_board, list_departure_airports
from departures.services.flights import assign_gate, cancel_flight, cancel_flights
from departures.services.movements import (
    FlightKey,
    MovementReport,
    Recorded,
    record_movements,
)

__all__ = [
    "Board",
    "FlightKey",
    "MovementReport",
    "Recorded",
    "assign_gate",
    "cancel_flight",
    "cancel_flights",
    "get_board",
    "list_departure_airports",
    "record_movements",
]
