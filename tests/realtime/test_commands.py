"""What the server answers to each command, and what makes it hang up."""

from typing import Any

import pytest

from tests.realtime.house import House, eventually
from trivet.identity import ANONYMOUS

# What is said on the wire is no matter of the database.
pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


CONNECT = {"id": 1, "connect": {}}
WITH_TOKEN = {"id": 1, "connect": {"token": "x"}}
DEEP = '{"id":2,"rpc":' + "[" * 60_000
SUBSCRIBE = {"id": 2, "subscribe": {"channel": "beacons:north"}}


def error(code: int, message: str, **more: Any) -> Any:
    return {"id": 2, "error": {"code": code, "message": message, **more}}


UNKNOWN_CHANNEL = error(102, "unknown channel")
DENIED = error(103, "permission denied")
BAD_REQUEST = error(107, "bad request")
NOT_AVAILABLE = error(108, "not available")

# what is promised, who asks, the command after connect, the reply
REPLIES: list[tuple[str, str, Any, Any]] = [
    ("a ping command is answered", "", {"ping": {}}, {"id": 2, "ping": {}}),
    (
        "to unsubscribe from what one never had is no error",
        "",
        {"unsubscribe": {"channel": "beacons:north"}},
        {"id": 2, "unsubscribe": {}},
    ),
    ("an unknown method is 104", "", {"shout": {}}, error(104, "method not found")),
    ("two methods in one command are 107", "", {"ping": {}, "publish": {}}, BAD_REQUEST),
    ("a request of the wrong type is 107", "", {"subscribe": 5}, BAD_REQUEST),
    ("a request without its channel is 107", "", {"history": {"limit": 1}}, BAD_REQUEST),
    ("a field of the wrong type is 107", "", {"subscribe": {"channel": ["a"]}}, BAD_REQUEST),
    (
        "an offset that a browser cannot count is 107",
        "",
        {"subscribe": {"channel": "beacons:north", "recover": True, "offset": 2**53}},
        BAD_REQUEST,
    ),
    (
        "a limit that is no number is 107",
        "",
        {"history": {"channel": "a", "limit": "1"}},
        BAD_REQUEST,
    ),
    (
        "publish is 108 where no function takes it",
        "",
        {"publish": {"channel": "beacons:a", "data": {}}},
        NOT_AVAILABLE,
    ),
    (
        "presence is 108 where the namespace has none",
        "",
        {"presence": {"channel": "beacons:north"}},
        NOT_AVAILABLE,
    ),
    ("presence_stats is 108", "", {"presence_stats": {"channel": "beacons:a"}}, NOT_AVAILABLE),
    ("rpc is 108 where no function has the name", "", {"rpc": {"method": "x"}}, NOT_AVAILABLE),
    ("refresh is 108 for who has no token", "", {"refresh": {"token": "x"}}, NOT_AVAILABLE),
    ("a refresh without a token is 107", "", {"refresh": {}}, BAD_REQUEST),
    (
        "sub_refresh of what one has not is 103",
        "",
        {"sub_refresh": {"channel": "x", "token": "y"}},
        DENIED,
    ),
]

# what is promised, who asks, the channel, the error
CHANNELS: list[tuple[str, str, str, Any]] = [
    ("a namespace that is no feature is 102", "7 staff", "lighthouses:north", UNKNOWN_CHANNEL),
    ("a channel without a namespace is 102", "7 staff", "north", UNKNOWN_CHANNEL),
    ("the namespace alone is 102", "7 staff", "beacons", UNKNOWN_CHANNEL),
    ("a channel that no rule covers is 103", "7 staff", "beacons:a:b:c", DENIED),
    ("an empty rest is 103", "7 staff", "beacons:", DENIED),
    ("a user boundary is 103 where no rule grants it", "42", "beacons:north#42", DENIED),
    ("a channel that its rule refuses is 103", "7 staff", "beacons:closed", DENIED),
    ("a staff channel is 103 for others", "7", "beacons:staff:north", DENIED),
    ("a staff channel is 103 for nobody", "", "beacons:staff:north", DENIED),
    ("a rule may send nobody to the login: 101", "", "beacons:crew:a", error(101, "unauthorized")),
    ("a rule that does not decide refuses: 103", "7 staff", "beacons:undecided:a", DENIED),
    ("a rule may find nothing in the database: 102", "", "beacons:lit:nowhere", UNKNOWN_CHANNEL),
    (
        "a broken rule is 100, and its message stays here",
        "",
        "beacons:broken:a",
        error(100, "internal server error", temporary=True),
    ),
    ("an empty channel is 107", "", "", BAD_REQUEST),
    ("a channel of 256 characters is 107", "", "beacons:" + "x" * 248, BAD_REQUEST),
    ("a channel that is not ASCII is 107", "", "beacons:København", BAD_REQUEST),
    ("a channel with a space is 107", "", "beacons:north pole", BAD_REQUEST),
    ("a channel with a line break is 107", "", "beacons:north\n", BAD_REQUEST),
    ("a channel with a zero character is 107", "", "beacons:nor\0th", BAD_REQUEST),
    ("a channel with an escape character is 107", "", "beacons:\x1b[31m", BAD_REQUEST),
    ("a channel with a deleted character is 107", "", "beacons:\x7f", BAD_REQUEST),
]

