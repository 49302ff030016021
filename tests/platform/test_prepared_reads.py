"""What is read again and again is prepared: psycopg forgets its statements at a ROLLBACK."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import Note
from tests.services.pooler import pooler_for
from trivet import Conflict, Identity, Platform, context_of
from trivet.asgi.root import build_root
from trivet.data.capture import Capture
from trivet.data.outages import MIGRATED

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


def read_texts(db: Session, _actor: Identity) -> int:
    return len(db.execute(select(Note.text, Note.board)).all())


SERVICES = {each.__name__: each for each in (read, read_and_object, read_and_change, read_texts)}


async def ask(request: Request) -> Response:
    service = SERVICES[request.path_params["service"]]
    return JSONResponse(await context_of(request.scope).unit.run(service))


@asynccontextmanager
async def platform_at(url: str, tmp_path: Path, **settings: Any) -> AsyncIterator[Platform]:
    """With one connection for all."""
    platform = bare_platform(tmp_path, database_url=url, database_connections=1, **settings)
    platform.database.capture = Capture()
    yield platform
    await platform.database.close()


@pytest.fixture
async def platform(notes_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    async with platform_at(notes_url, tmp_path) as platform:
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


async def test_a_column_that_got_another_type_costs_one_try_again_and_no_500(
    client: httpx2.AsyncClient, platform: Platform
) -> None:
    for _ in range(OFTEN):
        assert (await client.get("/app/read_texts")).status_code == 200
    assert await count_prepared(platform) == 1
    async with await psycopg.AsyncConnection.connect(platform.settings.database_url) as migrating:
        await migrating.execute("ALTER TABLE test_note ALTER COLUMN board TYPE varchar(777)")
        await migrating.execute("ALTER TABLE test_note ALTER COLUMN board TYPE text")
    refused = await client.get("/app/read_texts")
    assert (refused.status_code, refused.json()["detail"]) == (503, MIGRATED.detail)
    assert int(refused.headers["retry-after"]) > 0
    assert (await client.get("/app/read_texts")).status_code == 200


@pytest.mark.parametrize(
    ("is_behind", "pooler", "prepared"),
    [
        (True, "none", 0),  # recognised: it tells its clients a process id that is none of ours
        (True, "session", 1),
        (True, "transaction", 0),
        (False, "transaction", 0),
        (False, "session", 1),
    ],
)
async def test_nothing_is_prepared_where_it_could_not_be_found_again(
    platform: Platform, tmp_path: Path, is_behind: bool, pooler: str, prepared: int
) -> None:
    direct = platform.settings.database_url
    server = make_url(direct)
    async with pooler_for(server.host, server.port) as port:
        pooled = server.set(port=port).render_as_string(hide_password=False)
        url = pooled if is_behind else f"{direct}?application_name=other"
        named = {"database_pooler": pooler, "direct_database_url": direct}
        async with platform_at(url, tmp_path, **named) as other:
            for _ in range(OFTEN):
                async with other.open_unit(read_only=True) as unit:
                    assert await unit.run(read) == 0
            assert await count_prepared(other) == prepared
            assert await other.database.ping() == "", "the server can be written to"
