"""Movements: what airlines' systems report, taken exactly once and all or nothing.

A report carries its sender's own id. Sent again with the same content, it changes nothing;
with another content it is a conflict. A batch is applied in the order given, with a handful of
statements however long it is, and refused whole if any item is wrong, with a pointer to each that
is. It reads and writes rows, not objects: a batch has hundreds of both.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

from sqlalchemy import insert, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from departures import rules
from departures.models import Flight, FlightStatus, Movement, MovementKind
from trivet import Conflict, InputError, Invalid
from trivet.identity import Identity, require_permission

BATCH_MAX = 1000


class FlightKey(NamedTuple):
    """How an airline names a flight of its own; `scheduled_departure` is aware UTC."""

    carrier: str
    number: int
    scheduled_departure: dt.datetime


@dataclass(frozen=True, slots=True)
class MovementReport:
    """One report. `id` is the sender's own; `flight` our key or the airline's name for it.

    `at` is when it happened (of a delay or cancellation: when it was decided), aware UTC;
    `minutes` the expected delay, for a delay only.
    """

    id: str
    kind: MovementKind
    flight: int | FlightKey
    at: dt.datetime
    minutes: int | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The result of a batch: `repeated` were known already, and changed nothing."""

    recorded: int
    repeated: int


@dataclass(slots=True)
class _Progress:
    """What reports read of a flight, and what they change."""

    id: int
    carrier_id: str
    number: int
    scheduled_departure: dt.datetime
    status: FlightStatus
    delay_minutes: int
    actual_departure: dt.datetime | None
    airborne_at: dt.datetime | None
    actual_arrival: dt.datetime | None
    reported_at: dt.datetime | None

    @property
    def designator(self) -> str:
        return f"{self.carrier_id} {self.number}"

    @property
    def row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("id", *_CHANGED)}


_CHANGED = (
    *("status", "delay_minutes", "reported_at"),
    *("actual_departure", "airborne_at", "actual_arrival"),
)
_COLUMNS = [getattr(Flight, field.name) for field in fields(_Progress)]


class _Content(NamedTuple):
    """The members that make two reports of one id the same report."""

    kind: MovementKind
    flight_id: int
    at: dt.datetime
    minutes: int | None


def record_movements(
    db: Session, actor: Identity, reports: MovementReport | Sequence[MovementReport]
) -> Recorded:
    """Apply one report, or 1 to 1,000 of them, oldest first; all or nothing.

    Raises Invalid for unknown flights and impossible movements, and Conflict if an id is
    used for something else than before. Both name every offending item in ``errors`` by
    its pointer into `reports`, and leave the session as it was.
    """
    require_permission(actor, "departures.add_movement")
    batch = [reports] if isinstance(reports, MovementReport) else list(reports)
    if not 1 <= len(batch) <= BATCH_MAX:
        raise Invalid("batch-size", f"A batch has 1 to {BATCH_MAX:,} movements.")
    recorder = _Recorder(db, actor.username, batch, is_single=isinstance(reports, MovementReport))
    try:
        with db.begin_nested():
            return recorder.record()
    except IntegrityError as error:
        raise Conflict(
            "concurrent-report", "Another request used one of these ids just now; send it again."
        ) from error


