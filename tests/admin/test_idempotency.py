"""Idempotency-Key where the change is made on Django's connection."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from starlette.requests import HTTPConnection

from tests.admin.house import ORIGIN, House, make_settings
from tests.admin.stock.models import Item
from trivet import Identity
from trivet.asgi.mount import MountedApp
from trivet.asgi.root import build_root
from trivet.data.django import DjangoTransaction, DjangoTransactions
from trivet.features import Feature
from trivet.origin import Origin
from trivet.platform import open_platform
from trivet_admin.auth.login import DjangoAccounts
from trivet_admin.transactions import ThreadedTransactions
from trivet_api import Unit, public
from trivet_api.answers import HttpAnswers
from trivet_api.include import include
from trivet_api.problems import install_problems

pytestmark = pytest.mark.anyio


class AlwaysBoss:
    is_ambient = False

    def find_credential(self, connection: HTTPConnection) -> str | None:
        return "boss"

    async def authenticate(self, credential: str, session: AsyncSession) -> Identity | None:
        return Identity(1, credential, "session", is_superuser=True)


class Interrupted:
    """Django's transactions, before the first of which something else happens."""

    def __init__(self, django: DjangoTransactions, first: Callable[[], Awaitable[Any]]) -> None:
        self._django = django
        self._first: Callable[[], Awaitable[Any]] | None = first

    async def open(self, origin: Origin, **options: Any) -> DjangoTransaction:
        first, self._first = self._first, None
        if first is not None:
            await first()
        return await self._django.open(origin, **options)


router = APIRouter()


def add_item(db: Session, _actor: Identity, name: str) -> int:
    item = Item(name=name, category_id="tools")
    db.add(item)
    db.flush()
    return item.id


def add_item_by_django(_db: Session, _actor: Identity, name: str) -> int:
    from django.apps import apps

    item: Any = apps.get_model("stock", "Item")
    return int(item.objects.create(name=name, category_id="tools").pk)


@router.post("/items/{name}", dependencies=[public])
async def post_item(name: str, unit: Unit, request: Request, how: str = "") -> list[int]:
    if how == "waits":
        made = [await unit.run(add_item, name)]
        request.app.state.entered.set()
        await request.app.state.go.wait()
        return made
    if how == "loop":
        return [await unit.run(add_item, name)]
    if how == "swallows":
        try:
            return [await unit.run_with_django(add_item_by_django, name)]
        except Exception:  # noqa: BLE001  # what this endpoint is about
            return [await unit.run_with_django(add_item_by_django, "swallowed")]
    made = [await unit.run_with_django(add_item_by_django, name)]
    return [*made, await unit.run(add_item, f"{name} too")] if how == "both" else made


@dataclass
class Process:
    """One of several on a database, with a client of it. The endpoint that waits has entered when
    it says so, and goes on when it is told."""

    house: House
    client: httpx2.AsyncClient
    entered: asyncio.Event
    go: asyncio.Event


Build = Callable[..., Process]


@pytest.fixture
async def build(
    stock: tuple[Feature, ...], shelves: None, database_url: str
) -> AsyncIterator[Build]:
    """Makes processes on one database, with an interruption before the first use of Django."""
    houses: list[House] = []
    entered, go = asyncio.Event(), asyncio.Event()

    def build_one(first: Callable[[], Awaitable[Any]] | None = None, **given: Any) -> Process:
        settings = make_settings(database_url, **given)
        django: DjangoTransactions = ThreadedTransactions(settings.django_threads)
        if first is not None:
            django = Interrupted(django, first)
        platform = open_platform(settings, stock, accounts=DjangoAccounts(), django=django)
        _ = platform.database.read_engine  # makes the engine, which looks at the file system
        app = FastAPI()
        app.state.entered, app.state.go = entered, go
        install_problems(app)
        include(app, router)
        mounted = MountedApp("api", "/api", HttpAnswers(app, app), lifespan=False)
        root = build_root(platform, [mounted], authenticators=[AlwaysBoss()])
        houses.append(House(platform, root))
        transport = httpx2.ASGITransport(app=root, raise_app_exceptions=False)
        return Process(
            houses[-1], httpx2.AsyncClient(transport=transport, base_url=ORIGIN), entered, go
        )

    yield build_one
    for house in houses:
        await house.platform.database.close()


