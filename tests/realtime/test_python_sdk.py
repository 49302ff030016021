"""The Python SDK as a client of a real server: it knows nothing of us, and works."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import centrifuge  # type: ignore[import-untyped]  # it ships no types
import pytest

from tests.realtime.house import SECONDS, House, house_at
from trivet import Identity

pytestmark = pytest.mark.anyio

DEN = "lounge:den"
SEVEN = Identity(user_id=7, username="user 7", kind="session")


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url) as house:
        await house.add_user(7)
        yield house


async def client_of(house: House, **options: Any) -> centrifuge.Client:
    async def get_token() -> str:
        return house.platform.tokens.connection(SEVEN, info={"name": "Ada"})

    return centrifuge.Client(house.url, get_token=get_token, **options)


async def test_it_publishes_asks_and_recovers(house: House) -> None:
    client = await client_of(house)
    heard: asyncio.Queue[Any] = asyncio.Queue()
    subscribed: asyncio.Queue[Any] = asyncio.Queue()
    subscription = client.new_subscription(DEN)

    async def hear(context: centrifuge.PublicationContext) -> None:
        heard.put_nowait((context.pub.offset, context.pub.data["text"]))

    async def note(context: centrifuge.SubscribedContext) -> None:
        subscribed.put_nowait((context.was_recovering, context.recovered))

    subscription.events.on_publication = hear
    subscription.events.on_subscribed = note
    async with asyncio.timeout(SECONDS):
        await client.connect()
        await subscription.subscribe()
        await subscription.ready()
        assert await subscribed.get() == (False, False)
        await subscription.publish({"text": "one"})
        assert await heard.get() == (1, "one")
        presence = await subscription.presence()
        assert [(each.user, each.conn_info) for each in presence.clients.values()] == [
            ("7", {"name": "Ada"})
        ]
        assert (await subscription.presence_stats()).num_users == 1
        assert len((await subscription.history(limit=-1)).publications) == 1
        assert (await client.rpc("lounge:count", "den")).data == {"remarks": 1}
        with pytest.raises(centrifuge.CentrifugeError):
            await subscription.publish({"text": ""})
        await client.disconnect()

        other = await client_of(house)
        same = other.new_subscription(DEN)
        await other.connect()
        await same.subscribe()
        await same.ready()
        await same.publish({"text": "two"})
        await same.publish({"text": "three"})
        await other.disconnect()

        await client.connect()
        assert await subscribed.get() == (True, True)
        assert [await heard.get(), await heard.get()] == [(2, "two"), (3, "three")]
        await client.disconnect()


async def test_a_client_that_speaks_protobuf_gives_up(house: House) -> None:
    client = await client_of(house, use_protobuf=True)
    ended: asyncio.Queue[int] = asyncio.Queue()

    async def note(context: centrifuge.DisconnectedContext) -> None:
        ended.put_nowait(context.code)

    client.events.on_disconnected = note
    async with asyncio.timeout(SECONDS):
        await client.connect()
        assert await ended.get() == 3506
