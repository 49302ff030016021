"""No statement of a request takes longer than the setting allows; what it began is undone."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.orm import Session
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router

from tests.platform.bare import bare_platform, client_of, mounted
from tests.platform.notes import Note, add_note, as_service
from tests.services.pooler import pooler_for
from tests.services.slow import BRIEF_SECONDS, COUNT, count_endlessly, count_slowly
from trivet import Platform, context_of
from trivet.asgi.root import build_root
from trivet.data.capture import Capture

pytestmark = pytest.mark.anyio

MILLISECONDS = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"


def add_and_count(db: Session) -> Any:
    add_note(db, "a", "unfinished")
    db.flush()
    return count_endlessly(db)


def find_texts(db: Session) -> list[str]:
    return [note.text for note in db.query(Note)]


def find_limit(db: Session) -> str:
    return str(db.scalar(text(MILLISECONDS)))


SERVICES: dict[str, Callable[[Session], Any]] = {
    each.__name__: each
    for each in (count_endlessly, add_and_count, find_texts, count_slowly, find_limit)
}


async def ask(request: Request) -> Response:
    context = context_of(request.scope)
    if request.path_params["kind"] == "single":
        context.require_transaction().ask_once()
    service = SERVICES[request.path_params["service"]]
    return JSONResponse(await context.unit.run(as_service(service)))


ROUTES = [Route("/{kind}/{service}", ask, methods=["GET", "POST"])]


def open_platform(url: str, tmp_path: Path, seconds: float, **settings: Any) -> Platform:
    """With one connection for all, so that what a stopped statement leaves on it is seen."""
    settings = {"database_url": url, "statement_seconds": seconds, **settings}
    platform = bare_platform(tmp_path, database_connections=1, **settings)
    platform.database.capture = Capture()
    _ = platform.database.read_engine  # SQLAlchemy looks at the file system for it
    return platform


def client_at(platform: Platform) -> Any:
    return client_of(build_root(platform, [mounted(Router(ROUTES))]))


@pytest.fixture
async def limited(notes_url: str, tmp_path: Path) -> AsyncIterator[Platform]:
    platform = open_platform(notes_url, tmp_path, 0.5)
    yield platform
    await platform.database.close()


@pytest.fixture
async def client(limited: Platform) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_at(limited) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/app/unit/count_endlessly"),
        ("POST", "/app/unit/count_endlessly"),
        ("POST", "/app/unit/add_and_count"),
        ("GET", "/app/single/count_endlessly"),
    ],
)
async def test_a_statement_over_the_limit_is_503_and_leaves_nothing(
    client: httpx2.AsyncClient, method: str, path: str, json_log: Callable[[], str]
) -> None:
    refused = await client.request(method, path)
    assert refused.status_code == 503
    assert refused.json()["code"] == "statement-limit"
    assert refused.headers["retry-after"] == "60"
    assert json_log().count("TRIVET_STATEMENT_SECONDS") == 1
    for kind in ("unit", "single"):
        assert (await client.get(f"/app/{kind}/find_texts")).json() == []


async def test_the_limit_is_a_statements_and_not_a_units(limited: Platform) -> None:
    def short(db: Session) -> Any:
        return db.scalar(text(COUNT.format(10**5)))

    async with limited.open_unit() as unit:
        for _ in range(3):
            assert await unit.run(as_service(short)) == 10**5
            await asyncio.sleep(0.6)  # the unit is older than the limit then


async def test_a_platform_of_a_command_has_no_limit(notes_url: str, tmp_path: Path) -> None:
    from trivet.platform import open_platform as open_any

    limited = open_platform(notes_url, tmp_path, BRIEF_SECONDS)
    free = open_any(limited.settings, (), accounts=limited.accounts, serves=False)
    _ = free.database.engine
    async with client_at(limited) as client:
        assert (await client.get("/app/unit/count_slowly")).status_code == 503
    async with client_at(free) as client:
        assert (await client.get("/app/unit/count_slowly")).json() == 3 * 10**6
    for each in (limited, free):
        await each.database.close()


@pytest.mark.database("postgresql")
@pytest.mark.parametrize(("seconds", "expected"), [(30, "700"), (0.2, "200")])
async def test_of_the_settings_limit_and_the_addresss_the_shorter_counts(
    notes_url: str, tmp_path: Path, seconds: float, expected: str
) -> None:
    url = f"{notes_url}?options=-c%20statement_timeout%3D700"
    platform = open_platform(url, tmp_path, seconds)
    async with client_at(platform) as client:
        assert (await client.get("/app/unit/find_limit")).json() == expected
    await platform.database.close()


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("read_only", [True, False])
async def test_a_service_may_ask_for_more_time_in_its_own_transaction(
    limited: Platform, read_only: bool
) -> None:
    def ask_for_more(db: Session) -> str:
        db.execute(text("SET LOCAL statement_timeout = '5min'"))
        return find_limit(db)

    async with limited.open_unit(read_only=read_only) as unit:
        assert await unit.run(as_service(ask_for_more)) == "300000"
    async with limited.open_unit(read_only=read_only) as unit:
        assert await unit.run(as_service(find_limit)) == "500"


@pytest.mark.database("postgresql")
class TestBehindAPooler:
    """It tells its clients a process id that is none of the server's."""

    @pytest.fixture
    async def url(self, notes_url: str) -> AsyncIterator[str]:
        server = make_url(notes_url)
        async with pooler_for(server.host, server.port) as port:
            yield server.set(port=port).render_as_string(hide_password=False)

    @pytest.mark.parametrize("kind", ["unit", "single"])
    @pytest.mark.parametrize("named", [True, False])
    async def test_every_transaction_has_the_limit_and_the_session_has_not(
        self, url: str, notes_url: str, tmp_path: Path, kind: str, named: bool
    ) -> None:
        pooler = {"database_pooler": "transaction", "direct_database_url": notes_url}
        platform = open_platform(url, tmp_path, 0.5, **(pooler if named else {}))
        async with client_at(platform) as client:
            assert (await client.get(f"/app/{kind}/find_limit")).json() == "500"
            assert (await client.get(f"/app/{kind}/count_endlessly")).status_code == 503
            assert (await client.get(f"/app/{kind}/find_limit")).json() == "500"
        async with platform.database.engine.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            assert await plain.scalar(text(MILLISECONDS)) == "0"
        await platform.database.close()

    async def test_a_session_that_is_lent_for_good_keeps_the_limit(
        self, url: str, tmp_path: Path
    ) -> None:
        platform = open_platform(url, tmp_path, 0.5, database_pooler="session")
        async with platform.database.engine.connect() as connection:
            plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
            assert await plain.scalar(text(MILLISECONDS)) == "500"
        await platform.database.close()
