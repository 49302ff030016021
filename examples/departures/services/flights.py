"""Flights: finding them, and what staff may do to them."""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, and_, false, or_, select, tuple_
from sqlalchemy.orm import Session

from departures.models import Aircraft, Airport, Flight, FlightStatus
from departures.rules import is_gone, require_waiting, too_late
from trivet import Conflict, InputError, Invalid, NotFound
from trivet.identity import Identity, require_permission

PAGE = 50
PAGE_MAX = 200

VersionCheck = Callable[[int], None]
"""Raises for a version of a flight on which somebody does not want to build."""


@dataclass(frozen=True, slots=True)
class FlightFilter:
    """The filters of a list of flights; None does not narrow.

    `date` is the day of the scheduled departure by the clocks of its origin.
    """

    origin: str | None = None
    dest: str | None = None
    carrier: str | None = None
    date: dt.date | None = None
    status: FlightStatus | None = None


class Position(NamedTuple):
    """The last flight of a page, by the columns that the list is ordered by."""

    scheduled_departure: dt.datetime
    id: int


@dataclass(frozen=True, slots=True)
class FlightPage:
    """Flights by scheduled departure, earliest first, and where the page ended, if more
    follow. A keyset: the next page is right whatever was added or removed meanwhile."""

    flights: Sequence[Flight]
    end: Position | None


def list_flights(
    db: Session,
    actor: Identity,
    filters: FlightFilter,
    *,
    after: Position | None = None,
    limit: int = PAGE,
) -> FlightPage:
    """A page of at most `limit` (1 to 200) flights, those after the position `after`."""
    require_permission(actor, "departures.view_flight")
    query = select(Flight).where(*_conditions(db, filters))
    if after is not None:
        query = query.where(tuple_(Flight.scheduled_departure, Flight.id) > after)
    query = query.order_by(Flight.scheduled_departure, Flight.id).limit(limit + 1)
    found = db.scalars(query).all()
    flights = found[:limit]
    if len(found) == len(flights):
        return FlightPage(flights, None)
    return FlightPage(flights, Position(flights[-1].scheduled_departure, flights[-1].id))


def get_flight(db: Session, actor: Identity, flight_id: int) -> Flight:
    """The flight, or NotFound."""
    require_permission(actor, "departures.view_flight")
    return _get(db, flight_id)


def assign_gate(
    db: Session,
    actor: Identity,
    flight_id: int,
    gate: str | None,
    *,
    require_version: VersionCheck | None = None,
) -> Flight:
    """Give a flight another gate, or with None take it away. See `update_flight`."""
    changes = {"gate": gate}
    return update_flight(db, actor, flight_id, changes, require_version=require_version)


def update_flight(
    db: Session,
    actor: Identity,
    flight_id: int,
    changes: Mapping[str, Any],
    *,
    require_version: VersionCheck | None = None,
) -> Flight:
    """Set `gate` and `aircraft` (a tail number), whichever `changes` names.

    `require_version` is asked about the version that there is, and raises where the caller
    insists on another.
    Raises NotFound, Invalid with every fault in the values, and what `departures.rules`
    refuse.
    """
    require_permission(actor, "departures.change_flight")
    flight = _get(db, flight_id, for_update=True)
    if require_version is not None:
        require_version(flight.version)
    if "gate" in changes:
        require_waiting(flight, flight.status)
    faults = _apply_changes(db, flight, changes)
    if faults:
        db.expire(flight)
        raise Invalid("invalid-flight", "These values do not fit a flight.", errors=faults)
    db.flush()
    return flight


def cancel_flights(db: Session, actor: Identity, flight_ids: Collection[int]) -> list[Flight]:
    """Cancel flights that have not taken off, all or none, and return those that changed.

    One that is cancelled already is left alone. Raises NotFound for unknown ids, and
    Conflict if any is in the air or landed; both name them in `flights`.
    """
    require_permission(actor, "departures.change_flight")
    flights = lock_flights(db, Flight.id.in_(flight_ids))
    missing = sorted(set(flight_ids) - {flight.id for flight in flights})
    if missing:
        raise NotFound(
            "flight-not-found", f"There is no flight {_enumerate(missing)}.", flights=missing
        )
    gone = [flight for flight in flights if is_gone(flight)]
    if gone:
        raise Conflict(
            "flight-has-left",
            too_late(_enumerate(flight.designator for flight in gone)),
            flights=[flight.id for flight in gone],
        )
    changed = [flight for flight in flights if flight.status is not FlightStatus.CANCELLED]
    for flight in changed:
        flight.status = FlightStatus.CANCELLED
    db.flush()
    return changed


def lock_flights(db: Session, condition: ColumnElement[bool]) -> Sequence[Flight]:
    """The flights that meet `condition`, locked until the transaction ends.

    In order of their keys, so that two batches queue for each other and never deadlock.
    """
    query = select(Flight).where(condition).order_by(Flight.id).with_for_update()
    return db.scalars(query.execution_options(populate_existing=True)).all()


def _get(db: Session, flight_id: int, *, for_update: bool = False) -> Flight:
    flight = db.get(Flight, flight_id, with_for_update=for_update or None)
    if flight is None:
        raise NotFound("flight-not-found", f"There is no flight {flight_id}.")
    return flight


def _apply_changes(db: Session, flight: Flight, changes: Mapping[str, Any]) -> list[InputError]:
    faults: list[InputError] = []
    aircraft = changes.get("aircraft")
    if aircraft is not None and db.get(Aircraft, aircraft) is None:
        faults.append({"pointer": "/aircraft", "detail": f"no aircraft '{aircraft}' is known"})
    elif "aircraft" in changes:
        flight.aircraft_id = aircraft
    try:
        if "gate" in changes:
            flight.gate = changes["gate"]
    except ValueError as error:
        faults.append({"pointer": "/gate", "detail": str(error)})
    return faults


def _conditions(db: Session, filters: FlightFilter) -> list[ColumnElement[bool]]:
    wanted: dict[Any, object | None] = {
        Flight.origin_id: filters.origin,
        Flight.dest_id: filters.dest,
        Flight.carrier_id: filters.carrier,
        Flight.status: filters.status,
    }
    conditions = [column == value for column, value in wanted.items() if value is not None]
    if filters.date is not None:
        conditions.append(_on_local_date(db, filters.date, filters.origin))
    return conditions


def _on_local_date(db: Session, date: dt.date, origin: str | None) -> ColumnElement[bool]:
    # The day begins at another instant in every zone: one range a zone, of those origins
    # that lie in it, keeps the index of the scheduled departure useful.
    airports = select(Airport.code, Airport.time_zone).where(
        Airport.code == origin if origin else Airport.code.in_(select(Flight.origin_id).distinct())
    )
    codes: dict[str, list[str]] = {}
    for code, zone in db.execute(airports):
        codes.setdefault(zone or "UTC", []).append(code)
    ranges = [
        and_(Flight.origin_id.in_(codes[zone]), *_within(date, ZoneInfo(zone))) for zone in codes
    ]
    return or_(false(), *ranges)


def _within(date: dt.date, zone: ZoneInfo) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    begin, end = (
        dt.datetime.combine(date + dt.timedelta(days=days), dt.time(), zone).astimezone(dt.UTC)
        for days in (0, 1)
    )
    return Flight.scheduled_departure >= begin, Flight.scheduled_departure < end


def _enumerate(things: Iterable[object]) -> str:
    return ", ".join(str(thing) for thing in things)
