"""The board: what stands on it, until when, and where in the channel it was read."""

import datetime as dt

import pytest

from departures.models import Flight, FlightStatus, MovementKind
from departures.services import (
    Board,
    MovementReport,
    assign_gate,
    cancel_flights,
    get_board,
    list_departure_airports,
    record_movements,
)
from tests.departures.house import AIRLINE, MORNING, STAFF, Desk, add_flights, minutes
from trivet import NotFound
from trivet.data.capture import Capture
from trivet.identity import ANONYMOUS


def board(desk: Desk, code: str = "JFK") -> Board:
    with desk.unit() as db:
        return get_board(db, ANONYMOUS, code)


def numbers(shown: Board) -> list[int]:
    return [row.number for row in shown.rows]


def move(desk: Desk, flight: int, kind: MovementKind, at: dt.datetime, name: str) -> None:
    with desk.unit() as db:
        record_movements(db, AIRLINE, MovementReport(name, kind, flight, at))


@pytest.fixture
def ids(desk: Desk) -> list[int]:
    with desk.unit() as db:
        return add_flights(db, 60)


def test_a_new_board_stands_at_its_first_departure(desk: Desk, ids: list[int]) -> None:
    shown = board(desk)

    assert shown.as_of == MORNING
    assert shown.complete_until == MORNING + dt.timedelta(hours=6)
    assert numbers(shown) == list(range(1, 38))
    assert shown.airport.code == "JFK"
    assert shown.places["BOS"] == "Boston"


def test_the_position_is_the_one_that_the_rows_were_read_at(desk: Desk, ids: list[int]) -> None:
    before = board(desk)
    with desk.unit() as db:
        assign_gate(db, STAFF, ids[0], "7")

    after = board(desk)
    assert after.channel == "departures:JFK"
    assert after.position.epoch == before.position.epoch
    assert (before.position.offset, after.position.offset) == (60, 61)
    assert (before.rows[0].gate, after.rows[0].gate) == (None, "7")


def test_a_departed_flight_leaves_the_board_after_five_minutes(desk: Desk, ids: list[int]) -> None:
    move(desk, ids[0], MovementKind.OFF_BLOCK, MORNING, "1")
    move(desk, ids[1], MovementKind.OFF_BLOCK, MORNING + minutes(4), "2")
    assert numbers(board(desk))[:2] == [1, 2]

    move(desk, ids[0], MovementKind.AIRBORNE, MORNING + minutes(5), "3")
    shown = board(desk)
    assert numbers(shown)[:2] == [2, 3]
    assert shown.as_of == MORNING + minutes(5)
    assert shown.rows[0].status is FlightStatus.OFF_BLOCK


def test_a_cancelled_flight_stays_half_an_hour_beyond_its_schedule(
    desk: Desk, ids: list[int]
) -> None:
    with desk.unit() as db:
        cancel_flights(db, STAFF, ids[:1])
    move(desk, ids[9], MovementKind.CANCELLED, MORNING + minutes(29), "1")
    assert numbers(board(desk))[0] == 1

    move(desk, ids[10], MovementKind.CANCELLED, MORNING + minutes(30), "2")
    assert 1 not in numbers(board(desk))


def test_a_delayed_flight_stays_until_it_leaves(desk: Desk, ids: list[int]) -> None:
    late = MovementReport("1", MovementKind.DELAY, ids[0], MORNING - minutes(30), 853)
    with desk.unit() as db:
        record_movements(db, AIRLINE, late)
    move(desk, ids[50], MovementKind.OFF_BLOCK, MORNING + minutes(800), "2")

    assert numbers(board(desk))[0] == 1
    assert board(desk).rows[0].expected_departure == MORNING + minutes(853)


def test_a_flight_of_which_nobody_reports_leaves_after_an_hour(desk: Desk, ids: list[int]) -> None:
    move(desk, ids[9], MovementKind.OFF_BLOCK, MORNING + minutes(60), "1")

    assert numbers(board(desk))[0] == 2


def test_the_report_that_was_recorded_last_sets_the_time(desk: Desk, ids: list[int]) -> None:
    """One wrong time moves the boards for a moment, not for ever."""
    move(desk, ids[59], MovementKind.CANCELLED, MORNING + dt.timedelta(days=30), "wrong")
    assert board(desk).as_of == MORNING + dt.timedelta(days=30)

    move(desk, ids[0], MovementKind.OFF_BLOCK, MORNING, "right")
    assert board(desk).as_of == MORNING


def test_an_airport_without_departures_has_no_board(desk: Desk, ids: list[int]) -> None:
    for code in ("BOS", "XXX"):
        with pytest.raises(NotFound):
            board(desk, code)
    with desk.unit() as db:
        assert [a.code for a in list_departure_airports(db, ANONYMOUS)] == ["JFK"]


def test_a_board_is_read_in_a_handful_of_statements(desk: Desk, ids: list[int]) -> None:
    with desk.statements() as counted:
        board(desk)

    assert counted.count <= 6


def test_a_board_of_nobodys_publications_begins_at_zero(desk: Desk, ids: list[int]) -> None:
    """Flights that came before there were feeds: nothing was told, so the epoch is a moment's."""
    with desk.unit() as db:
        db.capture = Capture()
        flight = db.get(Flight, ids[0])
        assert flight is not None
        flight.origin_id = "EWR"

    position = board(desk, "EWR").position
    assert (position.epoch[0], position.offset) == ("~", 0)
