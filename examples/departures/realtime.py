"""The rule of the boards' channels: the boards hang in the hall, so everybody may listen."""

import re

from trivet_realtime import channel

_AIRPORT = re.compile(r"[A-Z]{3}")


@channel("departures:{airport}")
def board(airport: str) -> bool:
    """The board of an airport, by its IATA code. No database is asked: a channel of an
    airport without flights is silent, and costs nobody anything."""
    return _AIRPORT.fullmatch(airport) is not None
