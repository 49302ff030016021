"""The departure board of one airport, and the place in its channel where it was read.

A board stands at the time of the newest report, not at the server's clock. At an airport
something is reported every minute, so the two are the same there; and a replay of a week
in 2013 has its boards in 2013, whenever it runs and however fast.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from departures.events import (
    STAYS_AFTER_CANCELLATION,
    STAYS_AFTER_DEPARTURE,
    BoardRow,
    board_row,
    channel_of,
)
from departures.models import Airport, Flight, FlightStatus, Movement
from trivet import NotFound
from trivet.events import Position, find_position
from trivet.identity import Identity

AHEAD = dt.timedelta(hours=6)
"""How far ahead of its time a board knows the departures; a page shows the nearer of them."""
LATEST = dt.timedelta(days=2)
"""No waiting flight is later than this: the bound of a reported delay."""
_WAITING = (FlightStatus.SCHEDULED, FlightStatus.DELAYED)


@dataclass(frozen=True, slots=True)
class Board:
    """The complete content of a board: a client that applies the channel's publications after
    `position` to it keeps it so.

    `rows` by scheduled departure, earliest first; `places` the city of every airport code;
    `as_of` the time at which the board stands, aware UTC; no flight is missing that is
    scheduled before `complete_until`.
    """

    airport: Airport
    as_of: dt.datetime
    complete_until: dt.datetime
    rows: Sequence[BoardRow]
    places: Mapping[str, str]
    channel: str
    position: Position


def get_board(db: Session, _actor: Identity, code: str) -> Board:
    """The board of the airport `code`; NotFound if nothing departs there.

    For everybody: it hangs in the hall. To be run in a session whose statements all see
    one moment, or the rows may be newer than the position (which does no harm: a board
    that applies a publication twice ends up the same).
    """
    channel = channel_of(code)
    position = find_position(db, channel)
    airport = db.get(Airport, code)
    as_of = _as_of(db, code)
    if airport is None or as_of is None:
        raise NotFound("airport-not-found", f"There is no departure board for '{code[:3]}'.")
    cities = db.execute(select(Airport.code, Airport.city))
    places = {row.code: row.city for row in cities}
    rows = _rows(db, code, as_of)
    return Board(airport, as_of, as_of + AHEAD, rows, places, channel, position)


def list_departure_airports(db: Session, _actor: Identity) -> Sequence[Airport]:
    """The airports that have a departure board, by code. For everybody, as the boards are."""
    departing = select(Flight.origin_id).distinct()
    query = select(Airport).where(Airport.code.in_(departing)).order_by(Airport.code)
    return db.scalars(query).all()


def _as_of(db: Session, code: str) -> dt.datetime | None:
    # The newest report is the one recorded last, not the one with the latest time: an
    # airline that reports a wrong time moves the boards for a moment, not for ever.
    newest = db.scalar(select(Movement.at).order_by(Movement.id.desc()).limit(1))
    first = db.scalar(select(func.min(Flight.scheduled_departure)).where(Flight.origin_id == code))
    return first if first is None else newest or first


def _rows(db: Session, code: str, as_of: dt.datetime) -> list[BoardRow]:
    departure = Flight.scheduled_departure
    shown = or_(
        Flight.status.in_(_WAITING) & (departure > as_of - LATEST),
        Flight.actual_departure > as_of - STAYS_AFTER_DEPARTURE,
        (Flight.status == FlightStatus.CANCELLED) & (departure > as_of - STAYS_AFTER_CANCELLATION),
    )
    query = (
        select(Flight)
        .where(Flight.origin_id == code, departure <= as_of + AHEAD, shown)
        .order_by(departure, Flight.id)
    )
    rows = (board_row(flight) for flight in db.scalars(query))
    return [row for row in rows if row.until > as_of]
