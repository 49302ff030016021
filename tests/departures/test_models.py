"""The models' own rules, and what people read of a row in the admin."""

import datetime as dt

import pytest

from departures.models import Aircraft, Airline, Airport, Flight, Movement, MovementKind
from tests.departures.house import MORNING


@pytest.mark.parametrize("name", ["New York", "../etc/passwd", "EST+5\x00"])
def test_a_time_zone_is_one_of_the_iana_database(name: str) -> None:
    with pytest.raises(ValueError, match="is no time zone"):
        Airport(time_zone=name)


def test_no_time_zone_is_none() -> None:
    assert Airport(time_zone="").time_zone is None
    assert Airport(time_zone="Pacific/Honolulu").time_zone == "Pacific/Honolulu"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Airline(code="B6", name="JetBlue Airways"), "JetBlue Airways (B6)"),
        (Airport(code="BOS", city="Boston"), "Boston (BOS)"),
        (
            Aircraft(tail_number="N304JB", manufacturer="EMBRAER", model="ERJ 190"),
            "N304JB (EMBRAER ERJ 190)",
        ),
        (
            Flight(
                carrier_id="B6",
                number=1018,
                origin_id="JFK",
                dest_id="BOS",
                scheduled_departure=MORNING,
            ),
            "B6 1018 JFK-BOS 2013-02-04 12:00 UTC",
        ),
        (
            Movement(kind=MovementKind.OFF_BLOCK, flight_id=7, at=MORNING),
            "off-block of flight 7 at 2013-02-04 12:00 UTC",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_row_reads_as_people_say_it(row: object, words: str) -> None:
    assert str(row) == words


def test_a_flight_is_expected_when_it_is_scheduled_and_what_is_reported_beyond() -> None:
    flight = Flight(scheduled_departure=MORNING, delay_minutes=25)
    assert flight.expected_departure == MORNING + dt.timedelta(minutes=25)

    flight.actual_departure = MORNING + dt.timedelta(minutes=31)
    assert flight.expected_departure == flight.actual_departure
