"""History: the stream as it was published, forwards and backwards, never more than 300."""

from typing import Any

import pytest

from tests.realtime.house import House, offsets

pytestmark = pytest.mark.anyio


# lit before, the request, the offsets in the answer
PAGES: list[Any] = [
    pytest.param(5, {}, [], id="limit 0 is the position alone"),
    pytest.param(5, {"limit": -1}, [1, 2, 3, 4, 5], id="limit -1 is all of it"),
    pytest.param(5, {"limit": 2}, [1, 2], id="the oldest come first"),
    pytest.param(5, {"limit": 2, "since": {"offset": 2}}, [3, 4], id="since an offset"),
    pytest.param(5, {"limit": 9, "since": {"offset": 5}}, [], id="since the top"),
    pytest.param(5, {"limit": 2, "reverse": True}, [5, 4], id="the newest first"),
    pytest.param(
        5, {"limit": 9, "since": {"offset": 3}, "reverse": True}, [2, 1], id="backwards from there"
    ),
    pytest.param(301, {"limit": -1}, list(range(1, 301)), id="never more than 300"),
    pytest.param(301, {"limit": 999}, list(range(1, 301)), id="whatever is asked for"),
    pytest.param(0, {"limit": -1}, [], id="a channel that does not exist yet is empty"),
]


@pytest.mark.parametrize(("lit", "request_", "expected"), PAGES)
async def test_a_page_of_history(
    house: House, lit: int, request_: dict[str, Any], expected: list[int]
) -> None:
    if lit:
        await house.light("north", *(f"beacon {n}" for n in range(1, lit + 1)))
    async with house.socket() as socket:
        await socket.connect()
        command = {"channel": "beacons:north", **request_}
        result = (await socket.ask({"id": 2, "history": command}))["history"]
        assert offsets(result.get("publications", [])) == expected
        assert result.get("offset", 0) == lit
        assert result["epoch"].startswith("~") is not bool(lit)


async def test_a_position_in_another_life_of_the_channel_is_error_112(house: House) -> None:
    await house.light("north", "one")
    since = {"offset": 1, "epoch": "other"}
    async with house.socket() as socket:
        await socket.connect()
        command = {"channel": "beacons:north", "limit": 1, "since": since}
        reply = await socket.ask({"id": 2, "history": command})
    assert reply == {"id": 2, "error": {"code": 112, "message": "unrecoverable position"}}


async def test_reading_history_needs_no_subscription_and_makes_none(house: House) -> None:
    await house.light("north", "one")
    async with house.socket() as socket:
        await socket.connect()
        await socket.ask({"id": 2, "history": {"channel": "beacons:north", "limit": 1}})
        assert house.platform.relay.watched == frozenset()
