"""Airlines, airports, aircraft, flights, and what was reported about them.

The terms are the trade's (IATA AIDX, A-CDM): a flight is off-block when it leaves its
stand, airborne when its wheels leave the ground. Every instant is an aware UTC datetime;
a local time exists only where people read one, in the airport's own zone.
"""

import datetime as dt
import enum
import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Enum, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from trivet import Model, Versioned
from trivet.models import BigKey

GATE = re.compile(r"(?=.{1,4}$)[A-Z]?[1-9][0-9]{0,2}[A-Z]?")
"""A gate as it is signposted: 7, B22, 101A. A board has four tiles for it."""


class FlightStatus(enum.Enum):
    """Where a flight stands, in the order in which it gets there."""

    SCHEDULED = "scheduled"
    DELAYED = "delayed"
    OFF_BLOCK = "off-block"
    AIRBORNE = "airborne"
    LANDED = "landed"
    CANCELLED = "cancelled"

    def __str__(self) -> str:
        return self.value

    @property
    def is_waiting(self) -> bool:
        """Whether the flight is still at its stand and expected to leave it."""
        return self in (FlightStatus.SCHEDULED, FlightStatus.DELAYED)


class MovementKind(enum.Enum):
    """A report of an airline about a flight."""

    DELAY = "delay"
    CANCELLED = "cancelled"
    OFF_BLOCK = "off-block"
    AIRBORNE = "airborne"
    LANDED = "landed"

    def __str__(self) -> str:
        return self.value


def _by_value(values: type[enum.Enum]) -> Enum:
    # By value and as plain text: Django's choices store values, and a PostgreSQL enum type
    # would outlive a downgrade.
    return Enum(
        values,
        native_enum=False,
        length=16,
        values_callable=lambda members: [member.value for member in members],
    )


class Airline(Model):
    """A carrier, known by its IATA designator."""

    __tablename__ = "departures_airline"

    code: Mapped[str] = mapped_column(String(2), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))

    def __str__(self) -> str:
        return f"{self.name} ({self.code})"


class Airport(Model):
    """An airport, known by its IATA code.

    `city` is what a board shows passengers. `time_zone` is a name of the IANA database, or
    None where nobody told us: local times there cannot be converted.
    """

    __tablename__ = "departures_airport"

    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    city: Mapped[str] = mapped_column(String(40))
    time_zone: Mapped[str | None] = mapped_column(String(40))

    @validates("time_zone")
    def _check_time_zone(self, _key: str, name: str | None) -> str | None:
        if not name:
            return None
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"'{name}' is no time zone; take a name of the IANA database, such as "
                "America/New_York"
            ) from error
        return name

    def __str__(self) -> str:
        return f"{self.city} ({self.code})"


class Aircraft(Model):
    """One aircraft, known by its registration (tail number)."""

    __tablename__ = "departures_aircraft"
    __table_args__ = {"info": {"verbose_name_plural": "aircraft"}}  # noqa: RUF012  # SQLAlchemy's

    tail_number: Mapped[str] = mapped_column(String(10), primary_key=True)
    manufacturer: Mapped[str] = mapped_column(String(60))
    model: Mapped[str] = mapped_column(String(40))
    year: Mapped[int | None]
    seats: Mapped[int | None]

    def __str__(self) -> str:
        return f"{self.tail_number} ({self.manufacturer} {self.model})"