class _Recorder:
    """The work on one batch."""

    def __init__(
        self, db: Session, sender: str, batch: Sequence[MovementReport], *, is_single: bool
    ) -> None:
        self._db = db
        self._sender = sender
        self._batch = batch
        self._is_single = is_single
        self._invalid: list[InputError] = []
        self._conflicts: list[InputError] = []
        self._movements: list[dict[str, Any]] = []
        self._moved: dict[int, _Progress] = {}

    def record(self) -> Recorded:
        # The flights are locked before the known ids are read: of two requests with the
        # same report, the second waits here and then sees what the first one recorded.
        flights = self._flights()
        known = self._known()
        for index, report in enumerate(self._batch):
            flight = flights.get(report.flight)
            if flight is None:
                self._fault(index, "flight", "no such flight")
                continue
            content = _Content(report.kind, flight.id, report.at, report.minutes)
            if report.id in known:
                self._compare(index, known[report.id], content)
                continue
            known[report.id] = content
            self._apply(index, report, flight)
        self._raise_faults()
        self._write()
        recorded = len(self._movements)
        return Recorded(recorded, len(self._batch) - recorded)

    def _flights(self) -> dict[int | FlightKey, _Progress]:
        ids = {report.flight for report in self._batch if isinstance(report.flight, int)}
        keys = {report.flight for report in self._batch if isinstance(report.flight, FlightKey)}
        natural = tuple_(Flight.carrier_id, Flight.number, Flight.scheduled_departure)
        query = select(*_COLUMNS).with_for_update()
        # In order of their keys, so that two batches queue for each other and never deadlock.
        query = query.where(or_(Flight.id.in_(ids), natural.in_(keys))).order_by(Flight.id)
        found = [_Progress(*row) for row in self._db.execute(query)]
        by_name: dict[int | FlightKey, _Progress] = {
            FlightKey(flight.carrier_id, flight.number, flight.scheduled_departure): flight
            for flight in found
        }
        return by_name | {flight.id: flight for flight in found}

    def _known(self) -> dict[str, _Content]:
        columns = (Movement.kind, Movement.flight_id, Movement.at, Movement.minutes)
        query = select(Movement.reference, *columns).where(
            Movement.sender == self._sender,
            Movement.reference.in_({report.id for report in self._batch}),
        )
        return {
            known.reference: _Content(known.kind, known.flight_id, known.at, known.minutes)
            for known in self._db.execute(query)
        }

    def _compare(self, index: int, known: _Content, content: _Content) -> None:
        if known != content:
            detail = "this id was used for another movement"
            self._conflicts.append({"pointer": self._pointer(index, "id"), "detail": detail})

    def _apply(self, index: int, report: MovementReport, flight: _Progress) -> None:
        faults = list(_faults(report, flight))
        for member, detail in faults:
            self._fault(index, member, detail)
        if faults:
            return
        _move(flight, report)
        self._moved[flight.id] = flight
        self._movements.append(
            {
                "sender": self._sender,
                "reference": report.id,
                "kind": report.kind,
                "flight_id": flight.id,
                "at": report.at,
                "minutes": report.minutes,
            }
        )

    def _write(self) -> None:
        if self._movements:
            self._db.execute(insert(Movement), self._movements)
            self._db.execute(update(Flight), [flight.row for flight in self._moved.values()])

    def _fault(self, index: int, member: str, detail: str) -> None:
        self._invalid.append({"pointer": self._pointer(index, member), "detail": detail})

    def _pointer(self, index: int, member: str) -> str:
        return f"/{member}" if self._is_single else f"/{index}/{member}"

    def _raise_faults(self) -> None:
        if self._invalid:
            raise Invalid(
                "invalid-movements",
                "Nothing was recorded, because of the movements named in 'errors'.",
                errors=self._invalid + self._conflicts,
            )
        if self._conflicts:
            raise Conflict(
                "movement-id-reused",
                "Nothing was recorded: the ids named in 'errors' stand for other movements.",
                errors=self._conflicts,
            )


def _faults(report: MovementReport, flight: _Progress) -> Iterator[tuple[str, str]]:
    """The faults of `report` as the next movement of `flight`: (member, sentence)."""
    kind, at = report.kind, report.at
    if wrong := rules.wrong_minutes(kind, report.minutes):
        yield "minutes", wrong
    if wrong := rules.in_future(at):
        yield "at", wrong
    if flight.status not in rules.LEAVES[kind]:
        yield "kind", f"{flight.designator} is {flight.status}; it cannot be {kind} now"
    elif wrong := _wrong_time(kind, at, flight):
        yield "at", wrong


def _wrong_time(kind: MovementKind, at: dt.datetime, flight: _Progress) -> str | None:
    match kind:
        case MovementKind.OFF_BLOCK:
            return rules.far_from(at, flight.scheduled_departure)
        case MovementKind.AIRBORNE:
            return rules.before(at, flight.actual_departure, "actual_departure")
        case MovementKind.LANDED:
            return rules.before(at, flight.airborne_at, "airborne_at")
        case MovementKind.DELAY | MovementKind.CANCELLED:
            return None


def _move(flight: _Progress, report: MovementReport) -> None:
    """Make `flight` what `report` says. It has passed `_faults`."""
    if flight.status is FlightStatus.CANCELLED:
        return  # cancelled once more, by another source: nothing about the flight is new
    flight.reported_at = report.at
    match report.kind:
        case MovementKind.DELAY:
            assert report.minutes is not None
            flight.delay_minutes = report.minutes
            flight.status = FlightStatus.DELAYED if report.minutes > 0 else FlightStatus.SCHEDULED
        case MovementKind.CANCELLED:
            flight.status = FlightStatus.CANCELLED
        case MovementKind.OFF_BLOCK:
            flight.actual_departure = report.at
            flight.delay_minutes = (report.at - flight.scheduled_departure) // _MINUTE
            flight.status = FlightStatus.OFF_BLOCK
        case MovementKind.AIRBORNE:
            flight.airborne_at = report.at
            flight.status = FlightStatus.AIRBORNE
        case MovementKind.LANDED:
            flight.actual_arrival = report.at
            flight.status = FlightStatus.LANDED


_MINUTE = dt.timedelta(minutes=1)