# what is promised, the frames, the code and reason of the close frame
CLOSINGS: list[tuple[str, list[Any], tuple[int, str]]] = [
    ("bad JSON", [[CONNECT], ['{"id": 2, "pi']], (3501, "bad request")),
    ("a frame that is no object", [[CONNECT], ["[1]"]], (3501, "bad request")),
    ("an empty frame", [[CONNECT], [""]], (3501, "bad request")),
    ("a bad line behind a good one", [[CONNECT, "nonsense"]], (3501, "bad request")),
    ("a field of no request", [[CONNECT], [{"id": "2", "ping": {}}]], (3501, "bad request")),
    ("an id of 33 bits", [[CONNECT], [{"id": 2**32, "ping": {}}]], (3501, "bad request")),
    ("an id of hundreds of digits", [[CONNECT], ['{"id":' + "9" * 400 + ',"ping":{}}']],
     (3501, "bad request")),
    ("an id with a fraction", [[CONNECT], [{"id": 2.5, "ping": {}}]], (3501, "bad request")),
    ("an id that is true", [[CONNECT], [{"id": True, "ping": {}}]], (3501, "bad request")),
    ("a send that is no object", [[CONNECT], [{"send": 5}]], (3501, "bad request")),
    ("an id that is negative", [[CONNECT], [{"id": -2, "ping": {}}]], (3501, "bad request")),
    ("a command without an id", [[CONNECT], [{"ping": {}}]], (3501, "bad request")),
    ("a command without a method", [[CONNECT], [{"id": 2}]], (3501, "bad request")),
    ("an unknown method without an id", [[CONNECT], [{"shout": {}}]], (3501, "bad request")),
    ("a pong that nobody asked for", [[CONNECT], [{}]], (3501, "bad request")),
    ("nesting to blow the stack", [[CONNECT], [DEEP]], (3501, "bad request")),
    ("a command before connect", [[SUBSCRIBE]], (3501, "bad request")),
    ("a pong before connect", [[{}]], (3501, "bad request")),
    ("an unknown method before connect", [[{"id": 1, "shout": {}}]], (3501, "bad request")),
    ("connect and more in one command", [[{**CONNECT, "ping": {}}]], (3501, "bad request")),
    ("a second connect", [[CONNECT, {**CONNECT, "id": 2}]], (3501, "bad request")),
    ("a token that is none", [[WITH_TOKEN]], (3500, "invalid token")),
    ("a send of something else", [[CONNECT, {"send": {"data": 1}}]], (3501, "bad request")),
    ("more than 64 KB", [[CONNECT], ["x" * (64 * 1024 + 1)]], (1009, "message too big")),
    ("more than 64 KB in UTF-8", [[CONNECT], ["ø" * (33 * 1024)]], (1009, "message too big")),
]  # fmt: skip


def named(scenarios: list[Any]) -> list[Any]:
    return [pytest.param(*scenario[1:], id=scenario[0]) for scenario in scenarios]


@pytest.mark.parametrize(("badge", "command", "reply"), named(REPLIES))
async def test_a_command_has_its_reply(house: House, badge: str, command: Any, reply: Any) -> None:
    async with house.socket(badge) as socket:
        await socket.connect()
        assert await socket.ask({"id": 2, **command}) == reply
        # and the connection goes on
        assert await socket.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}


@pytest.mark.parametrize("method", ["subscribe", "history"])
@pytest.mark.parametrize(("badge", "channel", "reply"), named(CHANNELS))
async def test_a_channel_is_refused(
    house: House, badge: str, channel: str, reply: Any, method: str
) -> None:
    async with house.socket(badge) as socket:
        await socket.connect()
        assert await socket.ask({"id": 2, method: {"channel": channel}}) == reply
        # and nothing comes from there
        await house.light("closed", "one")
        assert await socket.ask({"id": 3, "ping": {}}) == {"id": 3, "ping": {}}
    await eventually(lambda: not house.platform.relay.watched)


