"""Flights to test with, and units of work on the database of a test."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Engine, create_engine, event, make_url, select
from sqlalchemy.orm import Session

from departures import events, rules
from departures.models import Aircraft, Airline, Airport, Flight
from trivet.data.capture import Capture
from trivet.data.session import TrivetSession
from trivet.events.feeds import collect_feeds
from trivet.events.outbox import PublicationRow
from trivet.identity import Identity
from trivet.origin import Origin
from trivet.rules.registry import collect_rules

MORNING = dt.datetime(2013, 2, 4, 12, 0, tzinfo=dt.UTC)
"""Seven o'clock in New York, when the first flight of `add_flights` departs."""

STAFF = Identity(
    user_id=1,
    username="staff",
    kind="session",
    permissions=frozenset({"departures.view_flight", "departures.change_flight"}),
)
PLANNER = Identity(
    user_id=4,
    username="planner",
    kind="session",
    permissions=frozenset({"departures.view_flight", "departures.view_airport"}),
)
REPORTER = frozenset({"departures.add_movement"})
AIRLINE = Identity(user_id=2, username="airline", kind="key", permissions=REPORTER)
OTHER_AIRLINE = Identity(user_id=3, username="other airline", kind="key", permissions=REPORTER)


def minutes(count: int) -> dt.timedelta:
    return dt.timedelta(minutes=count)


@dataclass
class Statements:
    """How many statements an engine executed."""

    count: int = 0


class Desk:
    """A database with the departures' feeds, for tests that call services directly."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.engine: Engine = create_engine(parsed)
        self._capture = Capture(collect_feeds([events]), rules=collect_rules([rules]))

    @contextmanager
    def unit(self, actor: Identity | None = None) -> Iterator[TrivetSession]:
        """A session that commits at the end, and rolls back on an exception."""
        with TrivetSession(
            bind=self.engine, capture=self._capture, origin=Origin(actor), expire_on_commit=False
        ) as session:
            yield session
            session.commit()

    @contextmanager
    def statements(self) -> Iterator[Statements]:
        """Count the reads that are executed meanwhile."""
        counted = Statements()

        def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            counted.count += statement.lstrip().startswith("SELECT")

        event.listen(self.engine, "before_cursor_execute", count)
        try:
            yield counted
        finally:
            event.remove(self.engine, "before_cursor_execute", count)

    def published(self, channel: str) -> list[dict[str, Any]]:
        """The events of a channel, oldest first."""
        with self.unit() as db:
            query = select(PublicationRow.data).where(PublicationRow.channel == channel)
            return [
                msgspec.json.decode(data) for data in db.scalars(query.order_by(PublicationRow.id))
            ]

    def flight(self, flight_id: int) -> Flight:
        """The flight as it is now."""
        with self.unit() as db:
            flight = db.get(Flight, flight_id)
            assert flight is not None
            return flight


def add_flights(db: Session, count: int, **columns: Any) -> list[int]:
    """Flights B6 1, B6 2, … from JFK to BOS, ten minutes apart from `MORNING` on; their keys."""
    if db.get(Airport, "JFK") is None:
        new_york = {"time_zone": "America/New_York"}
        db.add_all(
            [
                Airline(code="B6", name="JetBlue Airways"),
                Airport(code="JFK", name="John F Kennedy Intl", city="New York JFK", **new_york),
                Airport(code="EWR", name="Newark Liberty Intl", city="Newark", **new_york),
                Airport(code="BOS", name="Logan", city="Boston", **new_york),
                Aircraft(tail_number="N304JB", manufacturer="EMBRAER", model="ERJ 190"),
            ]
        )
        db.flush()
    given = {"carrier_id": "B6", "origin_id": "JFK", "dest_id": "BOS"} | columns
    flights = []
    for number in range(1, count + 1):
        departure = MORNING + minutes(10 * (number - 1))
        flights.append(Flight(number=number, scheduled_departure=departure, **given))
        db.add(flights[-1])
        db.flush()  # one by one, so that the keys rise with the numbers
    return [flight.id for flight in flights]