class Flight(Versioned, Model):
    """One departure of one flight number."""

    __tablename__ = "departures_flight"
    __table_args__ = (
        UniqueConstraint("carrier_id", "number", "scheduled_departure"),
        # The list's keyset order, and the board's window at one airport.
        # Named by hand: the convention's names would be longer than PostgreSQL's 63 bytes.
        Index("ix_departures_flight_order", "scheduled_departure", "id"),
        Index("ix_departures_flight_board", "origin_id", "scheduled_departure"),
    )

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    carrier_id: Mapped[str] = mapped_column(ForeignKey(Airline.code), info={"example": "B6"})
    number: Mapped[int] = mapped_column(Integer, info={"example": 1018})
    origin_id: Mapped[str] = mapped_column(ForeignKey(Airport.code), info={"example": "JFK"})
    dest_id: Mapped[str] = mapped_column(
        ForeignKey(Airport.code), index=True, info={"label": "destination", "example": "BOS"}
    )
    aircraft_id: Mapped[str | None] = mapped_column(ForeignKey(Aircraft.tail_number), index=True)
    """Its tail number."""
    scheduled_departure: Mapped[dt.datetime]
    scheduled_arrival: Mapped[dt.datetime | None]
    actual_departure: Mapped[dt.datetime | None]
    """Off-block."""
    airborne_at: Mapped[dt.datetime | None]
    actual_arrival: Mapped[dt.datetime | None]
    """As the airline reports it."""
    status: Mapped[FlightStatus] = mapped_column(
        _by_value(FlightStatus), default=FlightStatus.SCHEDULED
    )
    delay_minutes: Mapped[int] = mapped_column(Integer, default=0)
    """Expected until the flight leaves its stand, and what it was from then on; negative: early."""
    gate: Mapped[str | None] = mapped_column(String(4), info={"example": "B22"})
    reported_at: Mapped[dt.datetime | None]
    """The instant of the newest report."""

    carrier: Mapped[Airline] = relationship()
    origin: Mapped[Airport] = relationship(foreign_keys=[origin_id])
    dest: Mapped[Airport] = relationship(foreign_keys=[dest_id])
    aircraft: Mapped[Aircraft | None] = relationship()
    # They go with their flight, by SQLAlchemy's hand: the database's own would not be audited.
    movements: Mapped[list["Movement"]] = relationship(
        back_populates="flight", cascade="all, delete-orphan"
    )

    @validates("gate")
    def _check_gate(self, _key: str, gate: str | None) -> str | None:
        if not gate:
            return None
        gate = gate.strip().upper()
        if not GATE.fullmatch(gate):
            raise ValueError(f"'{gate}' is no gate; write it as it is signposted, such as 7 or B22")
        return gate

    @validates("number")
    def _check_number(self, _key: str, number: int) -> int:
        if not 1 <= number <= 9999:
            raise ValueError("a flight number is 1 to 9999")
        return number

    @property
    def designator(self) -> str:
        """The flight as passengers know it, such as ``B6 1018``."""
        return f"{self.carrier_id} {self.number}"

    @property
    def expected_departure(self) -> dt.datetime:
        """When it leaves its stand, as far as anyone knows; when it did, once it has."""
        if self.actual_departure is not None:
            return self.actual_departure
        return self.scheduled_departure + dt.timedelta(minutes=self.delay_minutes)

    def __str__(self) -> str:
        return (
            f"{self.designator} {self.origin_id}-{self.dest_id} "
            f"{self.scheduled_departure:%Y-%m-%d %H:%M} UTC"
        )


class Movement(Model):
    """One report about a flight, kept so that sending it again changes nothing.

    `reference` is the sender's own id, unique for that `sender` (a user name): two airlines
    may both count from one.
    """

    __tablename__ = "departures_movement"
    __table_args__ = (UniqueConstraint("sender", "reference"),)

    id: Mapped[int] = mapped_column(BigKey, primary_key=True)
    sender: Mapped[str] = mapped_column(String(150))
    reference: Mapped[str] = mapped_column(String(64))
    kind: Mapped[MovementKind] = mapped_column(_by_value(MovementKind))
    flight_id: Mapped[int] = mapped_column(ForeignKey(Flight.id, ondelete="CASCADE"), index=True)
    at: Mapped[dt.datetime]
    minutes: Mapped[int | None]
    recorded_at: Mapped[dt.datetime] = mapped_column(default=lambda: dt.datetime.now(dt.UTC))

    flight: Mapped[Flight] = relationship(back_populates="movements")

    def __str__(self) -> str:
        return f"{self.kind} of flight {self.flight_id} at {self.at:%Y-%m-%d %H:%M} UTC"
