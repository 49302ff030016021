"""The week's CSV files, read: local clock times become instants.

The files say ``905``, and mean five past nine on the clocks of an airport. Which instant
that is depends on the airport's zone, and for an arrival on a date that is not written:
it is the first time after the departure at which the clocks there show it. That holds
over midnight, time zones and changes to daylight saving time, with no rule for any of
them. A value that cannot be read rejects its row; a gap (``NA``) is noted and kept.
"""

import csv
import datetime as dt
import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from zoneinfo import ZoneInfo

DATA = Path(__file__).parent / "data"
MISSING = frozenset({"", "NA"})
Row = Mapping[str, str]


class Note(enum.Enum):
    """A decision about a row that was kept."""

    NOT_DEPARTED = "no departure time (NA): cancelled"
    NOT_ARRIVED = "departed, but no arrival time (NA): diverted, or not recorded"
    NO_AIRCRAFT = "no aircraft named (NA): left empty"
    UNKNOWN_AIRCRAFT = "aircraft not in planes.csv (a fleet number, not a registration): left empty"
    UNKNOWN_AIRPORT = "destination not in airports.csv: no time zone, so arrival times left empty"
    MIDNIGHT = "a time written 2400: the midnight that ends the day"
    NEXT_DAY = "arrives on the day after its departure"
    OTHER_ZONE = "arrives in another time zone"


@dataclass(frozen=True, slots=True)
class Reference:
    """The airlines, airports and aircraft that the flights name, by their codes."""

    airlines: Mapping[str, str]
    airports: Mapping[str, Row]
    aircraft: Mapping[str, Row]
    cities: Mapping[str, str]
    zones: Mapping[str, ZoneInfo]


@dataclass(frozen=True, slots=True)
class Leg:
    """One flight as the files have it. Instants are aware UTC, None where unknown.

    `departed` is off-block, `arrived` at the stand, `air_time` from wheels-off to
    wheels-on; `cancelled` if it never departed.
    """

    carrier: str
    number: int
    origin: str
    dest: str
    aircraft: str | None
    scheduled_departure: dt.datetime
    scheduled_arrival: dt.datetime | None
    departed: dt.datetime | None
    arrived: dt.datetime | None
    air_time: dt.timedelta | None
    notes: frozenset[Note] = field(default=frozenset(), compare=False)

    @property
    def cancelled(self) -> bool:
        return self.departed is None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot become a flight: its line in the file, and why."""

    line: int
    reason: str


def read_reference(data: Path = DATA) -> Reference:
    """The rows that the flights refer to. Raises OSError if a file is missing."""
    airports = {row["faa"]: row for row in _rows(data / "airports.csv")}
    return Reference(
        airlines={row["carrier"]: row["name"] for row in _rows(data / "airlines.csv")},
        airports=airports,
        aircraft={row["tailnum"]: row for row in _rows(data / "planes.csv")},
        cities={row["faa"]: row["city"] for row in _rows(data / "cities.csv")},
        zones={code: ZoneInfo(row["tzone"]) for code, row in airports.items()},
    )


def read_legs(reference: Reference, data: Path = DATA) -> Iterator[Leg | Rejected]:
    """Every row of every flights file, in the files' order."""
    for path in sorted(data.glob("flights-*.csv")):
        for line, row in enumerate(_rows(path), start=2):
            try:
                yield read_leg(row, reference)
            except ValueError as error:
                yield Rejected(line, str(error))


def read_leg(row: Row, reference: Reference) -> Leg:
    """One flight. Raises ValueError with a sentence if the row cannot be one."""
    carrier, origin, dest = row["carrier"], row["origin"], row["dest"]
    if carrier not in reference.airlines:
        raise ValueError(f"unknown airline '{carrier}'")
    if origin not in reference.zones:
        raise ValueError(f"unknown origin '{origin}': without its time zone there is no departure")
    zone, there = reference.zones[origin], reference.zones.get(dest)
    day = dt.date(*(_whole(row, name) for name in ("year", "month", "day")))
    scheduled = at_local(day, clock(row, "sched_dep_time"), zone)
    departed = _departed(row, scheduled)
    aircraft = row["tailnum"]
    leg = Leg(
        carrier=carrier,
        number=_whole(row, "flight"),
        origin=origin,
        dest=dest,
        aircraft=aircraft if aircraft in reference.aircraft else None,
        scheduled_departure=scheduled,
        scheduled_arrival=_arrival(row, "sched_arr_time", scheduled, there),
        departed=departed,
        arrived=_arrival(row, "arr_time", departed, there),
        air_time=None if row["air_time"] in MISSING else _minutes(row, "air_time"),
    )
    return _noted(leg, row, zone, there)


