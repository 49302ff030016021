"""Open sockets hear of rows of their tenants alone, and a membership counts at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from sqlalchemy import update

from tests.realtime.house import House, open_platform_with_django, serving
from tests.realtime.live_house import _build
from tests.services.processes import free_port
from tests.tenancy.campus.models import Enrolment, Handout, Lecture
from tests.tenancy.campus_house import NORTH, PEOPLE, SOUTH, secure_campus

pytestmark = pytest.mark.anyio

LECTURES, HANDOUTS = "campus:lectures", "campus:handouts"


@pytest.fixture(params=["rule", pytest.param("policies", marks=pytest.mark.database("postgresql"))])
async def house(request: pytest.FixtureRequest, campus_url: str) -> AsyncIterator[House]:
    if request.param == "policies":
        await asyncio.to_thread(secure_campus, campus_url)
    platform = await asyncio.to_thread(
        open_platform_with_django, campus_url, features=("tests.tenancy.campus",)
    )
    root = await asyncio.to_thread(_build, platform, None)
    house = House(platform, free_port(), root.mounts)
    async with serving(root, house.port):
        yield house


async def change(house: House, model: type[Any], number: int, text: str) -> None:
    async with house.platform.open_unit() as unit:
        row = await unit.session.get_one(model, number)
        setattr(row, "text" if model is Handout else "title", text)


async def next_row(socket: Any) -> str:
    """The title, or the text, of the row of which is told next."""
    while not (received := await socket.receive()):
        await socket.send({})
    row = received["push"]["pub"]["data"]["row"]
    return str(row.get("title", row.get("text")))


async def test_a_socket_hears_of_its_tenants_and_of_those_that_come_and_go(house: House) -> None:
    async with AsyncExitStack() as stack:
        sockets = {}
        for name in ("ada", "bob", "eve", "ann"):
            socket = await stack.enter_async_context(house.socket(str(PEOPLE[name][0])))
            await socket.connect()
            for channel in (LECTURES, HANDOUTS):
                await socket.subscribe(channel)
            sockets[name] = socket
        await change(house, Lecture, 1, "north")
        await change(house, Lecture, 2, "south")
        for name, title in {"ada": "north", "bob": "south", "eve": "north"}.items():
            assert await next_row(sockets[name]) == title
        assert await next_row(sockets["eve"]) == "south"
        await change(house, Handout, 4, "a handout")
        assert await next_row(sockets["bob"]) == "a handout"
        assert await next_row(sockets["eve"]) == "a handout"

        async with house.platform.open_unit() as unit:
            unit.session.add(Enrolment(academy_id=NORTH, person=PEOPLE["ann"][0]))
        await change(house, Lecture, 3, "for ann")
        assert [await next_row(sockets[name]) for name in ("ann", "ada", "eve")] == ["for ann"] * 3

        async with house.platform.database.engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.exec_driver_sql("SELECT set_config('trivet.tenants', '{*}', true)")
            moved = update(Enrolment).where(Enrolment.person == PEOPLE["ada"][0])
            await connection.execute(moved.values(academy_id=SOUTH))
        await change(house, Lecture, 5, "not for ada")
        await change(house, Lecture, 6, "for ada again")
        assert [await next_row(sockets[name]) for name in ("ann", "eve")] == ["not for ada"] * 2
        assert [await next_row(sockets[name]) for name in ("ada", "eve")] == ["for ada again"] * 2
