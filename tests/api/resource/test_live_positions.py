"""A list that is asked for it says where its live channel stood when its rows were read."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine, insert
from sqlalchemy.orm import Session

from tests.api.resource.bookshop_api import open_bookshop
from tests.api.resource.recital.models import Base, Critic, Poem, Poet
from tests.platform.bare import client_of
from trivet import Identity
from trivet.asgi.root import Root
from trivet.events import find_position

pytestmark = pytest.mark.anyio

POEMS, POETS = "/api/recital/poems", "/api/recital/poets"
CHANNEL = "recital:poems"


@pytest.fixture
def root(fresh_database_url: str) -> Root:
    engine = create_engine(fresh_database_url.replace("postgresql://", "postgresql+psycopg://"))
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(Poet), [{"id": 1, "name": "Emily", "phone": ""}])
        connection.execute(insert(Critic), [{"id": 1, "name": "Ambrose", "poet_id": 1}])
    engine.dispose()

    def find(badge: str) -> Identity:
        return Identity(1, badge, "session")

    return open_bookshop(fresh_database_url, find, feature="tests.api.resource.recital")


@pytest.fixture
async def client(root: Root) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(root) as client:
        client.headers["x-badge"] = "guest"
        yield client
    await root.platform.database.close()


async def write(root: Root, *titles: str) -> None:
    """One poem a transaction, so one publication each."""

    def add(db: Session, _actor: Identity, title: str) -> None:
        db.add(Poem(title=title, poet_id=1, critic_id=1))

    for title in titles:
        async with root.platform.open_unit() as unit:
            await unit.run(add, title)


async def page(client: httpx2.AsyncClient, query: str = "live=true&limit=200") -> Any:
    answer = await client.get(f"{POEMS}?{query}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_list_gives_the_position_of_its_channel(
    root: Root, client: httpx2.AsyncClient
) -> None:
    assert (await page(client))["offset"] == 0
    await write(root, "Hope", "Success")
    found = await page(client, "live=true&title=Hope")
    async with root.platform.open_unit(read_only=True) as unit:
        position = await unit.run(lambda db, _actor: find_position(db, CHANNEL))
    assert (found["epoch"], found["offset"]) == (position.epoch, position.offset)
    assert position.offset == 2
    assert [each["title"] for each in found["items"]] == ["Hope"]
    for query in ("", "live=false"):
        assert not {"epoch", "offset"} & (await page(client, query)).keys()


async def test_rows_and_position_are_of_one_moment_while_others_write(
    root: Root, client: httpx2.AsyncClient
) -> None:
    writing = asyncio.create_task(write(root, *map(str, range(25))))
    seen: set[int] = set()
    while not writing.done():
        found = await page(client)
        assert found["offset"] == len(found["items"])
        seen.add(found["offset"])
    await writing
    assert (await page(client))["offset"] == 25
    assert seen


async def test_who_may_not_subscribe_gets_no_position(client: httpx2.AsyncClient) -> None:
    del client.headers["x-badge"]
    assert (await client.get(POEMS)).status_code == 200
    assert (await client.get(f"{POEMS}?live=true")).status_code == 401


async def test_a_class_that_is_not_live_has_no_position(client: httpx2.AsyncClient) -> None:
    refused = await client.get(f"{POETS}?live=true")
    assert refused.status_code == 422
    assert refused.json()["errors"] == [
        {
            "in": "query",
            "pointer": "/live",
            "detail": "changes are not published: events.py has no live(Poet)",
        }
    ]
    for query in ("live=yes", "live=true&live=true"):
        assert (await client.get(f"{POEMS}?{query}")).json()["errors"][0]["pointer"] == "/live"


async def test_the_document_has_the_word_where_it_means_something(
    client: httpx2.AsyncClient,
) -> None:
    paths = (await client.get("/api/openapi.json")).json()["paths"]
    named = {
        path: {each["name"] for each in item["get"]["parameters"] if "name" in each}
        for path, item in paths.items()
        if "/recital/" in path
    }
    assert {path for path, names in named.items() if "live" in names} == {"/recital/poems"}
