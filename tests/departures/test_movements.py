"""Movements: exactly once, all or nothing, and whoever sent nonsense is told where it is."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import func, select

from departures.models import FlightStatus, Movement, MovementKind
from departures.services import FlightKey, MovementReport, Recorded, record_movements
from tests.departures.house import (
    AIRLINE,
    MORNING,
    OTHER_AIRLINE,
    STAFF,
    Desk,
    add_flights,
    minutes,
)
from trivet import Conflict, Forbidden, Invalid
from trivet.errors import TrivetError

FIRST = FlightKey("B6", 1, MORNING)
CHANNEL = "departures:JFK"


def report(
    kind: str,
    at: int = 0,
    *,
    name: str = "",
    flight: int | FlightKey = FIRST,
    delay: int | None = None,
) -> MovementReport:
    """A report `at` minutes after the first flight's schedule."""
    when = MORNING + minutes(at)
    return MovementReport(name or f"{kind} {at}", MovementKind(kind), flight, when, delay)


def journey(flight: int | FlightKey = FIRST, prefix: str = "") -> list[MovementReport]:
    """A whole flight, twenty minutes late."""
    return [
        report("delay", -30, name=f"{prefix}delay", flight=flight, delay=20),
        report("off-block", 20, name=f"{prefix}off-block", flight=flight),
        report("airborne", 40, name=f"{prefix}airborne", flight=flight),
        report("landed", 90, name=f"{prefix}landed", flight=flight),
    ]


def count_movements(desk: Desk) -> int:
    with desk.unit() as db:
        return db.scalar(select(func.count()).select_from(Movement)) or 0


@pytest.fixture
def flight_id(desk: Desk) -> int:
    with desk.unit() as db:
        return add_flights(db, 3)[0]


def record(
    desk: Desk, reports: MovementReport | Sequence[MovementReport], actor: object = AIRLINE
) -> Recorded:
    with desk.unit() as db:
        return record_movements(db, actor, reports)  # type: ignore[arg-type]  # an Identity


def refusal(desk: Desk, reports: MovementReport | Sequence[MovementReport]) -> TrivetError:
    with pytest.raises(TrivetError) as caught:
        record(desk, reports)
    return caught.value


def pointers(error: TrivetError) -> list[str]:
    return [fault["pointer"] for fault in error.data["errors"]]


def test_a_flight_goes_through_its_life(desk: Desk, flight_id: int) -> None:
    seen = []
    flight = desk.flight(flight_id)
    for movement in journey():
        assert record(desk, movement) == Recorded(recorded=1, repeated=0)
        flight = desk.flight(flight_id)
        seen.append((str(flight.status), flight.delay_minutes))

    assert seen == [("delayed", 20), ("off-block", 20), ("airborne", 20), ("landed", 20)]
    assert flight.actual_departure == MORNING + minutes(20)
    assert flight.airborne_at == MORNING + minutes(40)
    assert flight.actual_arrival == flight.reported_at == MORNING + minutes(90)
    assert [event["type"] for event in desk.published(CHANNEL)][3:] == [
        "flight_delayed",
        "flight_left_stand",
        "flight_took_off",
        "flight_landed",
    ]


def test_a_delay_that_is_over_puts_the_flight_back_on_schedule(desk: Desk, flight_id: int) -> None:
    record(desk, [report("delay", -30, delay=20), report("delay", -20, delay=0)])

    flight = desk.flight(flight_id)
    assert (flight.status, flight.delay_minutes) == (FlightStatus.SCHEDULED, 0)


def test_what_was_sent_before_changes_nothing(desk: Desk, flight_id: int) -> None:
    record(desk, journey())
    version, told = desk.flight(flight_id).version, desk.published(CHANNEL)

    assert record(desk, journey()) == Recorded(recorded=0, repeated=4)
    assert record(desk, [*journey()[1:], *journey()]) == Recorded(recorded=0, repeated=7)
    assert desk.flight(flight_id).version == version
    assert desk.published(CHANNEL) == told
    assert count_movements(desk) == 4


def test_an_item_may_stand_twice_in_one_batch(desk: Desk, flight_id: int) -> None:
    twice = [journey()[0], journey()[0]]

    assert record(desk, twice) == Recorded(recorded=1, repeated=1)


def test_the_same_report_by_key_and_by_name_is_the_same(desk: Desk, flight_id: int) -> None:
    record(desk, journey())

    assert record(desk, journey(flight_id)) == Recorded(recorded=0, repeated=4)


def test_ids_are_the_senders_own(desk: Desk, flight_id: int) -> None:
    record(desk, report("delay", -30, name="1", delay=20))

    assert record(desk, report("delay", -20, name="1", delay=25), OTHER_AIRLINE).recorded == 1


def test_an_id_used_for_something_else_is_a_conflict(desk: Desk, flight_id: int) -> None:
    record(desk, journey())

    other = [
        replace(journey()[1], at=MORNING),
        report("airborne", 40, name="new", flight=flight_id + 1),
    ]
    error = refusal(desk, other[:1])
    assert isinstance(error, Conflict)
    assert pointers(error) == ["/0/id"]
    assert isinstance(refusal(desk, other[0]), Conflict)
    assert pointers(refusal(desk, other[0])) == ["/id"]
    # Together with what is impossible anyhow, both are told at once.
    assert pointers(refusal(desk, other)) == ["/1/kind", "/0/id"]


