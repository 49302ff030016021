"""The API's room: FastAPI at ``/api``, and what a feature's ``api.py`` needs of it.

    router = APIRouter()

    @router.patch("/flights/{flight_id}", dependencies=[requires("departures.change_flight")])
    async def change_flight(flight_id: int, change: FlightChange, unit: Unit) -> FlightOut:
        return await unit.run(services.change_flight, flight_id, change.gate)

Every route has a policy (`public`, `authenticated`, `staff`, `requires`); without one the
application does not start.
"""

from trivet.identity.policy import authenticated, public, requires, staff
from trivet.outcome import commits_on
from trivet_api.conditions import (
    Condition,
    Conditions,
    RequiredConditions,
    require_condition,
    set_etag,
)
from trivet_api.cursor import read_cursor, write_cursor
from trivet_api.idempotency import idempotency_refused, idempotency_required
from trivet_api.preferences import PrefersMinimal, minimal_response, prefers_minimal
from trivet_api.resource.resource import resource
from trivet_api.resource.schemas import schema
from trivet_api.unit import CurrentPlatform, SingleQuery, Unit
from trivet_api.whole_numbers import BigIntString

__all__ = [
    "BigIntString",
    "Condition",
    "Conditions",
    "CurrentPlatform",
    "PrefersMinimal",
    "RequiredConditions",
    "SingleQuery",
    "Unit",
    "authenticated",
    "commits_on",
    "idempotency_refused",
    "idempotency_required",
    "minimal_response",
    "prefers_minimal",
    "public",
    "read_cursor",
    "require_condition",
    "requires",
    "resource",
    "schema",
    "set_etag",
    "staff",
    "write_cursor",
]
