"""A SQLite file that cannot serve: what the caller is told, the probe and the log."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import Note, create_tables
from tests.services.read_only import read_only
from trivet import Platform, context_of
from trivet.asgi.root import build_root
from trivet.data import outages, sqlite
from trivet.data.capture import Capture

pytestmark = [pytest.mark.anyio, pytest.mark.database("sqlite")]


def put_note(db: Session, _actor: object, words: str) -> None:
    db.add(Note(board="a", text=words))


def count_notes(db: Session, _actor: object) -> int:
    return db.query(Note).count()


async def put(request: Request) -> Response:
    await context_of(request.scope).unit.run(put_note, request.path_params["words"])
    return JSONResponse({}, 201)


async def count(request: Request) -> Response:
    return JSONResponse(await context_of(request.scope).unit.run(count_notes))


@dataclass
class Desk:
    """A client of an application with notes on a SQLite file, and the file."""

    http: httpx2.AsyncClient
    platform: Platform
    path: Path

    async def probe(self) -> tuple[int, str]:
        answer = await self.http.get("/readyz")
        return answer.status_code, answer.json()["checks"]["database"]


@pytest.fixture
async def desk(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Desk]:
    monkeypatch.setattr(sqlite, "BUSY_TIMEOUT_MS", 50)
    monkeypatch.setattr(sqlite, "PROBE_SECONDS", 0.05)
    monkeypatch.setattr(outages, "REMEMBERED_SECONDS", 30.0)  # however slow the machine is
    await anyio.to_thread.run_sync(create_tables, empty_database_url)
    platform = bare_platform(tmp_path, database_url=empty_database_url)
    platform.database.capture = Capture()
    room = Router([Route("/count", count), Route("/put/{words}", put, methods=["POST"])])
    path = Path(empty_database_url.removeprefix("sqlite:///"))
    async with client_of(build_root(platform, [mounted(room)])) as client:
        yield Desk(client, platform, path)
    await platform.database.close()


@asynccontextmanager
async def entered(spoiled: AbstractContextManager[None]) -> AsyncIterator[None]:
    """What touches files does so on a thread: this is the event loop's."""
    await asyncio.to_thread(spoiled.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(spoiled.__exit__, None, None, None)


@contextmanager
def made_read_only(desk: Desk) -> Iterator[None]:
    with read_only(f"sqlite:///{desk.path}"):
        yield


@contextmanager
def filled_up(desk: Desk) -> Iterator[None]:
    """No page more: what SQLite says then is what it says when the disk has none."""

    def limit(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    engine = desk.platform.database.engine.sync_engine
    event.listen(engine, "connect", limit)
    yield
    event.remove(engine, "connect", limit)


@contextmanager
def locked_by_a_writer(desk: Desk) -> Iterator[None]:
    with closing(
        sqlite3.connect(desk.path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def locked_for_readers_too(desk: Desk) -> Iterator[None]:
    with closing(
        sqlite3.connect(desk.path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def moved_away(desk: Desk) -> Iterator[None]:
    moved = desk.path.with_name("moved")
    desk.path.rename(moved)
    desk.path.symlink_to(desk.path)  # or SQLite would make another file
    yield
    desk.path.unlink()
    moved.rename(desk.path)


@dataclass(frozen=True)
class Scenario:
    name: str
    spoil: Callable[[Desk], Any]
    sentence: str
    state: str
    probed: str
    reads: bool


SCENARIOS = (
    Scenario("read-only", made_read_only, "can only be read", "read-only", "read-only", True),
    Scenario("full", filled_up, "no disk space", "out of disk space", "out of disk space", True),
    # Others write: that is no reason to send requests elsewhere, nor for a probe to wait.
    Scenario("writer", locked_by_a_writer, "locked by other work", "locked", "ok", True),
    Scenario("all", locked_for_readers_too, "locked by other work", "locked", "locked", False),
    Scenario("gone", moved_away, "cannot be opened", "cannot be opened", "cannot be opened", False),
)  # fmt: skip


async def fill(desk: Desk) -> httpx2.Response:
    """The first refusal. A disk is full when the free pages of the file are used up."""
    number = 0
    while True:
        answer = await desk.http.post(f"/app/put/{'x' * 40}{number}")
        if answer.status_code != 201 or number > 300:
            return answer
        number += 1


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
async def test_a_file_that_cannot_serve_says_so_everywhere_and_serves_when_it_can(
    desk: Desk, scenario: Scenario, json_log: Callable[[], str]
) -> None:
    assert (await desk.http.post("/app/put/first")).status_code == 201
    assert (await desk.probe())[1] == "ok"
    await desk.platform.database.close()  # SQLite's connections would keep what they have open
    async with entered(scenario.spoil(desk)):
        refused = await fill(desk)
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) > 0
        assert scenario.sentence in refused.json()["detail"]
        assert (await desk.probe())[1] == scenario.probed
        read = await desk.http.get("/app/count")
        assert read.status_code == (200 if scenario.reads else 503)
    assert f'"state":"{scenario.state}"' in json_log()

    if scenario.name == "full":
        await desk.platform.database.close()  # the limit was the connection's
    last = await desk.http.post("/app/put/last")
    if last.status_code == 503:  # by the connection that has read meanwhile, and is dropped now
        last = await desk.http.post("/app/put/last")
    assert last.status_code == 201


async def test_asking_for_a_file_makes_none(tmp_path: Path) -> None:
    platform = bare_platform(tmp_path)
    with pytest.raises(sqlite3.OperationalError):
        await platform.database.ping()
    assert not await anyio.Path(tmp_path / "bare.sqlite3").exists()


async def test_what_is_remembered_of_a_refused_write_is_soon_forgotten(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or no balancer would send the write that could find the database cured."""
    monkeypatch.setattr(outages, "REMEMBERED_SECONDS", 0.0)
    async with entered(made_read_only(desk)):
        assert (await desk.http.post("/app/put/x")).status_code == 503
        assert (await desk.probe())[1] == "ok"
