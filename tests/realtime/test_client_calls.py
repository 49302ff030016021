"""What clients publish, call and send: read by a model, in one unit of work, and audited."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.realtime.house import House, house_at
from tests.realtime.lounge.models import Remark
from trivet.audit.tables import AuditEntry
from trivet.errors import ConfigurationError
from trivet.events.outbox import PublicationRow
from trivet_realtime import message, publication, rpc
from trivet_realtime.client_calls import collect_calls

pytestmark = pytest.mark.anyio

DEN = "lounge:den"
TWO = {"letters": 2}


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url) as house:
        yield house


async def rows(house: House) -> dict[str, int]:
    """How many remarks, publications and entries there are."""
    counted = {"remarks": Remark, "publications": PublicationRow, "entries": AuditEntry}
    async with house.platform.open_unit(read_only=True) as unit:
        return {
            name: (await unit.session.scalar(select(func.count()).select_from(model))) or 0
            for name, model in counted.items()
        }


def publish(data: Any, channel: str = DEN) -> Any:
    return {"id": 5, "publish": {"channel": channel, "data": data}}


async def pushes(socket: Any, count: int) -> list[Any]:
    return [(await socket.receive())["push"] for _ in range(count)]


async def enter(socket: Any, channel: str = DEN) -> None:
    """Connect, subscribe, and hear of it."""
    await socket.connect()
    await socket.subscribe(channel)
    assert "join" in (await socket.receive())["push"]


async def test_what_a_client_publishes_is_a_row_an_event_and_an_entry(house: House) -> None:
    async with house.socket("7") as socket:
        await enter(socket)
        await socket.send(publish({"text": "hello"}))
        received = [await socket.receive() for _ in range(2)]
    assert {"id": 5, "publish": {}} in received
    (push,) = (each["push"] for each in received if "push" in each)
    assert push["channel"] == DEN
    assert push["pub"]["offset"] == 1
    assert push["pub"]["data"] == {"type": "remarked", "text": "hello", "author_id": 7}
    assert await rows(house) == {"remarks": 1, "publications": 1, "entries": 1}
    async with house.platform.open_unit(read_only=True) as unit:
        entry = (await unit.session.scalars(select(AuditEntry))).one()
    assert (entry.actor_id, entry.origin, entry.table_name) == (7, "realtime", "lounge_remark")


# what is promised, who, the data, the error
REFUSED: list[tuple[str, str, Any, int]] = [
    ("what the model refuses is 107", "7", {"text": ""}, 107),
    ("too much is 107", "7", {"text": "x" * 21}, 107),
    ("a field too many is 107", "7", {"text": "a", "more": 1}, 107),
    ("no object is 107", "7", "hello", 107),
    ("null is 107", "7", None, 107),
    ("whom the policy refuses is 101", "", {"text": "a"}, 101),
    ("what the function refuses is 103", "7", {"text": "forbidden"}, 103),
    ("a refusal of one's own is 103", "7", {"text": "muted"}, 103),
    ("what the present data refuse is 107", "7", {"text": "said"}, 107),
    ("what they refuse for now is 100", "7", {"text": "busy"}, 100),
    ("what comes too often is 111", "7", {"text": "often"}, 111),
    ("what no column can hold is 107", "7", {"text": "a\0b"}, 107),
    ("a broken function is 100", "7", {"text": "broken"}, 100),
]


@pytest.mark.parametrize(
    ("badge", "data", "code"), [pytest.param(*each[1:], id=each[0]) for each in REFUSED]
)
async def test_a_refused_publication_leaves_nothing(
    house: House, badge: str, data: Any, code: int
) -> None:
    async with house.socket(badge) as socket:
        await enter(socket)
        assert (await socket.ask(publish(data)))["error"]["code"] == code
        assert await socket.ask({"id": 6, "ping": {}}) == {"id": 6, "ping": {}}
    assert await rows(house) == {"remarks": 0, "publications": 0, "entries": 0}


async def test_a_call_whose_answer_is_no_json_leaves_nothing(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        call = {"id": 5, "rpc": {"method": "lounge:remark", "data": "hello"}}
        assert (await socket.ask(call))["error"]["code"] == 100
        assert await socket.ask({"id": 6, "ping": {}}) == {"id": 6, "ping": {}}
    assert await rows(house) == {"remarks": 0, "publications": 0, "entries": 0}


async def test_only_subscribers_publish(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        assert (await socket.ask(publish({"text": "a"})))["error"]["code"] == 103
        await socket.subscribe(DEN)
        await socket.receive()
        await socket.ask({"id": 3, "unsubscribe": {"channel": DEN}})
        assert (await socket.ask(publish({"text": "a"})))["error"]["code"] == 103
        assert (await socket.ask(publish({"text": "a"}, "lounge:typing:a")))["error"]["code"] == 103
        assert (await socket.ask(publish({"text": "a"}, "nowhere:a")))["error"]["code"] == 102
    assert (await rows(house))["remarks"] == 0


async def test_a_publication_without_data_is_a_mistake(house: House) -> None:
    async with house.socket("7") as socket:
        await enter(socket)
        command = {"id": 5, "publish": {"channel": DEN}}
        assert (await socket.ask(command))["error"]["code"] == 107


async def test_an_ephemeral_publication_reaches_subscribers_and_is_no_row(house: House) -> None:
    channel = "lounge:typing:den"
    async with house.socket("7") as one, house.socket() as other:
        await enter(one, channel)
        await enter(other, channel)
        await one.receive()  # the other joins
        await one.send(publish({"letters": 3}, channel))
        received = [await one.receive() for _ in range(2)]
        assert {"id": 5, "publish": {}} in received
        (push,) = await pushes(other, 1)
        pub = push["pub"]
        assert pub["data"] == {"letters": 3}
        assert "offset" not in pub
        assert pub["info"]["user"] == "7"
        refused = await one.ask(publish({"letters": 0}, channel))
        assert refused["error"]["code"] == 103
        refused = await one.ask(publish({"letters": "many"}, channel))
        assert refused["error"]["code"] == 107
    assert await rows(house) == {"remarks": 0, "publications": 0, "entries": 0}
    async with house.socket() as late:
        await late.connect()
        position = await late.subscribe(channel)
        assert position.get("offset", 0) == 0


# what is promised, who, the method, the data, the reply
def failed(code: int, message: str) -> Any:
    return {"error": {"code": code, "message": message}}


CALLS: list[tuple[str, str, str, Any, Any]] = [
    ("a call has an answer", "", "lounge:count", "den", {"rpc": {"data": {"remarks": 0}}}),
    ("an answer may be a model", "", "lounge:echo", TWO, {"rpc": {"data": TWO}}),
    ("an answer may be empty", "8 staff", "lounge:clear", None, {"rpc": {}}),
    ("bad data is 107", "", "lounge:count", 5, failed(107, "bad request")),
    ("a stranger is 101", "", "lounge:clear", None, failed(101, "unauthorized")),
    ("the policy refuses with 103", "7", "lounge:clear", None, failed(103, "permission denied")),
    ("an unknown name is 108", "", "lounge:no", {}, failed(108, "not available")),
    ("no name is 108", "", "", {}, failed(108, "not available")),
]


@pytest.mark.parametrize(
    ("badge", "method", "data", "reply"), [pytest.param(*each[1:], id=each[0]) for each in CALLS]
)
async def test_a_call(house: House, badge: str, method: str, data: Any, reply: Any) -> None:
    async with house.socket(badge) as socket:
        await socket.connect()
        given = {"method": method} if data is None else {"method": method, "data": data}
        assert await socket.ask({"id": 9, "rpc": given}) == {"id": 9, **reply}


async def test_a_message_needs_no_answer(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        await socket.send({"send": {"data": {"text": "a note"}}})
        assert await socket.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
    assert (await rows(house))["remarks"] == 1


async def test_a_message_that_is_refused_leaves_nothing_and_has_no_answer(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        await socket.send({"send": {"data": {"text": "broken"}}})
        assert await socket.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
    assert (await rows(house))["remarks"] == 0


async def test_a_message_that_no_function_takes_ends_the_connection(
    empty_database_url: str,
) -> None:
    features = ["tests.realtime.beacons"]
    async with (
        house_at(empty_database_url, features=features) as house,
        house.socket() as socket,
    ):
        await socket.connect()
        await socket.send({"send": {"data": 1}})
        assert await socket.closing() == (3508, "not available")


async def test_a_message_that_cannot_be_read_ends_the_connection(house: House) -> None:
    async with house.socket("7") as socket:
        await socket.connect()
        await socket.send({"send": {"data": {"text": 5}}})
        assert await socket.closing() == (3501, "bad request")


def allow(data: int) -> bool:
    return bool(data)


def asks_for_more(data: int, harbour: str) -> bool:
    return bool(data and harbour)


def module(*functions: Any) -> Any:
    named = {f"function_{number}": each for number, each in enumerate(functions)}
    return {"boats": SimpleNamespace(__name__="boats.realtime", **named)}


def other(data: int) -> bool:
    return bool(data)


@pytest.mark.parametrize(
    ("functions", "must_contain"),
    [
        ([publication("beacons:a", int)(allow)], 'begin it with "boats:"'),
        ([publication("boats:{name}", int)(asks_for_more)], "asks for harbour"),
        ([rpc("count", int)(allow)], 'begin it with "boats:"'),
        ([rpc("boats:a", int)(other), rpc("boats:a", int)(asks_for_more)], "asks for harbour"),
    ],
)
def test_a_mistake_in_a_function_is_found_at_the_start(
    functions: list[Any], must_contain: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        collect_calls(module(*functions))
    assert must_contain in refused.value.detail


def test_two_functions_of_one_name_are_refused_at_the_start() -> None:
    def one(data: int) -> bool:
        return bool(data)

    def two(data: int) -> bool:
        return bool(data)

    with pytest.raises(ConfigurationError, match="two functions"):
        collect_calls(module(rpc("boats:a", int)(one), rpc("boats:a", int)(two)))
    with pytest.raises(ConfigurationError, match="two functions"):
        collect_calls(module(message(int)(one), message(int)(two)))


@pytest.mark.parametrize("make", [lambda p: rpc("a:b", policy=p), lambda p: message(int, policy=p)])
def test_a_policy_is_one(make: Any) -> None:
    with pytest.raises(TypeError, match="policy"):
        make("staff")
