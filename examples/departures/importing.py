"""The week's schedule, imported: what was planned before anything happened.

What really happened is left to `departures.replay`, which reports it through the API.
The import adds what is missing and touches nothing that is there, so running it again
changes nothing, whatever staff and airlines have done to the flights since. Every added
flight is published like any other change.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import select
from sqlalchemy.orm import Session

from departures.gates import gates_of
from departures.models import Aircraft, Airline, Airport, Flight
from departures.timetable import (
    DATA,
    MISSING,
    Leg,
    Note,
    Reference,
    Rejected,
    Row,
    read_legs,
    read_reference,
)
from trivet import Model
from trivet.identity import Identity, require_permission

FLUSH_EVERY = 500
ReportProgress = Callable[[int, int], None]
"""Called with the flights done and the flights in all."""


@dataclass(slots=True)
class ImportSummary:
    """The result of an import. `added` and `present` count rows by the name of their model;
    `notes` the flights for which something had to be decided; `rejected` has the rows
    that were skipped."""

    added: Counter[str] = field(default_factory=Counter)
    present: Counter[str] = field(default_factory=Counter)
    notes: Counter[Note] = field(default_factory=Counter)
    rejected: list[Rejected] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """The summary as sentences for people."""
        for name in ("Airline", "Airport", "Aircraft", "Flight"):
            yield f"{name}: {self.added[name]:,} added, {self.present[name]:,} there already"
        for note in Note:
            if self.notes[note]:
                yield f"{self.notes[note]:,} flights: {note.value}"
        yield f"{len(self.rejected):,} rows skipped"
        for row in self.rejected:
            yield f"line {row.line}: {row.reason}"


def import_week(
    db: Session,
    actor: Identity,
    *,
    data: Path = DATA,
    progress: ReportProgress | None = None,
) -> ImportSummary:
    """Import what of the files in `data` is not there yet, and tell what was decided.

    Raises Forbidden unless `actor` may add flights, and OSError if a file is missing.
    """
    require_permission(actor, "departures.add_flight")
    summary = ImportSummary()
    reference = read_reference(data)
    legs: list[Leg] = []
    for leg in read_legs(reference, data):
        if isinstance(leg, Rejected):
            summary.rejected.append(leg)
        else:
            legs.append(leg)
            summary.notes.update(leg.notes)
    _add_missing(db, summary, "code", _airlines(reference))
    _add_missing(db, summary, "code", _airports(reference, legs))
    _add_missing(db, summary, "tail_number", _aircraft(reference))
    _add_flights(db, summary, legs, progress or (lambda *_: None))
    return summary


@contextmanager
def progress_bar(console: Console) -> Iterator[ReportProgress]:
    """A bar on `console` for `import_week`, gone when the import is over."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as bar:
        task = bar.add_task("Importing flights", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _add_missing(db: Session, summary: ImportSummary, key: str, rows: Sequence[Model]) -> None:
    if not rows:
        return
    model = type(rows[0])
    present = set(db.scalars(select(getattr(model, key))))
    missing = [row for row in rows if getattr(row, key) not in present]
    db.add_all(missing)
    db.flush()
    summary.added[model.__name__] = len(missing)
    summary.present[model.__name__] = len(rows) - len(missing)


def _airlines(reference: Reference) -> list[Airline]:
    return [Airline(code=code, name=name) for code, name in reference.airlines.items()]


def _airports(reference: Reference, legs: Sequence[Leg]) -> list[Airport]:
    known = [
        Airport(
            code=code,
            name=row["name"],
            city=reference.cities.get(code, row["name"][:40]),
            time_zone=row["tzone"],
        )
        for code, row in reference.airports.items()
    ]
    unknown = sorted({leg.dest for leg in legs} - reference.airports.keys())
    names = {code: reference.cities.get(code, code) for code in unknown}
    return known + [Airport(code=code, name=name, city=name) for code, name in names.items()]


def _aircraft(reference: Reference) -> list[Aircraft]:
    return [
        Aircraft(
            tail_number=tail_number,
            manufacturer=row["manufacturer"],
            model=row["model"],
            year=_optional(row, "year"),
            seats=_optional(row, "seats"),
        )
        for tail_number, row in reference.aircraft.items()
    ]


def _optional(row: Row, name: str) -> int | None:
    return None if row[name] in MISSING else int(row[name])


def _add_flights(
    db: Session, summary: ImportSummary, legs: Sequence[Leg], progress: ReportProgress
) -> None:
    columns = select(Flight.carrier_id, Flight.number, Flight.scheduled_departure)
    present = {tuple(key) for key in db.execute(columns)}
    gates = gates_of(legs)
    missing = [
        leg for leg in legs if (leg.carrier, leg.number, leg.scheduled_departure) not in present
    ]
    summary.added["Flight"] = len(missing)
    summary.present["Flight"] = len(legs) - len(missing)
    for begin in range(0, len(missing), FLUSH_EVERY):
        progress(begin, len(missing))
        db.add_all(_flight(leg, gates[leg]) for leg in missing[begin : begin + FLUSH_EVERY])
        db.flush()
    progress(len(missing), len(missing))


def _flight(leg: Leg, gate: str | None) -> Flight:
    return Flight(
        carrier_id=leg.carrier,
        number=leg.number,
        origin_id=leg.origin,
        dest_id=leg.dest,
        aircraft_id=leg.aircraft,
        scheduled_departure=leg.scheduled_departure,
        scheduled_arrival=leg.scheduled_arrival,
        gate=gate,
    )
