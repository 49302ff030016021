"""The server API: what it does with a key, what it answers without one, and what it notes."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import cent
import pytest
from sqlalchemy import select

from tests.realtime.house import House, Socket, house_at
from tests.realtime.logins import SEVEN
from tests.realtime.server_api import KEY, call, error, post
from trivet.audit.tables import AuditEntry
from trivet.delivery.brokers import postgresql, redis
from trivet.delivery.brokers.sealed import SEAL_BYTES
from trivet.delivery.controls import EphemeralPublication
from trivet.delivery.messages import encode
from trivet.delivery.retention import Retention
from trivet_realtime.publishing import CARRIED_BYTES
from trivet_realtime.server_api.app import METHODS

pytestmark = pytest.mark.anyio

DEN = "lounge:den"


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url, server_api_keys=[KEY, KEY[::-1]]) as house:
        yield house


async def enter(socket: Socket, channel: str = DEN) -> Any:
    """Connect and subscribe; what connect answered."""
    connected = await socket.connect()
    await socket.subscribe(channel)
    if channel.startswith("lounge:"):
        assert "join" in (await socket.receive())["push"]
    return connected


async def entries(house: House) -> list[tuple[str, str, str, str]]:
    async with house.platform.open_unit(read_only=True) as unit:
        found = await unit.session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(each.actor, each.table_name, each.row_key, each.kind) for each in found]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-api-key": "another"},
        {"x-api-key": ""},
        {"x-api-key": KEY + "x"},
        {"authorization": "apikey another"},
        {"authorization": f"basic {KEY}"},
    ],
)
@pytest.mark.parametrize("method", [*METHODS, "batch"])
async def test_without_a_key_there_is_nothing(
    house: House, method: str, headers: dict[str, str]
) -> None:
    answer = await post(house, method, {"channel": DEN, "data": 1, "user": "7"}, **headers)
    assert answer.status_code == 401
    assert await entries(house) == []


async def test_each_key_opens_and_by_either_header(house: House) -> None:
    for headers in ({"x-api-key": KEY[::-1]}, {"authorization": f"apikey {KEY}"}):
        answer = await post(house, "info", {}, **headers)
        assert answer.json()["result"]["nodes"][0]["name"] == "Trivet"


async def test_where_no_key_is_set_there_is_no_server_api(empty_database_url: str) -> None:
    async with house_at(empty_database_url) as house:
        answer = await post(house, "publish", {}, **{"x-api-key": ""})
    assert answer.status_code == 404


async def test_a_method_that_there_is_not_is_404(house: House) -> None:
    assert (await post(house, "shout", {}, **{"x-api-key": KEY})).status_code == 404


async def test_what_is_published_arrives_and_is_noted(house: House) -> None:
    async with house.socket() as socket:
        await enter(socket)
        result = await call(house, "publish", channel=DEN, data={"a": [1]}, tags={"t": "1"})
        assert result["offset"] == 1
        assert result["epoch"]
        push = (await socket.receive())["push"]
        assert push["pub"]["data"] == {"a": [1]}
        assert push["pub"]["tags"] == {"t": "1"}
        assert push["pub"]["offset"] == 1
    assert await entries(house) == [("server api", "trivet_publication", DEN, "insert")]


async def test_a_publication_with_a_key_is_published_once(house: House) -> None:
    first = await call(house, "publish", channel=DEN, data=1, idempotency_key="k")
    again = await call(house, "publish", channel=DEN, data=2, idempotency_key="k")
    assert first == again
    other = await call(house, "publish", channel="lounge:hall", data=3, idempotency_key="k")
    assert other["offset"] == 1
    history = await call(house, "history", channel=DEN, limit=-1)
    assert [each["data"] for each in history["publications"]] == [1]
    assert (
        await error(house, "publish", {"channel": DEN, "data": 1, "idempotency_key": "k" * 129})
        == 107
    )


async def test_a_publication_without_history_reaches_the_present(house: House) -> None:
    async with house.socket() as socket:
        await enter(socket)
        assert await call(house, "publish", channel=DEN, data=1, skip_history=True) == {}
        pub = (await socket.receive())["push"]["pub"]
        assert pub == {"data": 1, "time": pub["time"]}
    assert (await call(house, "history", channel=DEN, limit=-1))["publications"] == []


@pytest.mark.parametrize("carrier", ["postgresql", "redis"])
def test_what_may_be_sent_to_other_processes_fits_into_a_message(carrier: str) -> None:
    quotes = '"' * (CARRIED_BYTES - 2)
    message = EphemeralPublication(channel="a" * 255, node="b" * 16, data=f"'{quotes}'")
    body = encode(message, sender="b" * 16)
    bound = {"postgresql": postgresql.MOST_BYTES, "redis": redis.MOST_BYTES}[carrier]
    assert len(body) + SEAL_BYTES <= bound


async def test_a_broadcast_tells_what_became_of_each(house: House) -> None:
    channels = ["lounge:a", "nowhere:a", "lounge:b", "lounge:a"]
    result = await call(house, "broadcast", channels=channels, data=1)
    first, unknown, second, third = result["responses"]
    assert unknown["error"] == {"code": 102, "message": "unknown channel"}
    assert second["result"]["offset"] == 1
    # twice to one channel: both are told where it stands after both
    assert first["result"]["offset"] == third["result"]["offset"] == 2
    assert await error(house, "broadcast", {"channels": [], "data": 1}) == 107
    assert await error(house, "broadcast", {"channels": ["lounge:a"] * 1001, "data": 1}) == 106


async def test_data_may_come_as_base64(house: House) -> None:
    async with house.socket() as socket:
        await enter(socket)
        await call(house, "publish", channel=DEN, b64data="eyJhIjoxfQ==")
        assert (await socket.receive())["push"]["pub"]["data"] == {"a": 1}


async def test_line_breaks_between_the_parts_of_data_break_no_frame(house: House) -> None:
    pretty = '{\r\n  "a":\n [1,\r 2],\n "b": "c\\nd"\n}'
    told = {"a": [1, 2], "b": "c\nd"}
    encoded = base64.b64encode(pretty.encode()).decode()
    async with house.socket("7") as socket:
        await socket.connect()
        common = f'"user": "7", "channel": "{DEN}", "b64data": "{encoded}"'
        body = f'{{{common}, "info": {pretty}}}'
        await post(house, "subscribe", body.encode(), **{"x-api-key": KEY})
        assert (await socket.receive())["push"]["subscribe"]["data"] == told
        assert (await socket.receive())["push"]["join"]["info"]["chan_info"] == told
        for more in ("", ', "skip_history": true'):
            body = f'{{"channel": "{DEN}", "data": {pretty}{more}}}'
            await post(house, "publish", body.encode(), **{"x-api-key": KEY})
            assert (await socket.receive())["push"]["pub"]["data"] == told
        await call(house, "publish", channel=DEN, b64data=encoded)
        assert (await socket.receive())["push"]["pub"]["data"] == told


def reason(text: str) -> Any:
    return {"code": 4000, "reason": text}


LARGE = {"channel": DEN, "data": "x" * CARRIED_BYTES}

# what is wrong, the method, the request, the code
MISTAKES: list[tuple[str, str, Any, int]] = [
    ("no JSON", "publish", b"nonsense", 107),
    ("no object", "publish", b"[]", 107),
    ("a field of the wrong type", "publish", {"channel": 5, "data": 1}, 107),
    ("no data", "publish", {"channel": DEN}, 107),
    ("no channel", "publish", {"data": 1}, 107),
    ("an unknown namespace", "publish", {"channel": "nowhere:a", "data": 1}, 102),
    ("no base64", "publish", {"channel": DEN, "b64data": "%"}, 107),
    ("no letters of base64", "publish", {"channel": DEN, "b64data": "\u00e9"}, 107),
    ("base64 of no JSON", "publish", {"channel": DEN, "b64data": "YQ=="}, 107),
    ("half a character", "publish", b'{"channel":"lounge:den","data":"\xff"}', 107),
    ("no user", "disconnect", {}, 107),
    ("a code that is none", "disconnect", {"user": "7", "disconnect": {"code": 1000}}, 107),
    ("a reason like JSON", "disconnect", {"user": "7", "disconnect": reason("{}")}, 107),
    ("a reason like JSON within", "disconnect", {"user": "7", "disconnect": reason(" []")}, 107),
    ("a reason that is a number", "disconnect", {"user": "7", "disconnect": reason("7")}, 107),
    ("a long reason", "disconnect", {"user": "7", "disconnect": reason("x" * 124)}, 107),
    ("an unknown channel", "subscribe", {"user": "7", "channel": "nowhere:a"}, 102),
    ("a channel that is none", "unsubscribe", {"user": "7", "channel": "a b"}, 107),
    ("info that is no base64", "subscribe", {"user": "7", "channel": DEN, "b64info": "%"}, 107),
    ("no presence", "presence", {"channel": "beacons:a"}, 108),
    ("no statistics", "presence_stats", {"channel": "beacons:a"}, 108),
    ("another life", "history", {"channel": DEN, "since": {"offset": 1, "epoch": "x"}}, 112),
    ("a long pattern", "channels", {"pattern": "*" * 256}, 107),
    ("more than reaches the others", "publish", {**LARGE, "skip_history": True}, 106),
    ("more than the others hear of", "subscribe", {**LARGE, "user": "7"}, 106),
    ("a batch of nonsense", "batch", {"commands": 5}, 107),
    ("a batch too long", "batch", {"commands": [{"info": {}}] * 101}, 106),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "request_", "code"), [pytest.param(*each[1:], id=each[0]) for each in MISTAKES]
)
async def test_a_mistake_has_its_error(house: House, method: str, request_: Any, code: int) -> None:
    assert await error(house, method, request_) == code
    assert await entries(house) == []


async def test_a_user_is_disconnected(house: House) -> None:
    async with house.socket("7") as one, house.socket("7") as kept, house.socket("8") as other:
        await one.connect()
        kept_id = (await kept.connect())["client"]
        await other.connect()
        code = {"code": 4321, "reason": "for a reason"}
        await call(house, "disconnect", user="7", whitelist=[kept_id], disconnect=code)
        assert await one.closing() == (4321, "for a reason")
        for socket in (kept, other):
            assert await socket.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
        await call(house, "disconnect", user="8")
        assert await other.closing() == (3503, "force disconnect")
    assert [each[1:] for each in await entries(house)] == [
        ("trivet_socket", "7", "update"),
        ("trivet_socket", "8", "update"),
    ]


async def test_one_connection_of_a_user_is_meant_by_its_id(house: House) -> None:
    async with house.socket("7") as one, house.socket("7") as other:
        ids = [await socket.connect() for socket in (one, other)]
        await call(house, "disconnect", user="8", client=ids[0]["client"])
        await call(house, "disconnect", user="7", session="another")
        await call(house, "disconnect", user="7", client=ids[0]["client"])
        assert await one.closing() == (3503, "force disconnect")
        await call(house, "disconnect", user="7", session=ids[1]["session"])
        assert await other.closing() == (3503, "force disconnect")


async def test_a_user_is_subscribed_and_unsubscribed(house: House) -> None:
    async with house.socket("7") as socket, house.socket("8") as other:
        await socket.connect()
        await other.connect()
        await call(house, "publish", channel=DEN, data=0)
        await call(house, "subscribe", user="7", channel=DEN, data={"d": 1}, info={"i": 2})
        push = (await socket.receive())["push"]
        assert push["channel"] == DEN
        assert push["subscribe"].pop("epoch")
        assert push["subscribe"] == {
            "recoverable": True,
            "positioned": True,
            "offset": 1,
            "data": {"d": 1},
        }
        join = (await socket.receive())["push"]
        assert join["join"]["info"]["chan_info"] == {"i": 2}
        await call(house, "publish", channel=DEN, data=1)
        assert (await socket.receive())["push"]["pub"]["data"] == 1
        await call(house, "unsubscribe", user="7", channel=DEN)
        ending = (await socket.receive())["push"]
        assert ending == {
            "channel": DEN,
            "unsubscribe": {"code": 2000, "reason": "server unsubscribe"},
        }
        await call(house, "publish", channel=DEN, data=2)
        for each in (socket, other):
            assert await each.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}


async def test_who_is_subscribed_to_more_channels_than_it_may_have_is_told(house: House) -> None:
    channels = [f"beacons:h{number}" for number in range(127)]  # and one of their own
    token = house.platform.tokens.connection(SEVEN, channels=channels)
    await house.add_user(7)
    async with house.socket() as socket:
        assert len((await socket.connect(token=token))["subs"]) == 128
        await call(house, "subscribe", user="7", channel=channels[0])
        assert await socket.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
        await call(house, "subscribe", user="7", channel=DEN)
        assert await socket.closing() == (3505, "channel limit")


async def test_a_connection_is_told_when_it_expires(house: House) -> None:
    async with house.socket("7") as one, house.socket("8") as other:
        await one.connect()
        await other.connect()
        await call(house, "refresh", user="8", expire_at=4_000_000_000)
        await call(house, "refresh", user="7", expired=True)
        assert await one.closing() == (3005, "connection expired")
        assert await other.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}


async def test_what_is_there_can_be_asked_for(house: House) -> None:
    async with house.socket("7") as one, house.socket("7") as two:
        ids = [(await enter(socket))["client"] for socket in (one, two)]
        presence = await call(house, "presence", channel=DEN)
        assert presence["presence"] == {each: {"user": "7", "client": each} for each in ids}
        stats = await call(house, "presence_stats", channel=DEN)
        assert stats == {"num_clients": 2, "num_users": 1}
        channels = {DEN: {"num_clients": 2}}
        personal = {"study:#7": {"num_clients": 2}}
        assert (await call(house, "channels"))["channels"] == channels | personal
        assert (await call(house, "channels", pattern="lounge:*"))["channels"] == channels
        assert (await call(house, "channels", pattern="d*"))["channels"] == {}
        (node,) = (await call(house, "info"))["nodes"]
        assert (node["num_clients"], node["num_users"], node["num_subs"]) == (2, 1, 4)


async def test_a_history_is_removed_and_its_position_stays(house: House) -> None:
    async with house.socket() as socket:
        await enter(socket)
        for number in range(2):
            await call(house, "publish", channel=DEN, data=number)
            await socket.receive()
        at = await call(house, "history", channel=DEN)
        await call(house, "history_remove", channel=DEN)
        after = await call(house, "history", channel=DEN, limit=-1)
        assert after == {"publications": [], "offset": 2, "epoch": at["epoch"]}
        # and nobody recovers what is gone, from memory either
        async with house.socket() as late:
            await late.connect()
            position = {"recover": True, "epoch": at["epoch"], "offset": 0}
            result = await late.subscribe(DEN, **position)
            assert "recovered" not in result
        await socket.receive()  # the late one joins
        await socket.receive()  # and leaves
        await call(house, "publish", channel=DEN, data=2)
        assert (await socket.receive())["push"]["pub"]["offset"] == 3
    kinds = [each[3] for each in await entries(house)]
    assert kinds == ["insert", "insert", "delete", "insert"]


async def test_a_history_that_is_removed_early_leaves_the_channel_its_time(house: House) -> None:
    await call(house, "publish", channel=DEN, data=1)
    at = await call(house, "history", channel=DEN)
    await call(house, "history_remove", channel=DEN)
    assert await Retention(house.platform.database, 1.0).forget() == 0
    assert await call(house, "history", channel=DEN) == at
    assert await Retention(house.platform.database, 0.0).forget() == 1


async def test_a_batch_answers_each_of_its_commands(house: House) -> None:
    commands = [
        {"publish": {"channel": DEN, "data": 1}},
        {"publish": {"channel": "nowhere:a", "data": 1}},
        {"shout": {}},
        {},
        {"history": {"channel": DEN, "limit": -1}},
    ]
    answer = await post(house, "batch", {"commands": commands}, **{"x-api-key": KEY})
    published, unknown, shout, empty, history = answer.json()["replies"]
    assert published["publish"]["offset"] == 1
    assert unknown["error"]["code"] == 102
    assert shout["error"]["code"] == 104
    assert empty["error"]["code"] == 107
    assert [each["data"] for each in history["history"]["publications"]] == [1]


async def test_nobody_has_no_connections_that_one_could_mean(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        assert await error(house, "disconnect", {"user": ""}) == 107
        assert await socket.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}


async def test_the_package_of_centrifugo_works(house: House) -> None:
    client = cent.Client(f"http://127.0.0.1:{house.port}/ws/api", KEY)
    ask = asyncio.to_thread
    async with house.socket("7") as socket:
        await enter(socket)
        published = await ask(client.publish, cent.PublishRequest(channel=DEN, data={"a": 1}))
        assert published.offset == 1
        assert (await socket.receive())["push"]["pub"]["data"] == {"a": 1}
        found = await ask(client.presence, cent.PresenceRequest(channel=DEN))
        assert [each.user for each in found.presence.values()] == ["7"]
        with pytest.raises(cent.CentApiResponseError, match="unknown channel"):
            await ask(client.publish, cent.PublishRequest(channel="nowhere:a", data=1))
        await ask(client.disconnect, cent.DisconnectRequest(user="7"))
        assert await socket.closing() == (3503, "force disconnect")
    stranger = cent.Client(f"http://127.0.0.1:{house.port}/ws/api", "another")
    with pytest.raises(cent.CentUnauthorizedError):
        await ask(stranger.info, cent.InfoRequest())
