"""The API of the departures: what passengers' apps read and airlines' systems report."""

import datetime as dt
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from departures import services
from departures.models import Flight
from departures.schemas import (
    AirportCode,
    BoardOut,
    FlightChange,
    FlightId,
    FlightOut,
    FlightPageOut,
    FlightQuery,
    GateChange,
    MovementIn,
    Movements,
    RecordedOut,
)
from trivet_api import (
    Conditions,
    CurrentPlatform,
    SingleQuery,
    Unit,
    public,
    read_cursor,
    requires,
    set_etag,
    write_cursor,
)

router = APIRouter()
VIEW = requires("departures.view_flight")
CHANGE = requires("departures.change_flight")


@router.get("/flights", dependencies=[VIEW])
async def list_flights(
    query: Annotated[FlightQuery, Query()], unit: Unit, platform: CurrentPlatform
) -> FlightPageOut:
    """Flights by scheduled departure, a page at a time."""
    filters = query.filters()
    purpose = f"departures.flights:{filters}"  # a cursor belongs to the list it was made for
    after = None
    if query.cursor is not None:
        scheduled, key = read_cursor(platform, purpose, query.cursor)
        after = services.Position(dt.datetime.fromisoformat(scheduled), key)
    page = await unit.run(services.list_flights, filters, after=after, limit=query.limit)
    cursor = page.end and write_cursor(platform, purpose, page.end)
    return FlightPageOut(flights=[FlightOut.of(f) for f in page.flights], next_cursor=cursor)


@router.get("/flights/{flight_id}", dependencies=[VIEW])
async def get_flight(flight_id: FlightId, unit: SingleQuery, response: Response) -> FlightOut:
    """One flight, with its version as ETag."""
    return _answer(response, await unit.run(services.get_flight, flight_id))


@router.patch("/flights/{flight_id}", dependencies=[CHANGE])
async def change_flight(
    flight_id: FlightId,
    change: FlightChange,
    unit: Unit,
    response: Response,
    conditions: Conditions,
) -> FlightOut:
    """Change what the body names, and nothing else."""
    flight = await unit.run(
        services.update_flight,
        flight_id,
        change.model_dump(exclude_unset=True),
        require_version=conditions.require,
    )
    return _answer(response, flight)


@router.post("/flights/{flight_id}/gate", dependencies=[CHANGE])
async def assign_gate(
    flight_id: FlightId,
    change: GateChange,
    unit: Unit,
    response: Response,
    conditions: Conditions,
) -> FlightOut:
    """Give a flight another gate, or take it away."""
    flight = await unit.run(
        services.assign_gate, flight_id, change.gate, require_version=conditions.require
    )
    return _answer(response, flight)


@router.post("/flights/{flight_id}/cancel", dependencies=[CHANGE])
async def cancel_flight(flight_id: FlightId, unit: Unit, response: Response) -> FlightOut:
    """Cancel a flight that has not taken off. Once more changes nothing."""
    await unit.run(services.cancel_flights, [flight_id])
    return _answer(response, await unit.run(services.get_flight, flight_id))


@router.post("/movements", dependencies=[requires("departures.add_movement")])
async def record_movements(movements: Movements, unit: Unit) -> RecordedOut:
    """Report one movement, or an array of up to 1,000, oldest first.

    All are recorded or none. The answer to a batch with faults names each of them by its
    pointer (422 for impossible movements, 409 for ids used before for something else).
    """
    if isinstance(movements, MovementIn):
        outcome = await unit.run(services.record_movements, movements.report())
    else:
        reports = [movement.report() for movement in movements]
        outcome = await unit.run(services.record_movements, reports)
    return RecordedOut(recorded=outcome.recorded, repeated=outcome.repeated)


@router.get("/board/{airport}", dependencies=[public])
async def get_board(
    airport: Annotated[AirportCode, Path()], unit: Unit, response: Response
) -> BoardOut:
    """The departure board of an airport, complete, with its place in the channel."""
    response.headers["cache-control"] = "no-store"
    return BoardOut.of(await unit.run(services.get_board, airport))


def _answer(response: Response, flight: Flight) -> FlightOut:
    set_etag(response, flight.version)
    return FlightOut.of(flight)