KEY = {"idempotency-key": "k1"}
MADE = "SELECT count(*) FROM stock_item WHERE name NOT IN ('Hammer', 'Saw', 'Bear')"


@pytest.mark.parametrize(("how", "rows"), [("django", 1), ("both", 2), ("loop", 1)])
async def test_many_at_once_make_one_change_on_whichever_connection(
    build: Build, how: str, rows: int
) -> None:
    one, two = build(), build()
    path = f"/api/items/new?how={how}"
    answers = await asyncio.gather(
        *(each.client.post(path, headers=KEY) for _ in range(10) for each in (one, two))
    )
    assert {(each.status_code, each.content) for each in answers} == {(200, answers[0].content)}
    assert sum("idempotent-replayed" in each.headers for each in answers) == 19
    assert await one.house.value(MADE) == rows
    assert len(await one.house.told()) == rows


@pytest.mark.parametrize("how", ["django", "both", "swallows"])
async def test_who_loses_the_key_on_the_way_to_django_gives_the_winners_answer(
    build: Build, how: str
) -> None:
    other = build()
    winners: list[Any] = []

    async def win() -> None:
        winners.append(await other.client.post(f"/api/items/new?how={how}", headers=KEY))

    loser = build(win)
    answer = await loser.client.post(f"/api/items/new?how={how}", headers=KEY)
    assert (answer.status_code, answer.content) == (200, winners[0].content)
    assert answer.headers["idempotent-replayed"] == "true"
    assert await loser.house.value(MADE) == len(answer.json())


async def test_who_loses_the_key_to_one_that_runs_on_is_told_so(build: Build) -> None:
    """An endpoint that swallows what it is told commits nothing, and spoils no other answer."""
    other = build()
    running: list[asyncio.Task[Any]] = []

    async def win() -> None:
        path = "/api/items/slow?how=waits"
        running.append(asyncio.create_task(other.client.post(path, headers=KEY)))
        await other.entered.wait()

    async with asyncio.timeout(60):
        loser = build(win, idempotency_wait_seconds=0.2)
        losing = asyncio.create_task(loser.client.post("/api/items/new?how=swallows", headers=KEY))
        if loser.house.platform.database.is_sqlite:  # its one writer is waited for in the database
            await other.entered.wait()
            other.go.set()
            assert (await losing).status_code == 422
        else:
            answer = await losing
            assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-in-use")
            other.go.set()
        (winner,) = await asyncio.gather(*running)
        again = await other.client.post("/api/items/slow?how=waits", headers=KEY)
    assert (again.status_code, again.content) == (200, winner.content)
    assert await loser.house.rows("SELECT name FROM stock_item WHERE id > 3") == [("Slow",)]


async def test_who_loses_the_key_to_another_request_is_refused(build: Build) -> None:
    other = build()

    async def win() -> None:
        await other.client.post("/api/items/other?how=loop", headers=KEY)

    loser = build(win)
    answer = await loser.client.post("/api/items/new?how=swallows", headers=KEY)
    assert (answer.status_code, answer.json()["code"]) == (422, "idempotency-key-reused")
    assert await loser.house.rows("SELECT name FROM stock_item WHERE id > 3") == [("Other",)]


async def test_keys_are_not_audited_and_what_was_made_under_them_is(build: Build) -> None:
    process = build()
    for _ in "12":
        await process.client.post("/api/items/new?how=both", headers=KEY)
    audited = await process.house.rows(
        "SELECT table_name, count(*) FROM trivet_audit_entry GROUP BY 1"
    )
    assert dict(audited)["stock_item"] == 2
    assert "trivet_idempotency_key" not in dict(audited)
