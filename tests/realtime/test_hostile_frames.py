"""Frames that no SDK sends: whatever comes is answered or ends that connection, and no other.

The parser is tried by itself with anything at all, and a real server with raw bytes of RFC 6455.
"""

import asyncio
import contextlib
import json
import struct
import time
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.realtime.house import House
from tests.realtime.raw import (
    BINARY,
    CLOSE,
    CONNECT,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    Raw,
    frame,
    raw,
)
from trivet_realtime.protocol import MalformedFrame, MalformedRequest, decode_frame, decode_request
from trivet_realtime.protocol.codec import DEEPEST, REQUESTS, is_too_deep
from trivet_realtime.protocol.tags import InvalidFilter, read_filter

# What is said on the wire is no matter of the database.
pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    [
        "channel",
        "token",
        "recover",
        "epoch",
        "offset",
        "data",
        "limit",
        "since",
        "tf",
        "subs",
        "flag",
    ]
)
REQUEST = st.dictionaries(FIELDS, VALUES, max_size=6)
COMMAND = st.dictionaries(
    st.sampled_from(["id", *REQUESTS, "push", "error"]), REQUEST | VALUES, max_size=4
)
FRAME = st.lists(COMMAND.map(json.dumps) | st.text(), max_size=5).map("\n".join)


@settings(deadline=None, max_examples=200)
@given(FRAME | st.text())
@example("{}")
@example("[" * 100_000)
@example('{"id":1,"rpc":{"data":"' + "[" * 1000 + '"}}')
@example('{"id":1e400,"ping":{}}')
@example('{"id":1,"ping":{}}\n\n{"id":2,"ping":{}}')
@example("\ufeff{}")
@example('{"id":1,"send":null}')
def test_whatever_comes_is_commands_or_one_error(text: str) -> None:
    try:
        received = decode_frame(text)
    except MalformedFrame:
        return
    assert received
    for each in received:
        for method in each.methods:
            try:
                request = decode_request(method, getattr(each.command, method))
            except MalformedRequest:
                continue
            assert isinstance(request, REQUESTS[method])


@settings(deadline=None)
@given(VALUES)
def test_any_value_is_a_filter_or_none(value: Any) -> None:
    try:
        found = read_filter(json.dumps(value).encode())
    except InvalidFilter:
        return
    assert isinstance(found.matches({"a": "1"}), bool)


@settings(deadline=None)
@given(st.integers(min_value=0, max_value=3 * DEEPEST), st.booleans())
def test_depth_is_counted_outside_of_texts(depth: int, in_text: bool) -> None:
    brackets = "[" * depth
    text = json.dumps({"data": brackets}) if in_text else brackets + "]" * depth
    assert is_too_deep(text) is (depth > DEEPEST and not in_text)


def test_what_is_deep_enough_to_be_refused_is_no_danger_before() -> None:
    deepest = '{"id":1,"rpc":{"data":' + "[" * (DEEPEST - 2) + "]" * (DEEPEST - 2) + "}}"
    (received,) = decode_frame(deepest)
    assert msgspec.json.decode(bytes(received.command.rpc))  # type: ignore[arg-type]  # it is set


@pytest.mark.parametrize(
    ("start", "unit", "end"),
    [
        ("", "{}\n", ""),
        ("", '{"id":1}\n', ""),
        ("", '{"id":1,"jump":{}}\n', '{"id":2,"ping":{}}'),
        ("[" * (DEEPEST + 1) + '"', '\\"', ""),
        ("]" + "[" * DEEPEST + '"', '\\"', "\\"),
        ("[" * (DEEPEST + 1), '"\n', ""),
    ],
)
def test_a_frame_of_many_times_the_size_is_not_the_square_of_the_work(
    start: str, unit: str, end: str
) -> None:
    few, many = (start + unit * count + end for count in (500, 500 * 8))
    # Linear is 8 times the work, the square 64 times.
    assert _work(many) < 30 * _work(few)