@dataclass(frozen=True)
class Refused:
    name: str
    reports: list[MovementReport]
    pointers: list[str]
    detail: str


UNKNOWN = FlightKey("B6", 99, MORNING)
TOMORROW = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
REFUSED = [
    Refused(
        "an unknown flight", [report("delay", flight=UNKNOWN, delay=5)], ["/0/flight"], "no such"
    ),
    Refused("an unknown key", [report("delay", flight=2**40, delay=5)], ["/0/flight"], "no such"),
    Refused(
        "landed before airborne",
        [report("off-block", 0), report("landed", 60)],
        ["/1/kind"],
        "B6 1 is off-block; it cannot be landed now",
    ),
    Refused(
        "airborne at a time before it left its stand",
        [report("off-block", 20), report("airborne", 19)],
        ["/1/at"],
        "before the flight went off-block",
    ),
    Refused(
        "landed at a time before it was airborne",
        [report("off-block", 0), report("airborne", 19), report("landed", 18)],
        ["/2/at"],
        "before the flight was airborne",
    ),
    Refused(
        "off-block after it was cancelled",
        [report("cancelled", -90), report("off-block", 0)],
        ["/1/kind"],
        "B6 1 is cancelled",
    ),
    Refused(
        "off-block twice",
        [report("off-block", 0), report("off-block", 1)],
        ["/1/kind"],
        "is off-block",
    ),
    Refused("a delay without minutes", [report("delay")], ["/0/minutes"], "a delay needs it"),
    Refused(
        "minutes without a delay", [report("off-block", delay=3)], ["/0/minutes"], "else has it"
    ),
    Refused(
        "a delay of a week", [report("delay", delay=10_080)], ["/0/minutes"], "must be -60 to 2880"
    ),
    Refused("another day's flight", [report("off-block", 4321)], ["/0/at"], "more than two days"),
    Refused(
        "the future",
        [replace(report("delay", delay=5), at=TOMORROW)],
        ["/0/at"],
        "lies in the future",
    ),
    Refused(
        "everything that is wrong, not only the first",
        [
            report("landed", 5, name="a"),
            report("delay", -5, name="b", delay=5),
            report("cancelled", name="c", flight=UNKNOWN),
            report("airborne", 5, name="d"),
        ],
        ["/0/kind", "/2/flight", "/3/kind"],
        "cannot be landed",
    ),
]


@pytest.mark.parametrize("refused", REFUSED, ids=lambda refused: refused.name)
def test_a_batch_with_a_fault_records_nothing_and_names_it(
    desk: Desk, flight_id: int, refused: Refused
) -> None:
    told = desk.published(CHANNEL)

    error = refusal(desk, refused.reports)

    assert isinstance(error, Invalid)
    assert pointers(error) == refused.pointers
    assert refused.detail in error.data["errors"][0]["detail"]
    assert count_movements(desk) == 0
    assert desk.flight(flight_id).version == 1
    assert desk.published(CHANNEL) == told


def test_the_session_of_a_refused_batch_is_as_it_was(desk: Desk, flight_id: int) -> None:
    """A caller may catch the error and commit what it did before."""
    with desk.unit() as db:
        with pytest.raises(Invalid):
            record_movements(db, AIRLINE, [*journey(), report("landed", 1, name="x")])
        record_movements(db, AIRLINE, journey()[:1])

    assert desk.flight(flight_id).status is FlightStatus.DELAYED
    assert count_movements(desk) == 1


def test_an_airline_may_confirm_what_staff_cancelled(desk: Desk, flight_id: int) -> None:
    record(desk, report("cancelled", -90, name="by one"))
    version = desk.flight(flight_id).version

    assert record(desk, report("cancelled", -80, name="by another")).recorded == 1
    assert desk.flight(flight_id).version == version


def test_a_batch_has_one_to_a_thousand_items(desk: Desk, flight_id: int) -> None:
    assert refusal(desk, []).code == "batch-size"
    assert refusal(desk, [journey()[0]] * 1001).code == "batch-size"


def test_who_may_not_report_changes_nothing(desk: Desk, flight_id: int) -> None:
    with pytest.raises(Forbidden):
        record(desk, journey(), STAFF)


def test_a_thousand_movements_are_read_for_in_five_statements(desk: Desk) -> None:
    with desk.unit() as db:
        add_flights(db, 250)
    keys = [FlightKey("B6", n, MORNING + minutes(10 * (n - 1))) for n in range(1, 251)]
    batch = []
    for key in keys:
        offset = key.scheduled_departure - MORNING
        batch += [replace(m, at=m.at + offset) for m in journey(key, f"{key.number} ")]
    assert len(batch) == 1000

    with desk.statements() as counted:
        assert record(desk, batch) == Recorded(recorded=1000, repeated=0)

    assert counted.count <= 5
    # Four movements of one flight in one transaction are one change of it.
    assert len(desk.published(CHANNEL)) == 500
