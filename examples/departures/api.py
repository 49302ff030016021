"""The API of the departures: what passengers' apps read and airlines' systems report."""

from typing import Annotated

from fastapi import APIRouter, Path, Response
from pydantic import BaseModel

from departures import services
from departures.models import Aircraft, Airline, Airport, Flight
from departures.schemas import (
    AirportCode,
    BoardOut,
    FlightChange,
    FlightId,
    FlightOut,
    GateChange,
    MovementIn,
    Movements,
    RecordedOut,
)
from trivet_api import Conditions, Unit, public, requires, resource, set_etag

router = APIRouter()
CHANGE = requires("departures.change_flight")
READ = ("list", "read")

for each in (
    resource(
        Flight,
        operations=[*READ, "update"],
        update_schema=FlightChange,
        filters=["*", "dest.city"],
        sort="scheduled_departure",
        expand=["carrier", "origin", "dest", "aircraft"],
    ),
    resource(Airline, operations=READ),
    resource(Airport, operations=READ),
    resource(Aircraft, operations=READ),
):
    router.include_router(each)


@router.post("/flights/{flight_id}/gate", dependencies=[CHANGE], response_model=FlightOut)
async def assign_gate(
    flight_id: FlightId,
    change: GateChange,
    unit: Unit,
    response: Response,
    conditions: Conditions,
) -> BaseModel:
    """Give a flight another gate, or take it away."""
    flight = await unit.run(
        services.assign_gate, flight_id, change.gate, require_version=conditions.require
    )
    return _answer(response, flight)


@router.post("/flights/{flight_id}/cancel", dependencies=[CHANGE], response_model=FlightOut)
async def cancel_flight(flight_id: FlightId, unit: Unit, response: Response) -> BaseModel:
    """Cancel a flight that has not taken off. Once more changes nothing."""
    return _answer(response, await unit.run(services.cancel_flight, flight_id))


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


def _answer(response: Response, flight: Flight) -> BaseModel:
    set_etag(response, flight.version)
    return FlightOut.model_validate(flight)
