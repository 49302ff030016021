"""The door at /ws: who is let in to speak, and what everybody else is told."""

import asyncio
import logging
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus

from tests.realtime.house import House

pytestmark = pytest.mark.anyio


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
async def test_a_websocket_is_served_with_and_without_the_slash(house: House, path: str) -> None:
    async with house.socket(url=f"ws://127.0.0.1:{house.port}{path}") as socket:
        assert (await socket.connect())["client"]


@pytest.mark.parametrize("path", ["/ws", "/ws/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_request_for_a_page_is_told_to_upgrade(
    house: House, path: str, method: str
) -> None:
    url = f"http://127.0.0.1:{house.port}{path}"
    response = await asyncio.to_thread(httpx2.request, method, url, trust_env=False)
    assert response.status_code == 426
    assert response.headers["upgrade"] == "websocket"
    assert response.headers["content-type"] == "application/problem+json"
    if method != "HEAD":
        problem = response.json()
        assert problem["code"] == "upgrade-required"
        assert "npm" in problem["detail"]


async def test_there_is_nothing_below_the_door(house: House) -> None:
    base = f"127.0.0.1:{house.port}/ws/connection/websocket"
    response = await asyncio.to_thread(httpx2.get, f"http://{base}", trust_env=False)
    assert (response.status_code, response.json()["code"]) == (404, "no-such-page")
    with pytest.raises(InvalidStatus) as refused:
        async with house.socket(url=f"ws://{base}"):
            pass
    assert refused.value.response.status_code == 404


async def test_a_client_that_speaks_protobuf_is_told_for_good(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.socket(subprotocols=["centrifuge-protobuf"]) as socket:
        assert socket.connection.subprotocol == "centrifuge-protobuf"
        assert await socket.closing() == (3506, "inappropriate protocol")
    assert not [each for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["centrifuge-json"], "centrifuge-json"),
        (["centrifuge-protobuf", "centrifuge-json"], "centrifuge-json"),
        (["chat"], None),
        ([], None),  # an empty header, as older versions of the SDK for Python send it
        (None, None),
    ],
)
async def test_the_json_subprotocol_is_chosen_where_it_is_offered(
    house: House, offered: Any, chosen: str | None
) -> None:
    async with house.socket(subprotocols=offered) as socket:
        assert socket.connection.subprotocol == chosen
        await socket.connect()


async def test_a_page_of_another_site_cannot_open_a_socket_with_a_visitors_cookie(
    house: House,
) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with house.socket(origin="https://elsewhere.example", cookie="sessionid=x"):
            pass
    assert refused.value.response.status_code == 403
