"""Rows that go together with those by which somebody saw them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import selectinload

from tests.realtime.freight.models import Ban, Consignment, CrewPlace, Handler, Parcel, Stage
from tests.realtime.house import House
from tests.realtime.live_house import CHANNEL, CREW, end, heard, live_house, next_event
from trivet.events.gone_rows import COPIES_MAX
from trivet.events.outbox import PublicationRow

pytestmark = pytest.mark.anyio

PARCELS = "freight:parcels"


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with live_house(empty_database_url) as house:
        yield house


async def listening(
    stack: AsyncExitStack, house: House, channel: str, badges: list[str]
) -> dict[str, Any]:
    sockets = {}
    for badge in badges:
        socket = await stack.enter_async_context(house.socket(badge))
        await socket.connect()
        result = await socket.subscribe(channel)
        sockets[badge] = socket, {name: result.get(name, 0) for name in ("epoch", "offset")}
    return sockets


def kinds_of(publications: list[Any]) -> list[tuple[str, str]]:
    return [(each["data"]["kind"], each["data"]["key"]) for each in publications]


async def carried(house: House, *codes: str) -> list[int]:
    """Consignments that the crew carries."""
    async with house.platform.database.unit() as session:
        rows = [Consignment(code=code, crew_id=CREW) for code in codes]
        session.add_all(rows)
        await session.flush()
        return [row.id for row in rows]


async def crew(session: Any) -> list[CrewPlace]:
    return list(await session.scalars(select(CrewPlace)))


async def test_who_saw_a_row_hears_that_it_went_together_with_their_own_sight_of_it(
    house: House,
) -> None:
    (key,) = await carried(house, "c")
    async with AsyncExitStack() as stack:
        sockets = await listening(stack, house, CHANNEL, ["3", "4", "9", "8 staff"])
        async with house.platform.database.unit() as session:
            for place in await crew(session):
                await session.delete(place)
            await session.flush()
            await session.delete(await session.get_one(Consignment, key))
        await end(house)
        gone = [("delete", str(key))]
        for badge, (socket, _) in sockets.items():
            assert kinds_of(await heard(socket)) == ([] if badge == "9" else gone), badge
        for badge, (_, since) in sockets.items():
            async with house.socket(badge) as socket:
                await socket.connect()
                result = await socket.subscribe(CHANNEL, recover=True, **since)
                assert result["recovered"]
                missed = result["publications"][:-1]
                assert kinds_of(missed) == ([] if badge == "9" else gone), badge
                asked = {"channel": CHANNEL, "since": since, "limit": 10}
                history = (await socket.ask({"id": 3, "history": asked}))["history"]
                assert history["publications"][:-1] == missed


async def test_links_that_go_with_a_row_showed_it_and_a_ban_that_goes_hid_it(
    house: House,
) -> None:
    async with house.platform.database.unit() as session:
        now = datetime.now(UTC)
        handlers = [
            Handler(user_id=3, since=now, tools={"a": 1}, pin="1234"),
            Handler(user_id=4),
            Handler(user_id=1, stage=Stage.SHUT),
            Handler(user_id=2),
        ]
        parcel = Parcel(handlers=handlers)
        session.add_all([parcel, Parcel(handlers=[*handlers])])
        await session.flush()
        session.add(Ban(parcel_id=parcel.id, user_id=4))
        key = parcel.id
    async with AsyncExitStack() as stack:
        sockets = await listening(stack, house, PARCELS, ["1", "2", "3", "4", "9"])
        async with house.platform.database.unit() as session:
            await session.delete(await session.get_one(Parcel, key))
        for badge in ("2", "3"):
            assert kinds_of([await next_event(sockets[badge][0])]) == [("delete", str(key))]
        async with house.platform.database.unit() as session:
            rest = await session.scalar(select(Parcel).options(selectinload(Parcel.handlers)))
            assert rest is not None
            former = list(rest.handlers)
            rest.handlers.clear()
            await session.flush()
            for each in former:
                await session.delete(each)
            await session.flush()
            await session.delete(rest)
            last = rest.id
        for badge in ("2", "3", "4"):
            assert kinds_of([await next_event(sockets[badge][0])]) == [("delete", str(last))]
        for badge in ("1", "9"):
            socket, since = sockets[badge]
            asked = {"channel": PARCELS, "since": since, "limit": 10}
            history = (await socket.ask({"id": 3, "history": asked}))["history"]
            assert history.get("publications", []) == []


async def test_a_row_that_leaves_a_sight_which_goes_is_gone_for_it(house: House) -> None:
    (key,) = await carried(house, "c")
    async with AsyncExitStack() as stack:
        sockets = await listening(stack, house, CHANNEL, ["3", "4", "9"])
        async with house.platform.database.unit() as session:
            (await session.get_one(Consignment, key)).crew_id = None
            for place in await crew(session):
                await session.delete(place)
        await end(house)
        for badge, (socket, _) in sockets.items():
            told = [] if badge == "9" else [("delete", str(key))]
            assert kinds_of(await heard(socket)) == told


async def test_what_a_savepoint_kept_is_no_row_that_went(house: House) -> None:
    (key,) = await carried(house, "c")
    async with house.platform.database.unit() as session:
        savepoint = await session.begin_nested()
        for place in await crew(session):
            await session.delete(place)
        await session.flush()
        await savepoint.rollback()
        await session.delete(await session.get_one(Consignment, key))
    async with house.platform.database.unit() as session:
        kept = list(await session.scalars(select(PublicationRow.rows_gone)))
    assert "freight_crew_place" not in "".join(filter(None, kept))


async def test_where_too_much_went_pages_read_their_rows_anew(house: House) -> None:
    number = int(COPIES_MAX**0.5) + 1
    keys = await carried(house, *(f"c{n}" for n in range(number)))
    async with house.platform.database.unit() as session:
        session.add_all([CrewPlace(crew_id=CREW, user_id=100 + n) for n in range(number)])
    async with AsyncExitStack() as stack:
        sockets = await listening(stack, house, CHANNEL, ["3", "9", "8 staff"])
        async with house.platform.database.unit() as session:
            for place in await crew(session):
                await session.delete(place)
            for key in keys:
                await session.delete(await session.get_one(Consignment, key))
        await end(house)
        assert len(await heard(sockets["8 staff"][0])) == number
        for badge in ("3", "9"):
            socket, since = sockets[badge]
            while not (received := await socket.receive()):
                await socket.send({})
            assert received["push"] == {
                "channel": CHANNEL,
                "unsubscribe": {"code": 2500, "reason": "insufficient state"},
            }
            result = await socket.subscribe(CHANNEL, recover=True, **since)
            assert not result.get("recovered", False)
            assert result.get("publications", []) == []
