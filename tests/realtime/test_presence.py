"""Who is subscribed, who comes and goes, and what a namespace keeps of the past."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.realtime.house import House, house_at, offsets
from tests.realtime.lounge.models import Remark
from trivet import Identity
from trivet.errors import ConfigurationError
from trivet_realtime import Namespace, channel
from trivet_realtime.channels import collect_rules

pytestmark = pytest.mark.anyio

DEN = "lounge:den"
NONE = {"num_clients": 0, "num_users": 0}


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url) as house:
        yield house


async def say(house: House, *texts: str, room: str = "den") -> None:
    async with house.platform.database.unit() as session:
        session.add_all([Remark(room=room, text=text) for text in texts])


async def ask(socket: Any, method: str, **request: Any) -> Any:
    return await socket.ask({"id": 7, method: {"channel": DEN, **request}})


async def test_those_who_are_subscribed_are_present(house: House) -> None:
    async with house.socket("7") as one, house.socket("7") as two, house.socket() as nobody:
        ids = []
        for socket in (one, two, nobody):
            ids.append((await socket.connect())["client"])
            await socket.subscribe(DEN)
        await nobody.receive()
        reply = await ask(nobody, "presence")
        assert reply["presence"]["presence"] == {
            ids[0]: {"user": "7", "client": ids[0]},
            ids[1]: {"user": "7", "client": ids[1]},
            ids[2]: {"client": ids[2]},
        }
        stats = await ask(nobody, "presence_stats")
        assert stats["presence_stats"] == {"num_clients": 3, "num_users": 2}


async def test_who_may_subscribe_may_ask_before(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        assert (await ask(socket, "presence"))["presence"] == {"presence": {}}
        assert (await ask(socket, "presence_stats"))["presence_stats"] == NONE
        refused = await socket.ask({"id": 2, "presence": {"channel": "lounge:closed"}})
        assert refused["error"]["code"] == 103
        refused = await socket.ask({"id": 2, "presence_stats": {"channel": "lounge:staff:a"}})
        assert refused["error"]["code"] == 101


async def test_others_hear_who_comes_and_goes(house: House) -> None:
    tokens = house.platform.tokens
    async with house.socket("7") as socket:
        await socket.connect()
        await socket.subscribe(DEN)
        own = (await socket.receive())["push"]
        assert own["join"]["info"]["user"] == "7"
        async with house.socket("8") as other:
            client = (await other.connect())["client"]
            eight = Identity(user_id=8, username="user 8", kind="session")
            token = tokens.subscription(DEN, eight, info={"seat": 3})
            await other.subscribe(DEN, token=token)
            info = {"user": "8", "client": client, "chan_info": {"seat": 3}}
            assert (await socket.receive())["push"] == {"channel": DEN, "join": {"info": info}}
        assert (await socket.receive())["push"] == {"channel": DEN, "leave": {"info": info}}
        assert list((await ask(socket, "presence"))["presence"]["presence"]) == [
            own["join"]["info"]["client"]
        ]


async def test_who_unsubscribes_is_gone(house: House) -> None:
    async with house.socket("7") as stays, house.socket("8") as goes:
        for socket in (stays, goes):
            await socket.connect()
            await socket.subscribe(DEN)
        assert [("join" in each["push"]) for each in await stays.receive_all(2)] == [True, True]
        await goes.receive()
        await goes.ask({"id": 4, "unsubscribe": {"channel": DEN}})
        assert "leave" in (await stays.receive())["push"]
        stats = await ask(stays, "presence_stats")
        assert stats["presence_stats"] == {"num_clients": 1, "num_users": 1}


async def test_the_history_has_a_size(house: House) -> None:
    await say(house, "1", "2", "3", "4", "5")
    async with house.socket("7") as socket:
        await socket.connect()

        async def read(**request: Any) -> list[int]:
            reply = await ask(socket, "history", **request)
            assert reply["history"]["offset"] == 5
            return offsets(reply["history"].get("publications", ()))

        assert await read(limit=-1) == [3, 4, 5]
        assert await read(limit=2) == [3, 4]
        assert await read(limit=-1, since={"offset": 1}) == [3, 4, 5]
        assert await read(limit=-1, since={"offset": 4}) == [5]
        assert await read(limit=-1, reverse=True) == [5, 4, 3]
        assert await read(limit=-1, reverse=True, since={"offset": 4}) == [3]
        assert await read() == []


async def test_who_is_too_far_behind_does_not_recover(house: House) -> None:
    await say(house, "1")
    async with house.socket("7") as socket:
        await socket.connect()
        position = await socket.subscribe(DEN)
    await say(house, "2", "3", "4")
    at = {"recover": True, "epoch": position["epoch"]}
    async with house.socket("7") as socket:
        await socket.connect()
        recovered = await socket.subscribe(DEN, offset=1, **at)
        assert recovered["recovered"] is True
        assert offsets(recovered["publications"]) == [2, 3, 4]
    await say(house, "5")
    async with house.socket("7") as socket:
        await socket.connect()
        refused = await socket.ask(
            {"id": 2, "subscribe": {"channel": DEN, "offset": 1, "flag": 2, **at}}
        )
        assert refused["error"]["code"] == 112
        late = await socket.subscribe(DEN, offset=1, **at)
        assert "recovered" not in late
        assert "publications" not in late
        assert late["was_recovering"] is True


async def test_a_policy_says_who_reads_the_history(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        assert (await ask(socket, "history"))["error"]["code"] == 101
        await socket.subscribe(DEN)
        await socket.receive()
        assert (await ask(socket, "history"))["error"]["code"] == 101


@pytest.mark.parametrize("options", [{"history_size": -1}, {"history_seconds": 0}])
def test_a_namespace_that_means_nothing_is_refused(options: Any) -> None:
    with pytest.raises(ValueError, match="history"):
        Namespace(**options)


def test_a_feature_is_one_namespace() -> None:
    @channel("boats:a")
    def allow() -> bool:
        return True

    module = SimpleNamespace(
        __name__="boats.realtime", allow=allow, one=Namespace(), two=Namespace(presence=True)
    )
    with pytest.raises(ConfigurationError, match="keep one of them"):
        collect_rules({"boats": module})