def _work(text: str) -> float:
    """The shortest of several times that reading takes; the machine does other things too."""
    times = []
    for _ in range(3):
        begun = time.process_time()
        with contextlib.suppress(MalformedFrame):
            decode_frame(text)
        times.append(time.process_time() - begun)
    return max(min(times), 20e-6)


MUCH = frame(b"x" * 60_000, fin=False)

# what is sent after connect, the code that it is answered with (None: the connection just ends)
EDGES: list[tuple[str, list[bytes], set[int | None]]] = [
    ("a frame without a mask", [frame(b"{}", masked=False)], {1002}),
    ("reserved bits", [frame(b"{}", reserved=4)], {1002}),
    ("an opcode that there is not", [frame(b"", 3)], {1002}),
    ("a control frame in fragments", [frame(b"", PING, fin=False)], {1002}),
    ("a ping that is too long", [frame(b"x" * 126, PING)], {1002}),
    ("a continuation of nothing", [frame(b"{}", CONTINUATION)], {1002}),
    ("a text within a text", [frame(b"{", fin=False), frame(b"}")], {1002}),
    ("a text that is no UTF-8", [frame(b"\xff\xfe")], {1007}),
    ("a close frame of one byte", [frame(b"\x03", CLOSE)], {1002}),
    ("a close code that nobody sends", [frame(struct.pack("!H", 1005), CLOSE)], {1002}),
    ("a close reason that is no UTF-8", [frame(b"\x03\xe8\xff", CLOSE)], {1002, 1007}),
    ("a close frame", [frame(struct.pack("!H", 1000), CLOSE)], {1000}),
    ("a binary frame", [frame(b"{}", BINARY)], {3501}),
    ("a message that is announced as huge", [frame(b"x", length=2**40)], {1009, None}),
    ("a length that no message has", [frame(b"x", length=2**63)], {1002, 1009, None}),
    ("fragments that are too large together", [MUCH, frame(b"x" * 60_000, CONTINUATION)], {1009}),
]


@pytest.mark.parametrize(
    ("frames", "codes"), [pytest.param(*each[1:], id=each[0]) for each in EDGES]
)
async def test_an_edge_of_the_protocol_ends_one_connection(
    house: House, frames: list[bytes], codes: set[int | None]
) -> None:
    async with house.socket() as other, raw(house) as socket:
        await other.connect()
        socket.send(CONNECT)
        await socket.receive()
        for each in frames:
            socket.send(each)
        assert await socket.closing() in codes
        assert await other.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}


async def test_a_message_in_fragments_is_one_message(house: House) -> None:
    async with raw(house) as socket:
        text = b'{"id":1,"connect":{}}'
        for at, byte in enumerate(text):
            last = at == len(text) - 1
            socket.send(frame(bytes([byte]), TEXT if at == 0 else CONTINUATION, fin=last))
            socket.send(frame(b"p", PING))  # which may come between
        opcode, payload = await socket.receive()
        while opcode == PONG:
            opcode, payload = await socket.receive()
        assert json.loads(payload)["id"] == 1


async def test_a_flood_of_pings_harms_nobody(house: House) -> None:
    async with house.socket() as other, raw(house) as socket:
        await other.connect()
        socket.send(CONNECT)
        await socket.receive()
        flood = frame(b"x" * 100, PING) * 5000
        sending = asyncio.create_task(_send_slowly(socket, flood))
        assert await other.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
        for _ in range(5000):
            assert await socket.receive() == (PONG, b"x" * 100)
        await sending


async def _send_slowly(socket: Raw, data: bytes) -> None:
    for at in range(0, len(data), 10_000):
        socket.send(data[at : at + 10_000])
        await socket.writer.drain()


async def test_a_flood_of_commands_is_answered_and_harms_nobody(house: House) -> None:
    async with house.socket() as one, house.socket() as other:
        await one.connect()
        await other.connect()
        asked = [{"id": number, "ping": {}} for number in range(2, 5002)]
        for at in range(0, len(asked), 500):
            await one.send(*asked[at : at + 500])
        assert await other.ask({"id": 2, "ping": {}}) == {"id": 2, "ping": {}}
        assert [each["id"] for each in await one.receive_all(5000)] == list(range(2, 5002))
