"""The business rules, written once: plain functions over a Session, for every door.

They check permissions themselves, raise `trivet.errors`, and leave committing to the unit
of work that runs them. Whatever they change becomes publications by `departures.events`.
"""

from departures.services.board import Board, get_board, list_departure_airports
from departures.services.flights import (
    FlightFilter,
    FlightPage,
    Position,
    assign_gate,
    cancel_flights,
    get_flight,
    list_flights,
    update_flight,
)
from departures.services.movements import (
    FlightKey,
    MovementReport,
    Recorded,
    record_movements,
)

__all__ = [
    "Board",
    "FlightFilter",
    "FlightKey",
    "FlightPage",
    "MovementReport",
    "Position",
    "Recorded",
    "assign_gate",
    "cancel_flights",
    "get_board",
    "get_flight",
    "list_departure_airports",
    "list_flights",
    "record_movements",
    "update_flight",
]
