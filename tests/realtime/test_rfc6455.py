"""The edges of RFC 6455, by raw bytes to a real server: the code that is due, nothing in the log,
and nobody else disturbed.

What Autobahn's suite asks beside this is about servers that echo; `docs/realtime.md` has what it
said of this one.
"""

import asyncio
import json
import logging
import struct
from collections.abc import AsyncIterator

import pytest

from tests.realtime.house import House, eventually
from tests.realtime.raw import CLOSE, CONNECT, CONTINUATION, PING, PONG, TEXT, Raw, frame, raw

# What is said on the wire is no matter of the database.
pytestmark = [pytest.mark.anyio, pytest.mark.once]

CONTROL = (CLOSE, PING, PONG)
RESERVED_OPCODES = (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)


@pytest.fixture
async def house(shared_house: House, caplog: pytest.LogCaptureFixture) -> AsyncIterator[House]:
    """A house with somebody in it who must not notice anything."""
    async with shared_house.socket() as other:
        await other.connect()
        yield shared_house
        assert await other.ask({"id": 9, "ping": {}}) == {"id": 9, "ping": {}}
    logged = caplog.get_records("call")
    assert [each.message for each in logged if each.levelno >= logging.WARNING] == []


async def begin(socket: Raw) -> None:
    socket.send(CONNECT)
    await socket.receive()


async def ending(house: House, *sent: bytes) -> int | None:
    """The code that a client is closed with who sends this after connect."""
    async with raw(house) as socket:
        await begin(socket)
        for each in sent:
            socket.send(each)
        return await socket.closing()


def closing_with(code: int, reason: bytes = b"") -> bytes:
    return frame(struct.pack("!H", code) + reason, CLOSE)


async def test_a_reserved_opcode_or_bit_is_1002(house: House) -> None:
    for opcode in RESERVED_OPCODES:
        for is_final in (True, False):
            assert await ending(house, frame(b"", opcode, fin=is_final)) == 1002, opcode
    for opcode in (TEXT, *CONTROL):
        for bit in (1, 2, 4, 7):
            assert await ending(house, frame(b"", opcode, reserved=bit)) == 1002, (opcode, bit)


async def test_a_control_frame_is_whole_and_short_and_masked_or_1002(house: House) -> None:
    for opcode in CONTROL:
        assert await ending(house, frame(b"", opcode, fin=False)) == 1002
        assert await ending(house, frame(b"x" * 126, opcode)) == 1002
        assert await ending(house, frame(b"", opcode, masked=False)) == 1002


@pytest.mark.parametrize(
    "code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
)
async def test_a_close_code_that_may_be_sent_is_answered_with_itself(
    house: House, code: int
) -> None:
    assert await ending(house, closing_with(code, "schöne Grüße".encode())) == code
    assert await ending(house, closing_with(code, b"x" * 123)) == code


@pytest.mark.parametrize(
    "code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]
)
async def test_a_close_code_that_nobody_may_send_is_1002(house: House, code: int) -> None:
    assert await ending(house, closing_with(code)) == 1002


NO_UTF8 = {
    "a surrogate": b"\xed\xa0\x80",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "a longer form than needed": b"\xc0\xaf",
    "a byte that stands in no text": b"\xff",
    "a rest without a beginning": b"\x80",
    "a beginning without its rest": b"\xf0\x9f\x99",
}


@pytest.mark.parametrize("wrong", [pytest.param(each, id=name) for name, each in NO_UTF8.items()])
async def test_a_text_that_is_no_utf8_is_1007_wherever_it_is_cut(
    house: House, wrong: bytes
) -> None:
    text = b'{"id":2,"rpc":{"method":"' + "κόσμε".encode() + wrong + b'"}}'
    assert await ending(house, frame(text)) == 1007
    start = text.index(wrong)
    for cut in range(start, start + len(wrong) + 1):
        first, rest = frame(text[:cut], fin=False), frame(text[cut:], CONTINUATION)
        assert await ending(house, first, frame(b"", PING), rest) == 1007


async def test_a_character_may_be_cut_anywhere(house: House) -> None:
    text = json.dumps({"id": 1, "connect": {"name": "κόσμε 🙂"}}, ensure_ascii=False).encode()
    for size in (1, 2, 3):
        async with raw(house) as socket:
            parts = [text[at : at + size] for at in range(0, len(text), size)]
            socket.send(frame(b"", fin=False))
            for part in parts:
                socket.send(frame(part, CONTINUATION, fin=False) + frame(b"", PONG))
            socket.send(frame(b"", CONTINUATION))
            _, payload = await socket.receive()
            assert json.loads(payload)["connect"]["client"]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        pytest.param(frame(b"\xff") + closing_with(1000), 1000, id="a close"),
        pytest.param(frame(b"\xff") + frame(b"\xfe"), 1007, id="another"),
        pytest.param(frame(b"\xff") + frame(b"", 3), 1002, id="a reserved opcode"),
        pytest.param(frame(b"\xff") + frame(b"", PING), 1007, id="a ping"),
        pytest.param(frame(b"no JSON") + closing_with(1000), 1000, id="no JSON, a close"),
        pytest.param(closing_with(1000) + frame(b"\xff"), 1000, id="a close before it"),
    ],
)
async def test_what_stands_behind_a_mistake_in_the_same_bytes_does_no_harm(
    house: House, sent: bytes, code: int
) -> None:
    assert await ending(house, sent) == code


async def test_a_client_that_closes_its_half_of_the_connection_is_forgotten(house: House) -> None:
    subscribe = frame(b'{"id":2,"subscribe":{"channel":"beacons:half"}}')
    for unfinished in (b"", subscribe[:1], subscribe[:9], frame(b"{", fin=False)):
        async with raw(house) as socket:
            await begin(socket)
            socket.send(subscribe)
            await socket.receive()
            assert "beacons:half" in house.platform.relay.watched
            socket.send(unfinished)
            socket.writer.write_eof()
            await socket.closing()
            await eventually(lambda: "beacons:half" not in house.platform.relay.watched)


async def test_a_flood_of_pongs_harms_nobody(house: House) -> None:
    async with raw(house) as socket:
        await begin(socket)
        socket.send(frame(b"x" * 125, PONG) * 5000)
        await asyncio.wait_for(socket.writer.drain(), 30)
        socket.send(frame(b'{"id":2,"ping":{}}'))
        assert json.loads((await socket.receive())[1]) == {"id": 2, "ping": {}}
