"""Flights: what staff may do to them, beside what every resource can."""

from collections.abc import Callable, Collection, Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from departures.models import Flight, FlightStatus
from departures.rules import is_gone, too_late
from trivet import Conflict, NotFound
from trivet.identity import Identity, require_permission

VersionCheck = Callable[[int], None]
"""Raises for a version of a flight on which somebody does not want to build."""


def assign_gate(
    db: Session,
    actor: Identity,
    flight_id: int,
    gate: str | None,
    *,
    require_version: VersionCheck | None = None,
) -> Flight:
    """Give a flight another gate, or with None take it away.

    `require_version` is asked about the version that there is, and raises where the caller
    insists on another.
    Raises NotFound, ValueError for what is no gate, and what `departures.rules` refuse.
    """
    require_permission(actor, "departures.change_flight")
    (flight,) = _lock_all(db, [flight_id])
    if require_version is not None:
        require_version(flight.version)
    flight.gate = gate
    db.flush()
    return flight


def cancel_flight(db: Session, actor: Identity, flight_id: int) -> Flight:
    """Cancel one flight. See `cancel_flights`."""
    cancel_flights(db, actor, [flight_id])
    return db.get_one(Flight, flight_id)


def cancel_flights(db: Session, actor: Identity, flight_ids: Collection[int]) -> list[Flight]:
    """Cancel flights that have not taken off, all or none, and return those that changed.

    One that is cancelled already is left alone. Raises NotFound for unknown ids, and
    Conflict if any is in the air or landed; both name them in `flights`.
    """
    require_permission(actor, "departures.change_flight")
    flights = _lock_all(db, flight_ids)
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


def _lock_all(db: Session, flight_ids: Collection[int]) -> Sequence[Flight]:
    # In order of their keys, so that two batches queue for each other and never deadlock.
    query = select(Flight).where(Flight.id.in_(flight_ids)).order_by(Flight.id).with_for_update()
    flights = db.scalars(query.execution_options(populate_existing=True)).all()
    missing = sorted(set(flight_ids) - {flight.id for flight in flights})
    if missing:
        raise NotFound(
            "flight-not-found", f"There is no flight {_enumerate(missing)}.", flights=missing
        )
    return flights


def _enumerate(things: Iterable[object]) -> str:
    return ", ".join(str(thing) for thing in things)
