"""A socket outlives the call of the request that opened it, and owes what a request owes."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from websockets import ConnectionClosed

from tests.realtime.house import House, Socket, eventually, house_at
from tests.realtime.logins import SEVEN
from trivet.observation import Observers, RequestEnded
from trivet_deploy.server.frames_protocol import FramesProtocol

pytestmark = pytest.mark.anyio

SERVERS = [
    pytest.param(FramesProtocol, id="frames"),
    pytest.param("websockets-sansio", id="plain ASGI"),
]


def request_id_of(socket: Socket) -> str:
    response = socket.connection.response
    assert response is not None
    return response.headers["x-request-id"]


def lines_of(log: str, event: str) -> list[Any]:
    lines = [json.loads(line) for line in log.splitlines()]
    return [line for line in lines if line["event"] == event]


@pytest.mark.parametrize("ws", SERVERS)
async def test_the_line_and_the_event_come_at_the_end_of_the_socket_and_name_its_request(
    empty_database_url: str, json_log: Callable[[], str], ws: Any
) -> None:
    observers, seen = Observers(), list[RequestEnded]()
    observers.add(RequestEnded, seen.append)
    async with house_at(empty_database_url, observers=observers, ws=ws) as house:
        async with house.socket("7") as socket, house.socket("8") as other:
            await socket.connect()
            await other.connect()
            request_id = request_id_of(socket)
            assert lines_of(json_log(), "request") == []
        await eventually(lambda: len(seen) == 2)
    (event,) = (each for each in seen if each.request_id == request_id)
    assert (event.method, event.status, event.mount) == ("WEBSOCKET", 101, "realtime")
    (line,) = (each for each in lines_of(json_log(), "request") if each["request_id"] == request_id)
    assert (line["method"], line["path"], line["status"]) == ("WEBSOCKET", "/ws", 101)
    assert (line["identity"], line["credential"]) == ("user 7", "badge-7")
    assert line["duration_ms"] == round(event.seconds * 1000, 2)


@pytest.mark.parametrize("ws", SERVERS)
async def test_the_line_and_the_event_name_whom_a_token_named(
    empty_database_url: str, json_log: Callable[[], str], ws: Any
) -> None:
    observers, seen = Observers(), list[RequestEnded]()
    observers.add(RequestEnded, seen.append)
    async with house_at(empty_database_url, observers=observers, ws=ws) as house:
        await house.add_user(7)
        token = house.platform.tokens.connection(SEVEN)
        for badge, given in (("", token), ("8", token), ("", "no token"), ("", "")):
            before = len(seen)
            async with house.socket(badge) as socket:
                await socket.send({"id": 1, "connect": {"token": given}})
                with suppress(ConnectionClosed):
                    await socket.receive()
            await eventually(lambda known=before: len(seen) > known)
    lines = lines_of(json_log(), "request")
    assert [line["identity"] for line in lines] == ["user 7", "user 7", "anonymous", "anonymous"]
    kinds = [event.identity_kind for event in seen]
    assert kinds == ["token", "token", "anonymous", "anonymous"]


@pytest.mark.parametrize("ws", SERVERS)
async def test_a_fault_in_a_command_names_the_request_of_its_socket(
    empty_database_url: str, json_log: Callable[[], str], ws: Any
) -> None:
    async with (
        house_at(empty_database_url, ws=ws) as house,
        house.socket("7") as socket,
        house.socket("8") as other,
    ):
        for each in (socket, other):
            await each.connect()
        for number, each in enumerate((socket, other, socket), 2):
            command = {"id": number, "subscribe": {"channel": "beacons:broken:north"}}
            assert (await each.ask(command))["error"]["code"] == 100
        failed = [line["request_id"] for line in lines_of(json_log(), "a command failed")]
        mine, others = request_id_of(socket), request_id_of(other)
        assert mine != others
        assert failed == [mine, others, mine]


def calls_of_sockets() -> list[str]:
    names = [task.get_name() for task in asyncio.all_tasks()]
    return [name for name in names if name.startswith("WEBSOCKET ")]


async def test_an_idle_socket_has_no_task(empty_database_url: str) -> None:
    async with house_at(empty_database_url) as house:
        async with house.socket() as socket:
            await socket.connect()
            await socket.subscribe("beacons:north")
            await eventually(lambda: not calls_of_sockets())
            before = len(asyncio.all_tasks())
            async with house.socket() as another:
                await another.connect()
                await eventually(lambda: not calls_of_sockets())
                # Of the client in this process there is one, and of the server none.
                assert len(asyncio.all_tasks()) - before <= 1
                await house.light("north", "a")
                assert await socket.publications(1) == [(1, "a")]
        await eventually(lambda: not house.platform.relay.watched)


async def test_without_frames_of_the_server_the_call_lasts_as_long_as_its_socket(
    empty_database_url: str,
) -> None:
    async with (
        house_at(empty_database_url, ws="websockets-sansio") as house,
        house.socket() as socket,
    ):
        await socket.connect()
        assert calls_of_sockets() == ["WEBSOCKET /ws"]


async def _open_and_leave(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")


async def test_sockets_that_come_and_go_leave_nothing(empty_database_url: str) -> None:
    async with house_at(empty_database_url) as house:
        await _open_and_leave(house)
        await eventually(lambda: not house.platform.relay.watched)
        before = len(asyncio.all_tasks())
        await asyncio.gather(*(_open_and_leave(house) for _ in range(20)))
        await eventually(lambda: not house.platform.relay.watched)
        await eventually(lambda: len(asyncio.all_tasks()) <= before)
