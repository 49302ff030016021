"""The shapes of the API's JSON, described for its documentation."""

import datetime as dt
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    TypeAdapter,
    WrapValidator,
)

from departures.events import BoardRow
from departures.models import Flight, MovementKind
from departures.services import Board, FlightKey, MovementReport
from departures.services.movements import BATCH_MAX
from trivet_api import schema

KEY_MAX = 2**63 - 1


def _to_utc(instant: dt.datetime) -> dt.datetime:
    try:
        return instant.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("lies outside the calendar") from None


Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
FlightId = Annotated[int, Field(ge=1, le=KEY_MAX, description="Our key of the flight.")]
AirportCode = Annotated[str, Field(pattern=r"^[A-Z]{3}$", examples=["JFK"])]
AirlineCode = Annotated[str, Field(pattern=r"^[A-Z0-9]{2}$", examples=["B6"])]
Gate = Annotated[
    str | None,
    Field(max_length=20, description="As it is signposted; null for none.", examples=["B22"]),
]


class Input(BaseModel):
    """The base of all that callers send: an unknown field is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid")


FlightOut = schema(Flight, "read")
"""A flight, as the resource shows it."""


class FlightChange(Input):
    """The fields to change; those that are left out stay as they are."""

    gate: Gate = None
    aircraft_id: Annotated[
        str | None,
        Field(pattern=r"^[A-Z0-9-]{1,10}$", description="A tail number; null for none."),
    ] = None


class GateChange(Input):
    """The gate to assign."""

    gate: Gate


class FlightKeyIn(Input):
    """A flight as its airline names it."""

    carrier: AirlineCode
    number: Annotated[int, Field(ge=1, le=9999, examples=[1018])]
    scheduled_departure: Annotated[Instant, Field(examples=["2013-02-04T12:00:00Z"])]


_key = TypeAdapter[int](Annotated[StrictInt, Field(ge=1, le=KEY_MAX)])


def _flight_by_shape(value: Any, _validate: Any) -> FlightKeyIn | int:
    # Decided by the shape, so that a fault names the field and not every member of a union.
    if isinstance(value, dict):
        return FlightKeyIn.model_validate(value)
    return _key.validate_python(value)


class MovementIn(Input):
    """Something that happened to a flight, or was decided about it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "b6-2013-02-04-000123",
                "kind": "off-block",
                "flight": {
                    "carrier": "B6",
                    "number": 1018,
                    "scheduled_departure": "2013-02-04T12:00:00Z",
                },
                "at": "2013-02-04T12:04:00Z",
            }
        }
    )

    id: Annotated[
        str,
        Field(
            pattern=r"^[\x21-\x7e]{1,64}$",
            description="Yours. Sent again with the same content, it changes nothing.",
        ),
    ]
    kind: MovementKind
    flight: Annotated[
        int | FlightKeyIn,
        WrapValidator(_flight_by_shape),
        Field(description="Our key of the flight, or its carrier, number and schedule."),
    ]
    at: Annotated[Instant, Field(description="When it happened, or was decided.")]
    minutes: Annotated[
        int | None,
        Field(ge=-1440, le=14400, description="The expected delay. For a delay, and only there."),
    ] = None

    def report(self) -> MovementReport:
        flight = self.flight
        if isinstance(flight, FlightKeyIn):
            key = FlightKey(flight.carrier, flight.number, flight.scheduled_departure)
            return MovementReport(self.id, self.kind, key, self.at, self.minutes)
        return MovementReport(self.id, self.kind, flight, self.at, self.minutes)


_batch = TypeAdapter[list[MovementIn]](
    Annotated[list[MovementIn], Field(min_length=1, max_length=BATCH_MAX)]
)


def _batch_by_shape(value: Any, _validate: Any) -> MovementIn | list[MovementIn]:
    if isinstance(value, list):
        return _batch.validate_python(value)
    return MovementIn.model_validate(value)


Movements = Annotated[MovementIn | list[MovementIn], WrapValidator(_batch_by_shape)]
"""One movement, or an array of up to a thousand, oldest first."""


class RecordedOut(BaseModel):
    """The result of reported movements."""

    recorded: int
    repeated: int = Field(description="Those that were known already and changed nothing.")


class AirportOut(BaseModel):
    """An airport; without a time zone if nobody told us."""

    code: str
    name: str
    city: str
    time_zone: str | None = Field(examples=["America/New_York"])


class BoardOut(BaseModel):
    """A departure board, and where in its channel it was read.

    Subscribe to `channel` with `recover`, `epoch` and `offset`, and apply every publication:
    its `row` replaces the row of that id, and `flight_removed` takes one away.
    """

    airport: AirportOut
    as_of: dt.datetime = Field(description="The time at which the board stands.")
    complete_until: dt.datetime = Field(description="No flight scheduled before it is missing.")
    rows: list[BoardRow]
    places: dict[str, str] = Field(description="The city of every airport code.")
    channel: str
    epoch: str
    offset: int

    @classmethod
    def of(cls, board: Board) -> Self:
        airport = board.airport
        return cls(
            airport=AirportOut(
                code=airport.code,
                name=airport.name,
                city=airport.city,
                time_zone=airport.time_zone,
            ),
            as_of=board.as_of,
            complete_until=board.complete_until,
            rows=list(board.rows),
            places=dict(board.places),
            channel=board.channel,
            epoch=board.position.epoch,
            offset=board.position.offset,
        )
