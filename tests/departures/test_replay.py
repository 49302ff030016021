"""The replay, against a real server: reports as airlines would, and copes as they must."""

import asyncio
import datetime as dt
from collections import Counter
from pathlib import Path

import pytest
import typer
from anyio import to_thread
from sqlalchemy import func, select
from typer.testing import CliRunner

from departures.importing import import_week
from departures.models import Flight, FlightStatus, Movement
from departures.replay import ReplayError, main, replay_week
from departures.services import cancel_flights
from departures.timetable import DATA
from tests.departures.house import STAFF, Desk
from tests.services.people import People
from tests.services.server import Server, StartServer
from trivet.identity import system

pytestmark = pytest.mark.anyio

SPEED = 1_000_000.0
IMPORTER = system("import")
START = dt.datetime(2013, 2, 4, 11, 0, tzinfo=dt.UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Thirty flights of one morning, one of them cancelled."""
    for name in ("airlines.csv", "airports.csv", "planes.csv", "cities.csv"):
        (tmp_path / name).symlink_to(DATA / name)
    header, *flights = (DATA / "flights-2013-02-04-to-10.csv").read_text().splitlines()
    cancelled = next(
        line for line in flights if ",NA,NA,NA" in line or line.startswith("2013,2,4,NA")
    )
    (tmp_path / "flights-few.csv").write_text("\n".join([header, *flights[:29], cancelled]) + "\n")
    return tmp_path


@pytest.fixture
def fresh_database_url(peopled_database_url: str) -> str:
    """In this module, also the desk's database has people."""
    return peopled_database_url


@pytest.fixture
def key(desk: Desk, people: People, data: Path) -> str:
    """A superuser's key, on a database with the flights."""
    with desk.unit(IMPORTER) as db:
        import_week(db, IMPORTER, data=data)
    return people.keys["chief"]


@pytest.fixture
def served(key: str, fresh_database_url: str, start_server: StartServer) -> Server:
    return start_server(database_url=fresh_database_url)


def statuses(desk: Desk) -> Counter[str]:
    with desk.unit() as db:
        return Counter(str(status) for status in db.scalars(select(Flight.status)))


def count_movements(desk: Desk) -> int:
    with desk.unit() as db:
        return db.scalar(select(func.count()).select_from(Movement)) or 0


async def test_the_replay_reports_everything_once_and_ends(
    served: Server, key: str, data: Path, desk: Desk
) -> None:
    said: list[str] = []
    await replay_week(served.url, key, speed=SPEED, start=START, data=data, say=said.append)

    assert await to_thread.run_sync(statuses, desk) == {"landed": 29, "cancelled": 1}
    assert said[0].startswith("Replaying from Monday 04 February 2013, 11:00 UTC")
    assert said[-1].startswith("The week is over")
    recorded = await to_thread.run_sync(count_movements, desk)

    await replay_week(served.url, key, speed=SPEED, data=data)
    assert await to_thread.run_sync(count_movements, desk) == recorded


async def test_what_staff_cancelled_is_dropped_and_the_rest_goes_on(
    served: Server, key: str, data: Path, desk: Desk
) -> None:
    def cancel_one() -> int:
        with desk.unit() as db:
            flight = db.scalar(select(Flight.id).order_by(Flight.scheduled_departure).limit(1))
            assert flight is not None
            cancel_flights(db, STAFF, [flight])
            return flight

    cancelled = await to_thread.run_sync(cancel_one)
    said: list[str] = []
    await replay_week(served.url, key, speed=SPEED, data=data, say=said.append)

    flight = await to_thread.run_sync(desk.flight, cancelled)
    assert flight.status is FlightStatus.CANCELLED
    assert await to_thread.run_sync(statuses, desk) == {"landed": 28, "cancelled": 2}
    assert any(line.startswith("Refused: ") and "is cancelled" in line for line in said)


async def test_a_key_that_opens_nothing_ends_the_replay_with_a_sentence(
    served: Server, data: Path
) -> None:
    with pytest.raises(ReplayError, match=r"."):
        await replay_week(served.url, "tvt_" + "a" * 12 + "_" + "b" * 43, data=data)


async def test_an_outage_of_the_server_is_waited_out(data: Path) -> None:
    answers = iter(
        [
            b"",
            b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
            b'HTTP/1.1 401 Unauthorized\r\ncontent-length: 16\r\n\r\n{"detail": "No"}',
        ]
    )

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(answers))
        writer.close()

    said: list[str] = []
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ReplayError, match="There is no board to replay on"):
            await replay_week(f"http://127.0.0.1:{port}", "key", data=data, say=said.append)

    assert len(said) == 1
    assert said[0].startswith("The server does not answer as it should")


def test_the_command_ends_with_a_sentence_and_a_code() -> None:
    app = typer.Typer()
    app.command()(main)

    ended = CliRunner().invoke(
        app, ["http://localhost:1", "--speed", "0.5"], env={"TRIVET_KEY": "k"}
    )

    assert ended.exit_code == 2
    assert "--speed" in ended.output
