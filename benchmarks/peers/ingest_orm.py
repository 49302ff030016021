"""Batches of movements by FastAPI and SQLAlchemy's ORM on asyncpg: no audit trail, no publication.

It locks the flights, looks for reports that are known, changes the flights and adds the movements,
as an airline's system would expect of any such endpoint.
"""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Depends, FastAPI, HTTPException
from pydantic import AwareDatetime, BaseModel, Field
from sqlalchemy import ForeignKey, String, select
from sqlalchemy.orm import Mapped, mapped_column

from benchmarks.peers.alchemy import ApiKey, Base
from benchmarks.peers.fastapi_orm import Database, require_key

app = FastAPI(openapi_url=None)


class Flight(Base):
    __tablename__ = "departures_flight"

    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column()
    carrier_id: Mapped[str] = mapped_column(String(2))
    number: Mapped[int]
    origin_id: Mapped[str] = mapped_column(String(3))
    dest_id: Mapped[str] = mapped_column(String(3))
    scheduled_departure: Mapped[datetime]
    actual_departure: Mapped[datetime | None]
    status: Mapped[str] = mapped_column(String(16))
    delay_minutes: Mapped[int]
    gate: Mapped[str | None] = mapped_column(String(4))
    reported_at: Mapped[datetime | None]

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012  # SQLAlchemy's form


class Movement(Base):
    __tablename__ = "departures_movement"

    id: Mapped[int] = mapped_column(primary_key=True)
    sender: Mapped[str] = mapped_column(String(150))
    reference: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    flight_id: Mapped[int] = mapped_column(ForeignKey(Flight.id))
    at: Mapped[datetime]
    minutes: Mapped[int | None]
    recorded_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class MovementIn(BaseModel):
    id: Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,64}$")]
    kind: Literal["delay"]
    flight: int
    at: AwareDatetime
    minutes: Annotated[int, Field(ge=-60, le=2880)]


Batch = Annotated[list[MovementIn], Field(min_length=1, max_length=1000)]


@app.post("/api/departures/movements")
async def record_movements(
    movements: Batch, db: Database, key: Annotated[ApiKey, Depends(require_key)]
) -> dict[str, int]:
    sender = key.owner.username
    ids = {movement.flight for movement in movements}
    query = select(Flight).where(Flight.id.in_(ids)).order_by(Flight.id).with_for_update()
    flights = {flight.id: flight for flight in await db.scalars(query)}
    references = [movement.id for movement in movements]
    query_known = select(Movement.reference).where(
        Movement.sender == sender, Movement.reference.in_(references)
    )
    known = set(await db.scalars(query_known))
    recorded = 0
    for movement in movements:
        flight = flights.get(movement.flight)
        if flight is None:
            raise HTTPException(422)
        if movement.id in known:
            continue
        known.add(movement.id)
        flight.reported_at = movement.at
        flight.delay_minutes = movement.minutes
        flight.status = "delayed" if movement.minutes > 0 else "scheduled"
        db.add(
            Movement(
                sender=sender,
                reference=movement.id,
                kind=movement.kind,
                flight_id=flight.id,
                at=movement.at,
                minutes=movement.minutes,
            )
        )
        recorded += 1
    await db.commit()
    return {"recorded": recorded, "repeated": len(movements) - recorded}
