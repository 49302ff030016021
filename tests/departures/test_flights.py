"""Flights: what staff may do to them."""

from typing import Any

import pytest

from departures.models import Flight, FlightStatus
from departures.services import assign_gate, cancel_flight, cancel_flights
from tests.departures.house import AIRLINE, STAFF, Desk, add_flights
from trivet import Conflict, Forbidden, NotFound, Unauthenticated
from trivet.errors import PreconditionFailed
from trivet.identity import ANONYMOUS
from trivet_api.conditions import Condition, parse_tags

CHANNEL = "departures:JFK"


@pytest.fixture
def ids(desk: Desk) -> list[int]:
    with desk.unit() as db:
        return add_flights(db, 5)


def events_after(desk: Desk, known: int) -> list[dict[str, Any]]:
    return desk.published(CHANNEL)[known:]


def test_a_gate_is_assigned_and_told(desk: Desk, ids: list[int]) -> None:
    with desk.unit(STAFF) as db:
        assign_gate(db, STAFF, ids[0], " b22 ")

    assert desk.flight(ids[0]).gate == "B22"
    (told,) = events_after(desk, 5)
    assert told["type"] == "gate_assigned"
    assert told["as_of"] is None
    assert told["row"] == {
        "id": ids[0],
        "version": 2,
        "carrier": "B6",
        "number": 1,
        "destination": "BOS",
        "gate": "B22",
        "status": "scheduled",
        "delay_minutes": 0,
        "scheduled_departure": "2013-02-04T12:00:00Z",
        "expected_departure": "2013-02-04T12:00:00Z",
        "until": "2013-02-04T13:00:00Z",
    }


def test_a_gate_can_be_taken_away(desk: Desk, ids: list[int]) -> None:
    for gate in ("7", None):
        with desk.unit() as db:
            assign_gate(db, STAFF, ids[0], gate)

    assert desk.flight(ids[0]).gate is None


def test_the_same_gate_again_is_no_change(desk: Desk, ids: list[int]) -> None:
    for _ in range(2):
        with desk.unit() as db:
            assign_gate(db, STAFF, ids[0], "7")

    assert desk.flight(ids[0]).version == 2
    assert len(events_after(desk, 5)) == 1


@pytest.mark.parametrize("gate", ["0", "B", "7-8", "B1234", "\x00", "१", "B22\n7"])
def test_what_is_no_gate_is_refused(desk: Desk, ids: list[int], gate: str) -> None:
    with desk.unit() as db, pytest.raises(ValueError, match="is no gate"):
        assign_gate(db, STAFF, ids[0], gate)

    assert desk.flight(ids[0]).gate is None


FIRST = Condition(if_match=parse_tags(['"1"']))


def test_an_old_version_is_refused(desk: Desk, ids: list[int]) -> None:
    with desk.unit() as db:
        assign_gate(db, STAFF, ids[0], "7", require_version=FIRST.require)
    with desk.unit() as db, pytest.raises(PreconditionFailed):
        assign_gate(db, STAFF, ids[0], "8", require_version=FIRST.require)

    assert desk.flight(ids[0]).gate == "7"


def test_a_flight_that_has_left_keeps_its_gate(desk: Desk, ids: list[int]) -> None:
    with desk.unit() as db:
        cancel_flights(db, STAFF, ids[:1])
    with pytest.raises(Conflict), desk.unit() as db:
        assign_gate(db, STAFF, ids[0], "8")


def test_cancelling_changes_those_that_were_not_cancelled(desk: Desk, ids: list[int]) -> None:
    with desk.unit() as db:
        assert [f.id for f in cancel_flights(db, STAFF, ids[:2])] == ids[:2]
    with desk.unit() as db:
        assert [f.id for f in cancel_flights(db, STAFF, ids[:3])] == ids[2:3]

    assert [e["type"] for e in events_after(desk, 5)] == ["flight_cancelled"] * 3


def test_one_flight_in_the_air_keeps_the_others_from_being_cancelled(
    desk: Desk, ids: list[int]
) -> None:
    with desk.unit() as db:
        flying = db.get(Flight, ids[1])
        assert flying is not None
        flying.status = FlightStatus.AIRBORNE
        flying.actual_departure = flying.airborne_at = flying.scheduled_departure
    with desk.unit() as db, pytest.raises(Conflict) as caught:
        cancel_flights(db, STAFF, ids)

    assert caught.value.data["flights"] == [ids[1]]
    assert desk.flight(ids[0]).status is FlightStatus.SCHEDULED


def test_unknown_flights_are_named(desk: Desk, ids: list[int]) -> None:
    with desk.unit() as db:
        with pytest.raises(NotFound) as caught:
            cancel_flights(db, STAFF, [ids[0], 10**6])
        with pytest.raises(NotFound):
            assign_gate(db, STAFF, 10**6, "7")

    assert caught.value.data["flights"] == [10**6]


def test_every_service_asks_for_its_permission(desk: Desk, ids: list[int]) -> None:
    with desk.unit() as db:
        for forbidden in (
            lambda: assign_gate(db, AIRLINE, ids[0], "7"),
            lambda: cancel_flights(db, AIRLINE, ids),
            lambda: cancel_flight(db, AIRLINE, ids[0]),
        ):
            with pytest.raises(Forbidden):
                forbidden()
        with pytest.raises(Unauthenticated):
            assign_gate(db, ANONYMOUS, ids[0], "7")


def test_a_flight_that_moves_to_another_airport_leaves_the_old_board(
    desk: Desk, ids: list[int]
) -> None:
    with desk.unit() as db:
        flight = db.get(Flight, ids[0])
        assert flight is not None
        flight.origin_id = "EWR"

    assert events_after(desk, 5) == [{"type": "flight_removed", "id": ids[0]}]
    assert [e["type"] for e in desk.published("departures:EWR")] == ["flight_scheduled"]


def test_a_deleted_flight_leaves_its_board(desk: Desk, ids: list[int]) -> None:
    with desk.unit() as db:
        db.delete(db.get(Flight, ids[0]))

    assert events_after(desk, 5) == [{"type": "flight_removed", "id": ids[0]}]


@pytest.mark.parametrize("number", [0, 10_000])
def test_a_flight_number_has_one_to_four_digits(number: int) -> None:
    with pytest.raises(ValueError, match="1 to 9999"):
        Flight(number=number)
