"""The movements of the week, as airlines would have reported them."""

import datetime as dt
from collections import defaultdict
from dataclasses import replace

from departures.history import LATE, list_movements, movements_of
from departures.models import MovementKind
from departures.services import MovementReport
from departures.timetable import Leg
from tests.departures.house import MORNING, minutes

LEG = Leg(
    carrier="B6",
    number=1018,
    origin="JFK",
    dest="BOS",
    aircraft=None,
    scheduled_departure=MORNING,
    scheduled_arrival=MORNING + minutes(70),
    departed=MORNING + minutes(4),
    arrived=MORNING + minutes(76),
    air_time=minutes(42),
)


def told(leg: Leg) -> list[tuple[str, dt.timedelta]]:
    return [(str(m.kind), m.at - MORNING) for m in movements_of(leg)]


def test_taxiing_is_divided_two_to_one_around_the_flight() -> None:
    assert told(LEG) == [
        ("off-block", minutes(4)),
        ("airborne", minutes(4 + 20)),
        ("landed", minutes(76)),
    ]


def test_a_late_departure_is_announced_half_an_hour_before_its_schedule() -> None:
    late = replace(LEG, departed=MORNING + LATE, arrived=MORNING + minutes(80))

    announced = next(iter(movements_of(late)))

    assert (announced.kind, announced.minutes) == (MovementKind.DELAY, 15)
    assert announced.at == MORNING - minutes(30)
    assert told(replace(late, departed=MORNING + minutes(14)))[0][0] == "off-block"


def test_a_cancelled_flight_is_only_cancelled() -> None:
    cancelled = replace(LEG, departed=None, arrived=None, air_time=None)

    assert told(cancelled) == [("cancelled", -minutes(90))]


def test_where_the_arrival_is_unknown_the_time_in_the_air_ends_with_the_landing() -> None:
    assert told(replace(LEG, arrived=None)) == [
        ("off-block", minutes(4)),
        ("airborne", minutes(22)),
        ("landed", minutes(22 + 42)),
    ]


def test_a_diverted_flight_never_lands() -> None:
    assert [kind for kind, _ in told(replace(LEG, arrived=None, air_time=None))] == [
        "off-block",
        "airborne",
    ]


def test_the_week_is_in_order_and_every_report_has_an_id_of_its_own() -> None:
    week = list_movements()

    assert [m.at for m in week] == sorted(m.at for m in week)
    assert len({m.id for m in week}) == len(week) > 17_000
    flights: dict[object, list[MovementReport]] = defaultdict(list)
    for movement in week:
        flights[movement.flight].append(movement)
    assert len(flights) == 6104
    order = list(MovementKind)
    for movements in flights.values():
        assert [m.kind for m in movements] == sorted((m.kind for m in movements), key=order.index)
