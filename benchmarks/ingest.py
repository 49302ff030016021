"""Reports of airlines' systems in batches: how many movements a second one worker takes, and how
long it takes from a request to a subscriber.

The feed posts batches to ``/api/departures/movements``, each over one of a few connections, which
send the next batch when the last one is answered. Every movement is of another flight: so each
makes a row of its own, changes a flight, leaves two entries in the audit trail and one publication
in the channel of an airport. A client of ``/ws`` listens to all channels; a movement has arrived
when that client has it, and all have to arrive. The time begins before the request is sent.

The peers take the same bodies. One is what FastAPI and SQLAlchemy's ORM make of them without an
audit trail and without publications; the other copies the movements into their table, and does
nothing else: that is the limit.
"""

import asyncio
import datetime as dt
import itertools
import json
import re
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import msgspec
import uvloop
from sqlalchemy import create_engine, insert, make_url, text
from sqlalchemy.orm import Session
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from benchmarks.database import SharedDatabase, user
from benchmarks.servers import CORES, Program, RunningServer, asgi, running, server_cores, trivet
from trivet.identity.django_tables import users
from trivet.identity.keys import issue_key

AIRPORTS = ("JFK", "LGA", "EWR")
FLIGHTS = 30_000
BATCHES = (100, 250, 500)
CONNECTIONS = 2
WARM_UP_SECONDS = 3.0
ARRIVAL_SECONDS = 30.0
"""The longest time for which the last publication may be on its way."""

MORNING = dt.datetime(2013, 2, 4, 12, 0, tzinfo=dt.UTC)
_AS_OF = re.compile(r'"as_of":"([^"]+)"')

_SEED = (
    "INSERT INTO departures_airline (code, name) VALUES ('B6', 'JetBlue Airways')",
    "INSERT INTO departures_airport (code, name, city, time_zone) "
    "SELECT code, code, code, 'America/New_York' FROM unnest(ARRAY['JFK', 'LGA', 'EWR', 'BOS']) "
    "AS given (code)",
    "INSERT INTO departures_flight (carrier_id, number, origin_id, dest_id, scheduled_departure, "
    "status, delay_minutes, version) SELECT 'B6', 1 + n % 9000, "
    "(ARRAY['JFK', 'LGA', 'EWR'])[1 + n % 3], 'BOS', "
    "timestamptz '2013-02-04 12:00Z' + n / 9000 * interval '1 hour', 'scheduled', 0, 1 "
    f"FROM generate_series(1, {FLIGHTS}) AS given (n)",
    "ANALYZE",
)


@dataclass(frozen=True, slots=True)
class Setup:
    """A server as it is measured: its program, the size of a batch, and its cores."""

    program: Program
    batch: int
    cores: frozenset[int] | None = None

    @property
    def publishes(self) -> bool:
        return not self.program.arguments

    @property
    def name(self) -> str:
        return f"{self.program.name}, batches of {self.batch}"


def setups() -> Iterator[Setup]:
    """All that is measured, in the order of the table."""
    one = trivet(features="departures", ping_seconds="3600")
    for batch in BATCHES:
        yield Setup(one, batch)
    yield Setup(
        Program(
            "Trivet, two workers on both cores",
            (),
            {
                "TRIVET_FEATURES": "departures",
                "TRIVET_BROKER": "postgresql",
                "WEB_CONCURRENCY": "2",
            },
        ),
        BATCHES[1],
        frozenset(CORES),
    )
    yield Setup(asgi("FastAPI, SQLAlchemy ORM", "ingest_orm"), BATCHES[1])
    yield Setup(asgi("COPY by asyncpg (the limit)", "ingest_copy"), BATCHES[1])


