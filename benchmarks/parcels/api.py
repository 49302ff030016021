"""The three endpoints that every peer has too, the read with a transaction around it, the insert
that publishes nothing, and the same rows as a resource."""

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from benchmarks.parcels import services
from benchmarks.parcels.models import Parcel, QuietParcel
from trivet_api import SingleQuery, Unit, authenticated, resource

router = APIRouter()
router.include_router(resource(Parcel, path="/items", policy=authenticated))


class Greeting(BaseModel):
    greeting: str
    number: int


class ParcelIn(BaseModel):
    label: str
    depot: str
    grams: int
    fragile: bool


class ParcelOut(ParcelIn):
    model_config = ConfigDict(from_attributes=True)

    id: int


@router.get("/greeting", dependencies=[authenticated])
async def greet() -> Greeting:
    return Greeting(greeting="hello", number=42)


@router.get("/parcels/{parcel_id}", dependencies=[authenticated])
async def get_parcel(parcel_id: int, unit: SingleQuery) -> ParcelOut:
    return ParcelOut.model_validate(await unit.run(services.get_parcel, parcel_id))


@router.get("/snapshot/{parcel_id}", dependencies=[authenticated])
async def get_parcel_in_snapshot(parcel_id: int, unit: Unit) -> ParcelOut:
    return ParcelOut.model_validate(await unit.run(services.get_parcel, parcel_id))


@router.get("/slow", dependencies=[authenticated])
async def wait(unit: Unit) -> bool:
    """Hold a connection for half a second."""
    return await unit.run(services.wait, 0.5)


@router.post("/parcels", status_code=201, dependencies=[authenticated])
async def add_parcel(parcel: ParcelIn, unit: Unit) -> ParcelOut:
    added = await unit.run(services.add_parcel, Parcel, **parcel.model_dump())
    return ParcelOut.model_validate(added)


@router.post("/quiet", status_code=201, dependencies=[authenticated])
async def add_quiet_parcel(parcel: ParcelIn, unit: Unit) -> ParcelOut:
    added = await unit.run(services.add_parcel, QuietParcel, **parcel.model_dump())
    return ParcelOut.model_validate(added)


@router.post("/arrivals", status_code=201, dependencies=[authenticated])
async def add_arrivals(depot: str, label: str, count: int, unit: Unit) -> int:
    """So many publications in one transaction."""
    return await unit.run(services.add_arrivals, depot, label, count)
