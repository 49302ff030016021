"""The import: what is missing is added, what is there is left alone, and it says what it did."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from sqlalchemy import func, select

from departures.gates import gates_of
from departures.importing import ImportSummary, import_week, progress_bar
from departures.models import Aircraft, Airline, Airport, Flight, FlightStatus
from departures.services import assign_gate
from departures.timetable import DATA, Leg, Note, read_legs, read_reference
from tests.departures.house import STAFF, Desk
from tests.services.databases import Databases
from trivet import Forbidden
from trivet.identity import system

IMPORTER = system("import")
CHANNELS = ("departures:EWR", "departures:JFK", "departures:LGA")


def run(desk: Desk, data: Path = DATA) -> ImportSummary:
    with desk.unit(IMPORTER) as db:
        return import_week(db, IMPORTER, data=data)


@pytest.fixture(scope="module")
def week(databases: Databases) -> Iterator[tuple[Desk, ImportSummary]]:
    """A database with the whole week, and what its import said."""
    desk = Desk(url := databases.create())
    yield desk, run(desk)
    desk.engine.dispose()
    databases.drop(url)


@pytest.fixture
def some_days(tmp_path: Path) -> Path:
    """The data with the first forty flights, one of another world, and some without sense."""
    for name in ("airlines.csv", "airports.csv", "planes.csv", "cities.csv"):
        (tmp_path / name).symlink_to(DATA / name)
    lines = (DATA / "flights-2013-02-04-to-10.csv").read_text().splitlines()
    bad = lines[1].replace(",US,", ",ZZ,")
    (tmp_path / "flights-few.csv").write_text("\n".join([*lines[:41], bad]) + "\n")
    return tmp_path


def test_the_week_is_imported_whole_and_a_second_time_changes_nothing(
    week: tuple[Desk, ImportSummary],
) -> None:
    desk, summary = week

    assert dict(summary.added) == {"Airline": 15, "Airport": 95, "Aircraft": 1628, "Flight": 6104}
    assert summary.rejected == []
    assert summary.notes[Note.UNKNOWN_AIRPORT] == 142
    assert summary.notes[Note.NO_AIRCRAFT] == 345
    assert summary.notes[Note.UNKNOWN_AIRCRAFT] == 926
    with desk.unit() as db:
        for model, count in ((Airline, 15), (Airport, 95), (Aircraft, 1628), (Flight, 6104)):
            assert db.scalar(select(func.count()).select_from(model)) == count
        everyone = set(db.scalars(select(Flight.status).distinct()))
        first = db.scalar(select(Flight).order_by(Flight.scheduled_departure, Flight.id))
        assert first is not None
        staffs = first.id
        assign_gate(db, STAFF, staffs, "Z9")
    assert everyone == {FlightStatus.SCHEDULED}
    told = {channel: len(desk.published(channel)) for channel in CHANNELS}
    assert sum(told.values()) == 6104 + 1

    again = run(desk)

    assert sum(again.added.values()) == 0
    assert again.present["Flight"] == 6104
    assert {channel: len(desk.published(channel)) for channel in CHANNELS} == told
    assert desk.flight(staffs).gate == "Z9"


def test_an_airport_that_nobody_described_has_no_time_zone(
    week: tuple[Desk, ImportSummary],
) -> None:
    with week[0].unit() as db:
        san_juan = db.get(Airport, "SJU")
        assert san_juan is not None
        assert (san_juan.city, san_juan.time_zone) == ("San Juan", None)
        flights = db.scalars(select(Flight).where(Flight.dest_id == "SJU")).all()
    assert len(flights) == 98
    assert {flight.scheduled_arrival for flight in flights} == {None}


def test_the_summary_says_what_was_skipped_and_why(desk: Desk, some_days: Path) -> None:
    lines = list(run(desk, some_days).lines())

    assert "Flight: 40 added, 0 there already" in lines
    assert "1 rows skipped" in lines
    assert "line 42: unknown airline 'ZZ'" in lines
    assert any("arrives in another time zone" in line for line in lines)


def test_only_who_may_add_flights_imports(desk: Desk, some_days: Path) -> None:
    with desk.unit() as db, pytest.raises(Forbidden):
        import_week(db, STAFF, data=some_days)


def test_the_bar_goes_from_nothing_to_everything(desk: Desk, some_days: Path) -> None:
    seen: list[tuple[int, int]] = []
    with desk.unit() as db:
        import_week(
            db, IMPORTER, data=some_days, progress=lambda done, total: seen.append((done, total))
        )
    with progress_bar(Console(quiet=True)) as report:
        for done, total in seen:
            report(done, total)

    assert seen[0] == (0, 40)
    assert seen[-1] == (40, 40)


def test_gates_are_the_same_every_time_and_some_are_left_to_staff() -> None:
    legs = [leg for leg in read_legs(read_reference()) if isinstance(leg, Leg)]
    gates = gates_of(legs)

    assert gates == gates_of(reversed(legs))
    assert len(gates) == 6104
    assert 600 < sum(gate is None for gate in gates.values()) < 800
    assert {Flight(gate=gate).gate for gate in gates.values()} == set(gates.values())