@pytest.mark.parametrize(("frames", "closing"), named(CLOSINGS))
async def test_the_connection_is_closed_for(
    house: House, frames: list[Any], closing: tuple[int, str]
) -> None:
    async with house.socket() as socket:
        for frame in frames:
            await socket.send(*frame)
        assert await socket.closing() == closing


async def test_a_binary_frame_closes_the_connection(house: House) -> None:
    async with house.socket() as socket:
        await socket.connection.send(b'{"id":1,"connect":{}}')
        assert await socket.closing() == (3501, "bad request")


async def test_what_was_answered_before_a_bad_command_still_arrives(house: House) -> None:
    async with house.socket() as socket:
        await socket.send(CONNECT, {"id": 2, "ping": {}}, {"id": 3})
        connected, ping = await socket.receive_all(2)
        assert connected["id"] == 1
        assert ping == {"id": 2, "ping": {}}
        assert await socket.closing() == (3501, "bad request")


async def test_connect_tells_what_an_sdk_needs(house: House) -> None:
    async with house.socket() as one, house.socket() as other:
        result, second = await one.connect(), await other.connect()
    assert result.keys() == {"client", "version", "ping", "pong", "session", "node"}
    assert (result["ping"], result["pong"]) == (25, True)
    assert result["node"] == second["node"]
    assert result["client"] != second["client"]


async def test_connect_and_subscribes_in_one_frame_are_all_answered(house: House) -> None:
    subscribes = [
        {"id": n, "subscribe": {"channel": f"beacons:h{n}"}} for n in range(2, 30)
    ]  # more than one database round trip apart
    async with house.socket() as socket:
        await socket.send(CONNECT, *subscribes)
        replies = await socket.receive_all(29)
    assert replies[0]["id"] == 1
    assert sorted(reply["id"] for reply in replies) == list(range(1, 30))
    assert all("error" not in reply for reply in replies)


async def test_a_channel_can_be_subscribed_to_once(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        assert await socket.ask(SUBSCRIBE) == error(105, "already subscribed")
        await socket.ask({"id": 3, "unsubscribe": {"channel": "beacons:north"}})
        await socket.subscribe("beacons:north")


async def test_a_client_has_128_channels_and_no_more(house: House) -> None:
    subscribes = [{"id": n, "subscribe": {"channel": f"beacons:h{n}"}} for n in range(2, 131)]
    async with house.socket() as socket:
        await socket.connect()
        await socket.send(*subscribes)
        replies = await socket.receive_all(129)
    assert sum("subscribe" in reply for reply in replies) == 128
    (refused,) = (reply for reply in replies if "error" in reply)
    assert refused["error"] == {"code": 106, "message": "limit exceeded"}


@pytest.mark.parametrize("count", [128, 129])
async def test_the_channels_of_a_token_count_and_too_many_are_told(
    house: House, count: int
) -> None:
    token = house.platform.tokens.connection(
        ANONYMOUS, channels=[f"beacons:h{number}" for number in range(count)]
    )
    async with house.socket() as socket:
        await socket.send({"id": 1, "connect": {"token": token}})
        if count > 128:
            assert await socket.closing() == (3505, "channel limit")
        else:
            assert len((await socket.receive())["connect"]["subs"]) == count
            assert await socket.ask(SUBSCRIBE) == error(106, "limit exceeded")


@pytest.mark.parametrize("options", [{"type": 1}, {"type": 4}, {"tf": {"key": "a"}}])
async def test_other_kinds_of_subscription_are_not_available(
    house: House, options: dict[str, Any]
) -> None:
    async with house.socket() as socket:
        await socket.connect()
        command = {"id": 2, "subscribe": {"channel": "beacons:north", **options}}
        assert await socket.ask(command) == NOT_AVAILABLE


async def test_a_subscription_token_that_is_none_is_refused(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        command = {"id": 2, "subscribe": {"channel": "beacons:north", "token": "x"}}
        assert await socket.ask(command) == DENIED


@pytest.mark.parametrize(
    ("badge", "channel"),
    [("7 staff", "beacons:staff:a"), ("7", "beacons:crew:a"), ("", "beacons:lit:north")],
)
async def test_a_rule_lets_in_whom_it_should(house: House, badge: str, channel: str) -> None:
    await house.light("north", "one")
    async with house.socket(badge) as socket:
        await socket.connect()
        result = await socket.subscribe(channel)
    assert result["recoverable"] is True
    assert result["positioned"] is True