@dataclass(slots=True)
class Feed:
    """Makes batches that nobody has sent before. `sent` has the time at which each batch was sent,
    by the instant of its reports."""

    flights: list[int]
    batch: int
    instants: Iterator[int]
    sent: dict[str, float] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def next_batch(self) -> tuple[str, bytes]:
        """The instant of the reports, and the body."""
        number = next(self._number)
        # In the form in which it comes back, in the past, and none that a flight has already.
        instant = MORNING + dt.timedelta(microseconds=next(self.instants))
        at = instant.isoformat().replace("+00:00", "Z")
        first = number * self.batch
        size = len(self.flights)
        reports = [
            {
                "id": f"{id(self):x}-{each}",
                "kind": "delay",
                "flight": self.flights[each % size],
                "at": at,
                "minutes": 1 + (each // size + number) % 600,
            }
            for each in range(first, first + self.batch)
        ]
        return at, msgspec.json.encode(reports)


@dataclass(slots=True)
class Ingest:
    """What one measurement gave; durations in ms."""

    name: str
    movements: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    answered: list[float] = field(default_factory=list)
    arrived: list[float] = field(default_factory=list)

    @property
    def row(self) -> tuple[str, ...]:
        """The row of a table."""
        rate = f"{self.movements / self.seconds:,.0f}"
        cpu = f"{self.cpu_seconds / self.movements * 1e6:,.0f}"
        return self.name, rate, cpu, *_quantiles(self.answered), *_quantiles(self.arrived)


def _quantiles(durations: list[float]) -> tuple[str, str]:
    if len(durations) < 2:
        return "", ""
    cuts = statistics.quantiles(durations, n=100)
    return f"{cuts[49]:.0f}", f"{cuts[98]:.0f}"


def measure(database: SharedDatabase, *, seconds: float) -> Iterator[tuple[str, ...]]:
    """The rows of a table. The flights are made first."""
    key, flights = prepare(database)
    instants = itertools.count(1)
    for setup in setups():
        cores = set(setup.cores or server_cores())
        with running([setup.program], database, cores) as servers:
            server = servers[setup.program.name]
            feed = Feed(flights, setup.batch, instants)
            yield uvloop.run(_measure(server, setup, key, feed, seconds)).row


def prepare(database: SharedDatabase) -> tuple[str, list[int]]:
    """Add the flights. Returns the key of the airlines' system, and the keys of the flights."""
    engine = create_engine(make_url(database.url).set(drivername="postgresql+psycopg"))
    try:
        with Session(engine) as db:
            for statement in _SEED:
                db.execute(text(statement))
            values = user("airline") | {"is_superuser": True}
            owner = db.scalar(insert(users).returning(users.c.id).values(**values))
            assert owner is not None
            _, key = issue_key(db, owner_id=owner, label="ingest")
            flights = list(db.scalars(text("SELECT id FROM departures_flight ORDER BY id")))
            db.commit()
    finally:
        engine.dispose()
    return key, flights


def headers(key: str) -> dict[str, str]:
    """Of a request of the feed."""
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


async def _measure(
    server: RunningServer, setup: Setup, key: str, feed: Feed, seconds: float
) -> Ingest:
    async with (
        httpx2.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}",
            headers=headers(key),
            trust_env=False,
            timeout=60,
        ) as client,
        _listening(server, feed, is_needed=setup.publishes) as board,
    ):
        await _post(client, feed, Ingest("warm-up"), WARM_UP_SECONDS)
        await board.all_arrived()
        board.arrived.clear()
        taken, computed, began = Ingest(setup.name), server.cpu_seconds(), time.perf_counter()
        await _post(client, feed, taken, seconds)
        taken.seconds = time.perf_counter() - began
        await board.all_arrived()
        taken.cpu_seconds = server.cpu_seconds() - computed
        taken.arrived = board.arrived
        return taken


async def _post(client: httpx2.AsyncClient, feed: Feed, taken: Ingest, seconds: float) -> None:
    end = time.perf_counter() + seconds

    async def repeat() -> None:
        while time.perf_counter() < end:
            at, body = feed.next_batch()
            feed.sent[at] = began = time.perf_counter()
            answer = await client.post("/api/departures/movements", content=body)
            taken.answered.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
            assert answer.json() == {"recorded": feed.batch, "repeated": 0}, answer.text
            taken.movements += feed.batch

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(repeat())


@dataclass(slots=True)
class Board:
    """A subscriber: the ms since its request for every publication that has arrived."""

    feed: Feed
    is_needed: bool
    arrived: list[float] = field(default_factory=list)
    heard: int = 0
    fault: Exception | None = None

    async def all_arrived(self) -> None:
        """Wait until every movement that was sent has arrived."""
        expected = len(self.feed.sent) * self.feed.batch if self.is_needed else 0
        end = time.perf_counter() + ARRIVAL_SECONDS
        while self.heard < expected:
            if self.fault is not None or time.perf_counter() > end:
                raise RuntimeError(f"{self.heard} of {expected} arrived") from self.fault
            await asyncio.sleep(0.002)

    async def hear(self, connection: ClientConnection) -> None:
        """Take the frames of a socket."""
        try:
            while True:
                await self._take(connection)
        except ConnectionClosed as error:
            self.fault = error

    async def _take(self, connection: ClientConnection) -> None:
        frame = await connection.recv()
        now = time.perf_counter()
        if frame == "{}":
            await connection.send("{}")
            return
        found = _AS_OF.findall(str(frame))
        self.heard += len(found)
        self.arrived += [(now - self.feed.sent[at]) * 1000 for at in found]


@asynccontextmanager
async def _listening(server: RunningServer, feed: Feed, *, is_needed: bool) -> AsyncIterator[Board]:
    board = Board(feed, is_needed)
    if not is_needed:
        yield board
        return
    async with connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None, max_size=None) as socket:
        commands = [{"id": 1, "connect": {}}]
        commands += [
            {"id": number, "subscribe": {"channel": f"departures:{airport}"}}
            for number, airport in enumerate(AIRPORTS, start=2)
        ]
        await socket.send("\n".join(map(json.dumps, commands)))
        waits = len(commands)
        while waits:
            waits -= str(await socket.recv()).count('"id":')
        hearing = asyncio.create_task(board.hear(socket))
        try:
            yield board
        finally:
            hearing.cancel()
