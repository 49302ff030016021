"""What is read again and again is prepared: psycopg forgets its statements at a ROLLBACK."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import Note, create_tables
from trivet import Conflict, Identity, Platform, context_of
from trivet.asgi.root import build_root
from trivet.data.capture import Capture

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

OFTEN = 8
"""psycopg prepares what it has sent five times."""
PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%test_note%'"


def read(db: Session, _actor: Identity) -> int:
    return db.query(Note).count()


def read_and_object(db: Session, actor: Identity) -> int:
    read(db, actor)
    raise Conflict("no", "No.")


def read_and_change(db: Session, actor: Identity) -> int:
    read(db, actor)
    db.add(Note(board="a", text="smuggled"))
    return 0


SERVICES = {each.__name__: each for each in (read, read_and_object, read_and_change)}


async def ask(request: Request) -> Response:
    service = SERVICES[request.path_params["service"]]
    return JSONResponse(await context_of(request.scope).unit.run(service))


@asynccontextmanager
async def platform_at(url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    """With one connection for all."""
    platform = bare_platform(tmp_path, database_url=url, database_connections=1)
    platform.database.capture = Capture()
    yield platform
    await platform.database.close()


@pytest.fixture
async def platform(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    await anyio.to_thread.run_sync(create_tables, empty_database_url)
    async with platform_at(empty_database_url, tmp_path) as platform:
        yield platform


@pytest.fixture
async def client(platform: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    room = Router([Route("/{service}", ask)])
    async with client_of(build_root(platform, [mounted(room)])) as client:
        yield client


async def count_prepared(platform: Platform) -> Any:
    """How many statements on notes the one connection has prepared; looked at without an end of
    a transaction that would change the answer."""
    async with platform.database.single_query() as session:
        return await session.scalar(text(PREPARED))


async def test_the_reads_of_safe_requests_are_prepared(
    client: httpx2.AsyncClient, platform: Platform
) -> None:
    for _ in range(OFTEN):
        assert (await client.get("/app/read")).status_code == 200
    assert await count_prepared(platform) == 1


@pytest.mark.parametrize("service", ["read_and_object", "read_and_change"])
async def test_a_unit_that_failed_or_wrote_rolls_back(
    client: httpx2.AsyncClient, platform: Platform, service: str
) -> None:
    for _ in range(OFTEN):
        await client.get("/app/read")
    assert (await client.get(f"/app/{service}")).status_code in {409, 500}
    assert await count_prepared(platform) == 0
    assert (await client.get("/app/read")).json() == 0


async def test_behind_a_pooler_nothing_is_prepared(platform: Platform, tmp_path: Path) -> None:
    """A pooler tells its clients a process id that is none of the server's."""
    server = make_url(platform.settings.database_url)
    async with pooler_for(server.host, server.port) as port:
        url = server.set(port=port).render_as_string(hide_password=False)
        async with platform_at(url, tmp_path) as behind:
            for _ in range(OFTEN):
                async with behind.open_unit(read_only=True) as unit:
                    assert await unit.run(read) == 0
            assert await count_prepared(behind) == 0


KEY_DATA = b"K\x00\x00\x00\x0c"
"""The head of PostgreSQL's message BackendKeyData; the process id follows."""


@asynccontextmanager
async def pooler_for(host: str | None, port: int | None) -> AsyncIterator[int]:
    """A port that leads to the server and changes the process id, as poolers do."""

    async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            head, found, rest = data.partition(KEY_DATA)
            target.write(head + found + b"\x7f\xff\xff\xff" + rest[4:] if found else data)
        target.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(pump(reader, to_server), pump(from_server, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