def clock(row: Row, name: str) -> dt.timedelta:
    """The time since midnight on the clocks, from HMM or HHMM; 2400 is a whole day.

    Raises ValueError if it is no such time.
    """
    hours, minutes = divmod(_whole(row, name), 100)
    if not (0 <= hours <= 24 and 0 <= minutes <= 59) or (hours == 24 and minutes):
        raise ValueError(f"'{row[name]}' in {name} is no time of day (HMM or HHMM)")
    return dt.timedelta(hours=hours, minutes=minutes)


def at_local(day: dt.date, since_midnight: dt.timedelta, zone: ZoneInfo) -> dt.datetime:
    """The instant, in UTC, at which the clocks of `zone` show this on `day`.

    Where an hour is repeated in autumn it is the first one; where one is left out in
    spring, the instant that the clocks of the day before would have called so.
    """
    local = dt.datetime.combine(day, dt.time()) + since_midnight
    return local.replace(tzinfo=zone).astimezone(dt.UTC)


def next_local(after: dt.datetime, since_midnight: dt.timedelta, zone: ZoneInfo) -> dt.datetime:
    """The first instant after `after` at which the clocks of `zone` show this."""
    day = after.astimezone(zone).date() - dt.timedelta(days=1)
    while (instant := at_local(day, since_midnight, zone)) <= after:
        day += dt.timedelta(days=1)
    return instant


def _departed(row: Row, scheduled: dt.datetime) -> dt.datetime | None:
    # The date of an actual departure is not written, and a delay can be longer than a
    # day's half; the delay itself says which day it was.
    if row["dep_time"] in MISSING:
        return None
    return scheduled + _minutes(row, "dep_delay")


def _arrival(
    row: Row, name: str, departure: dt.datetime | None, zone: ZoneInfo | None
) -> dt.datetime | None:
    if departure is None or zone is None or row[name] in MISSING:
        return None
    return next_local(departure, clock(row, name), zone)


def _noted(leg: Leg, row: Row, zone: ZoneInfo, there: ZoneInfo | None) -> Leg:
    arrival = leg.scheduled_arrival
    times = ("dep_time", "sched_dep_time", "arr_time", "sched_arr_time")
    found = {
        Note.NOT_DEPARTED: leg.cancelled,
        Note.NOT_ARRIVED: not leg.cancelled and row["arr_time"] in MISSING,
        Note.NO_AIRCRAFT: row["tailnum"] in MISSING,
        Note.UNKNOWN_AIRCRAFT: row["tailnum"] not in MISSING and leg.aircraft is None,
        Note.UNKNOWN_AIRPORT: there is None,
        Note.MIDNIGHT: any(row[name] == "2400" for name in times),
    }
    if there is not None and arrival is not None:
        days = arrival.astimezone(there).date(), leg.scheduled_departure.astimezone(zone).date()
        found[Note.NEXT_DAY] = days[0] > days[1]
        found[Note.OTHER_ZONE] = (
            arrival.astimezone(there).utcoffset() != arrival.astimezone(zone).utcoffset()
        )
    return replace(leg, notes=frozenset(note for note, holds in found.items() if holds))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def _whole(row: Row, name: str) -> int:
    try:
        return int(row[name])
    except ValueError:
        raise ValueError(f"'{row[name]}' in {name} is no whole number") from None


def _minutes(row: Row, name: str) -> dt.timedelta:
    return dt.timedelta(minutes=_whole(row, name))
