"""The CSV files' clock times become the right instants."""

import csv
import datetime as dt
import re
from collections import Counter
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import pytest

from departures.timetable import (
    DATA,
    Leg,
    Note,
    Rejected,
    at_local,
    clock,
    next_local,
    read_leg,
    read_legs,
    read_reference,
)

REFERENCE = read_reference()
ROW = {
    "year": "2013",
    "month": "2",
    "day": "4",
    "dep_time": "1204",
    "sched_dep_time": "1200",
    "dep_delay": "4",
    "arr_time": "1510",
    "sched_arr_time": "1515",
    "arr_delay": "-5",
    "carrier": "B6",
    "flight": "1018",
    "tailnum": "N640JB",
    "origin": "JFK",
    "dest": "LAX",
    "air_time": "340",
}


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


@dataclass(frozen=True)
class Scenario:
    name: str
    row: dict[str, str]
    expected: dict[str, object]
    noted: set[Note] = field(default_factory=set)


SCENARIOS = [
    Scenario(
        "an arrival is local to the destination",
        {},
        {
            "scheduled_departure": utc("2013-02-04T17:00"),
            "departed": utc("2013-02-04T17:04"),
            "scheduled_arrival": utc("2013-02-04T23:15"),
            "arrived": utc("2013-02-04T23:10"),
            "air_time": dt.timedelta(minutes=340),
        },
        {Note.OTHER_ZONE},
    ),
    Scenario(
        "an arrival that is earlier on the clock is on the next day",
        {"sched_dep_time": "2355", "dep_time": "2355", "dep_delay": "0", "dest": "BOS"}
        | {"sched_arr_time": "48", "arr_time": "52", "air_time": "40"},
        {
            "scheduled_departure": utc("2013-02-05T04:55"),
            "scheduled_arrival": utc("2013-02-05T05:48"),
            "arrived": utc("2013-02-05T05:52"),
        },
        {Note.NEXT_DAY},
    ),
    Scenario(
        "2400 is the midnight that ends the day",
        {"sched_dep_time": "2250", "dep_time": "2250", "dep_delay": "0", "dest": "BOS"}
        | {"sched_arr_time": "2358", "arr_time": "2400", "air_time": "40"},
        {"arrived": utc("2013-02-05T05:00"), "scheduled_arrival": utc("2013-02-05T04:58")},
        {Note.MIDNIGHT},
    ),
    Scenario(
        "a departure at 2400, a minute late, is the next day's midnight",
        {"sched_dep_time": "2359", "dep_time": "2400", "dep_delay": "1", "dest": "BOS"}
        | {"sched_arr_time": "436", "arr_time": "432"},
        {"departed": utc("2013-02-05T05:00"), "arrived": utc("2013-02-05T09:32")},
        {Note.MIDNIGHT, Note.NEXT_DAY},
    ),
    Scenario(
        "a departure after midnight of the day before is told by its delay",
        {"sched_dep_time": "2100", "dep_time": "113", "dep_delay": "253", "dest": "BOS"}
        | {"sched_arr_time": "2210", "arr_time": "210"},
        {"departed": utc("2013-02-05T06:13"), "arrived": utc("2013-02-05T07:10")},
    ),
    Scenario(
        "a cancelled flight has no actual times",
        {"dep_time": "NA", "dep_delay": "NA", "arr_time": "NA", "air_time": "NA", "tailnum": ""},
        {"departed": None, "arrived": None, "air_time": None, "cancelled": True, "aircraft": None},
        {Note.NOT_DEPARTED, Note.NO_AIRCRAFT, Note.OTHER_ZONE},
    ),
    Scenario(
        "a diverted flight departs and does not arrive",
        {"arr_time": "NA", "air_time": "NA"},
        {"departed": utc("2013-02-04T17:04"), "arrived": None, "cancelled": False},
        {Note.NOT_ARRIVED, Note.OTHER_ZONE},
    ),
    Scenario(
        "an aircraft that planes.csv does not know is left empty",
        {"tailnum": "N3CEAA"},
        {"aircraft": None},
        {Note.UNKNOWN_AIRCRAFT, Note.OTHER_ZONE},
    ),
    Scenario(
        "an airport without a time zone keeps its flight, without arrivals",
        {"dest": "SJU"},
        {"dest": "SJU", "scheduled_arrival": None, "arrived": None},
        {Note.UNKNOWN_AIRPORT},
    ),
    Scenario(
        "the night in which the clocks go forward",
        {"month": "3", "day": "9", "sched_dep_time": "2330", "dep_time": "2330", "dep_delay": "0"}
        | {"dest": "BOS", "sched_arr_time": "330", "arr_time": "335"},
        {
            "scheduled_departure": utc("2013-03-10T04:30"),
            "scheduled_arrival": utc("2013-03-10T07:30"),
            "arrived": utc("2013-03-10T07:35"),
        },
        {Note.NEXT_DAY},
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_row_becomes_these_instants(scenario: Scenario) -> None:
    leg = read_leg(ROW | scenario.row, REFERENCE)

    assert {name: getattr(leg, name) for name in scenario.expected} == scenario.expected
    assert leg.notes == scenario.noted


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"sched_dep_time": "2561"}, "'2561' in sched_dep_time is no time of day (HMM or HHMM)"),
        ({"sched_dep_time": "2401"}, "'2401' in sched_dep_time is no time of day (HMM or HHMM)"),
        ({"sched_dep_time": "-5"}, "'-5' in sched_dep_time is no time of day (HMM or HHMM)"),
        ({"sched_dep_time": "NA"}, "'NA' in sched_dep_time is no whole number"),
        ({"carrier": "ZZ"}, "unknown airline 'ZZ'"),
        ({"origin": "SJU"}, "unknown origin 'SJU': without its time zone there is no departure"),
        ({"day": "31"}, "day is out of range for month"),
    ],
)
def test_a_row_that_cannot_be_a_flight_says_why(change: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        read_leg(ROW | change, REFERENCE)


def test_the_repeated_hour_of_autumn_is_the_first_one_after_the_departure() -> None:
    new_york = ZoneInfo("America/New_York")
    half_past_one = dt.timedelta(hours=1, minutes=30)

    assert at_local(dt.date(2013, 11, 3), half_past_one, new_york) == utc("2013-11-03T05:30")
    assert next_local(utc("2013-11-03T05:00"), half_past_one, new_york) == utc("2013-11-03T05:30")


def test_midnight_is_a_time_of_day() -> None:
    assert clock({"t": "0"}, "t") == dt.timedelta(0)
    assert clock({"t": "2400"}, "t") == dt.timedelta(days=1)


def test_the_whole_week_agrees_with_what_the_files_say_about_themselves() -> None:
    """The files repeat themselves: the UTC hour, the delays. Nothing may contradict them."""
    legs = [leg for leg in read_legs(REFERENCE) if isinstance(leg, Leg)]
    rows = list(_rows_of_the_week())
    assert len(legs) == len(rows) == 6104

    for leg, row in zip(legs, rows, strict=True):
        hour = dt.datetime.fromisoformat(row["time_hour"])
        assert leg.scheduled_departure == hour + dt.timedelta(minutes=int(row["minute"]))
        if leg.departed is not None:
            local = leg.departed.astimezone(REFERENCE.zones[leg.origin])
            assert (local.hour * 100 + local.minute) == int(row["dep_time"]) % 2400
        if leg.arrived is not None and leg.scheduled_arrival is not None:
            late = leg.arrived - leg.scheduled_arrival
            # Flights that were diverted on the way have an arrival and no delay.
            assert row["arr_delay"] in {"NA", str(late // dt.timedelta(minutes=1))}


def test_the_week_has_what_its_description_says() -> None:
    legs = [leg for leg in read_legs(REFERENCE) if isinstance(leg, Leg)]
    noted = Counter(note for leg in legs for note in leg.notes)

    assert noted[Note.NOT_DEPARTED] == sum(leg.cancelled for leg in legs) == 929
    assert noted[Note.MIDNIGHT] == 5
    assert {leg.dest for leg in legs if Note.UNKNOWN_AIRPORT in leg.notes} == {
        *("BQN", "PSE", "SJU", "STT"),
    }
    assert not any(isinstance(leg, Rejected) for leg in read_legs(REFERENCE))


def test_every_airport_has_a_city_that_fits_on_a_board() -> None:
    legs = (leg for leg in read_legs(REFERENCE) if isinstance(leg, Leg))
    codes = {leg.dest for leg in legs} | REFERENCE.airports.keys()

    assert codes == REFERENCE.cities.keys()
    assert max(len(city) for city in REFERENCE.cities.values()) <= 16


def _rows_of_the_week() -> list[dict[str, str]]:
    with (DATA / "flights-2013-02-04-to-10.csv").open(newline="") as file:
        return list(csv.DictReader(file))
