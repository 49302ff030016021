"""Where no WebSocket passes: streams of lines and of events, fed by requests of their own."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.house import SECONDS, House, eventually, house_at
from tests.realtime.opened import CONNECT, Response, Stream, opened, post, request
from trivet.identity import Revocation
from trivet_realtime.bounds import Bounds

# What is said on the wire is no matter of the database.
pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url) as house:
        yield house


KINDS = pytest.mark.parametrize("kind", ["http_stream", "sse"])


async def test_a_head_of_events_ends_and_is_no_client(house: House) -> None:
    first = quote(json.dumps(CONNECT))
    async with request(house, "HEAD", f"/ws/sse?cf_connect={first}") as response:
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert "content-length" not in response.headers
        # The same connection serves the next request.
        reader, writer = response.reader, response.writer
        writer.write(f"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1:{house.port}\r\n\r\n".encode())
        assert await asyncio.wait_for(reader.readline(), SECONDS) == b"HTTP/1.1 200 OK\r\n"


@KINDS
async def test_a_stream_is_a_connection_like_any_other(house: House, kind: str) -> None:
    async with opened(house, kind, badge="7") as stream:
        await stream.connected()
        reply = await stream.ask({"id": 2, "subscribe": {"channel": "beacons:north"}})
        assert reply["subscribe"]["recoverable"] is True
        await house.light("north", "one", "two\nthree")
        labels = [(await stream.receive())["push"]["pub"]["data"]["label"] for _ in range(2)]
        assert labels == ["one", "two\nthree"]
        assert (await stream.ask({"id": 3, "subscribe": {"channel": "beacons:closed"}}))["error"]
        assert await stream.ask({"id": 4, "ping": {}}) == {"id": 4, "ping": {}}
    await eventually(lambda: not house.platform.relay.watched)


@KINDS
async def test_no_proxy_keeps_a_stream_back(house: House, kind: str) -> None:
    async with opened(house, kind) as stream:
        headers = stream.response.headers
        assert headers["x-accel-buffering"] == "no"
        assert "no-store" in headers["cache-control"]
        expected = {"http_stream": "application/json", "sse": "text/event-stream; charset=utf-8"}
        assert headers["content-type"] == expected[kind]


@KINDS
async def test_connect_and_subscribes_may_come_together(house: House, kind: str) -> None:
    subscribe = {"id": 2, "subscribe": {"channel": "beacons:north"}}
    async with opened(house, kind, CONNECT, subscribe) as stream:
        await stream.connected()
        assert "subscribe" in await stream.receive()


@KINDS
async def test_a_stream_is_pinged_and_answers(empty_database_url: str, kind: str) -> None:
    bounds = Bounds(ping_seconds=0.2, pong_seconds=SECONDS)
    async with house_at(empty_database_url, bounds) as house, opened(house, kind) as stream:
        await stream.connected()
        for _ in range(2):
            assert await stream.receive() == {}
            assert await stream.send({}) == 204
        # a pong that nobody asked for ends it, as on a WebSocket
        assert await stream.send({}, {}) == 204
        assert (await stream.receive())["push"]["disconnect"]["code"] == 3501
        with pytest.raises(EOFError):
            await stream.receive()


@KINDS
async def test_a_stream_says_why_it_ends(house: House, kind: str) -> None:
    async with opened(house, kind) as stream:
        await stream.connected()
        assert await stream.send({"id": 2, "connect": {}}) == 204
        end = await stream.receive()
        assert end == {"push": {"disconnect": {"code": 3501, "reason": "bad request"}}}
        with pytest.raises(EOFError):
            await stream.receive()
        assert await stream.send({"id": 3, "ping": {}}) == 404


async def test_a_client_that_sends_faster_than_it_is_answered_is_cut_off(house: House) -> None:
    ask = {"id": 2, "history": {"channel": "beacons:slow:north"}}
    async with opened(house, "http_stream") as stream:
        await stream.connected()
        assert await stream.send(*[ask] * 1100) == 204
        assert await stream.send({"id": 3, "ping": {}}) == 204
        received = await stream.receive()
        while "push" not in received:
            assert received["id"] == 2
            received = await stream.receive()
        assert received["push"]["disconnect"] == {"code": 3013, "reason": "too many requests"}


@pytest.mark.parametrize("path", ["/ws/http_stream", "/ws/sse"])
async def test_what_is_revoked_while_the_first_commands_arrive_opens_no_stream(
    house: House, path: str
) -> None:
    body = json.dumps(CONNECT).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{house.port}\r\nx-badge: 7\r\n"
    head += f"expect: 100-continue\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode())
    response = Response(reader, writer)
    with contextlib.closing(writer):
        await response.read_head()
        assert response.status == 100  # it is known who comes, and the body is awaited
        house.platform.broker.publish(Revocation(credential_id="badge-7"))
        writer.write(body)
        await response.read_head()
        stream = Stream(house, path.rpartition("/")[2], response)
        end = {"code": 3500, "reason": "credential revoked"}
        assert await stream.receive() == {"push": {"disconnect": end}}


@KINDS
async def test_a_stopping_process_sends_streams_elsewhere(
    empty_database_url: str, kind: str
) -> None:
    async with house_at(empty_database_url) as house, opened(house, kind) as stream:
        await stream.connected()
        for mounted in house.mounts:
            await mounted.drain()
        assert (await stream.receive())["push"]["disconnect"]["code"] == 3001


@KINDS
async def test_a_server_that_stops_need_not_wait_for_streams(
    empty_database_url: str, kind: str
) -> None:
    async with house_at(empty_database_url) as house, opened(house, kind) as stream:
        await stream.connected()
        # what the server calls when it is told to stop, before it waits for responses
        house.platform.lifecycle.drain()
        assert (await stream.receive())["push"]["disconnect"]["code"] == 3001
        with pytest.raises(EOFError):
            await stream.receive()


# what is sent first, the code of the end
FIRST: list[tuple[str, int]] = [
    ("nonsense", 3501),
    ('{"id":1,"ping":{}}', 3501),
    ('{"id":1,"connect":{"token":"x"}}', 3500),
    ("", 3501),
]


@pytest.mark.parametrize(("first", "code"), FIRST)
async def test_a_stream_begins_with_connect(house: House, first: str, code: int) -> None:
    async with request(house, "POST", "/ws/http_stream", first.encode()) as response:
        stream = Stream(house, "http_stream", response)
        assert (await stream.receive())["push"]["disconnect"]["code"] == code


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?cf_connect=",
        "?cf_connect=nonsense",
        f"?cf_connect={quote(json.dumps(CONNECT) + chr(10) + json.dumps({'id': 2, 'rpc': {}}))}",
        f"?cf_connect={quote(json.dumps(CONNECT) + chr(10) + json.dumps({'send': {}}))}",
        f"?cf_connect={quote(json.dumps({**CONNECT, 'publish': {}}))}",
    ],
)
async def test_a_link_acts_in_nobodys_name(house: House, query: str) -> None:
    async with request(house, "GET", f"/ws/sse{query}", badge="7") as response:
        assert response.status == 400


async def test_events_may_begin_by_post(house: House) -> None:
    body = json.dumps(CONNECT).encode()
    async with request(house, "POST", "/ws/sse", body) as response:
        assert "connect" in await Stream(house, "sse", response).receive()


# what is wrong, the body, the status
BODIES: list[tuple[str, bytes, int]] = [
    ("no JSON", b"nonsense", 400),
    ("no object", b"[]", 400),
    ("nothing", b"{}", 400),
    ("a session that is a number", b'{"session":1,"node":"a","data":""}', 400),
    ("a node that is no name of ours", b'{"session":"0","node":"a\\u0000","data":"{}"}', 400),
    ("a node that is too long", b'{"session":"0","node":"%b","data":"{}"}' % (b"a" * 65), 400),
    ("no UTF-8", b"\xff", 400),
    ("too much", b"x" * (128 * 1024 + 1), 413),
]


@pytest.mark.parametrize(
    ("body", "status"), [pytest.param(*each[1:], id=each[0]) for each in BODIES]
)
async def test_what_is_no_emulation_is_refused(house: House, body: bytes, status: int) -> None:
    assert await post(house, "/ws/emulation", body) == status


async def test_a_process_that_nobody_can_reach_is_told_so(house: House) -> None:
    """There is no broker between processes, so no other process has the session."""
    async with opened(house, "http_stream") as stream:
        await stream.connected()
        assert await stream.send({"id": 2, "ping": {}}, node="abcdef") == 404


async def test_a_first_message_has_the_bound_of_all(house: House) -> None:
    assert await post(house, "/ws/http_stream", b"x" * (64 * 1024 + 1)) == 413


async def test_a_session_is_secret_and_its_own(house: House) -> None:
    async with opened(house, "http_stream") as one, opened(house, "http_stream") as other:
        await one.connected()
        await other.connected()
        assert await one.send({"id": 2, "ping": {}}, session="0" * 32) == 404
        assert await one.send({"id": 2, "ping": {}}, session=other.session) == 204
        assert await other.receive() == {"id": 2, "ping": {}}


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("path", ["/ws/emulation", "/ws/http_stream"])
async def test_other_methods_are_refused(house: House, path: str, method: str) -> None:
    async with request(house, method, path) as response:
        assert response.status == 405


@KINDS
async def test_a_command_reaches_the_process_that_has_the_stream(
    empty_database_url: str, kind: str
) -> None:
    line = Line()
    async with (
        house_at(empty_database_url, broker=CarriedBroker(line)) as one,
        house_at(empty_database_url, broker=CarriedBroker(line)) as other,
        opened(one, kind) as stream,
    ):
        await stream.connected()
        stream.house = other
        assert await stream.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
