"""Subscribers that see a channel in a form of their own: by tags, or by differences."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.realtime.fossil import apply_delta
from tests.realtime.house import House, house_at
from trivet.events.appending import NewPublication
from trivet.events.outbox import StoredPublication
from trivet_realtime.protocol.delta import make_delta
from trivet_realtime.protocol.tags import InvalidFilter, read_filter
from trivet_realtime.publishing import record_publication
from trivet_realtime.views import Parcel, View

pytestmark = pytest.mark.anyio

DEN = "lounge:den"


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with house_at(empty_database_url) as house:
        yield house


async def publish(house: House, data: Any, **tags: str) -> None:
    new = NewPublication(DEN, json.dumps(data), json.dumps(tags) if tags else None)
    async with house.platform.open_unit() as unit:
        await unit.run(record_publication, new)


async def enter(socket: Any, **options: Any) -> Any:
    await socket.connect()
    result = await socket.subscribe(DEN, **options)
    assert "join" in (await socket.receive())["push"]
    return result


def leaf(cmp: str, key: str = "a", val: str = "", vals: list[str] | None = None) -> Any:
    node: Any = {"key": key, "cmp": cmp}
    return node | ({"val": val} if val else {}) | ({"vals": vals} if vals else {})


def matches(node: Any, **tags: str) -> bool:
    return read_filter(json.dumps(node).encode()).matches(tags)


# the filter, tags that pass, tags that do not
FILTERS: list[tuple[Any, list[Any], list[Any]]] = [
    (leaf("eq", val="1"), [{"a": "1"}], [{}, {"a": "2"}, {"b": "1"}]),
    (leaf("neq", val="1"), [{}, {"a": "2"}], [{"a": "1"}]),
    (leaf("in", vals=["1", "2"]), [{"a": "2"}], [{}, {"a": "3"}]),
    (leaf("nin", vals=["1", "2"]), [{}, {"a": "3"}], [{"a": "2"}]),
    (leaf("ex"), [{"a": ""}], [{}]),
    (leaf("nex"), [{}], [{"a": ""}]),
    (leaf("sw", val="ab"), [{"a": "abc"}], [{}, {"a": "xab"}]),
    (leaf("ew", val="bc"), [{"a": "abc"}], [{}, {"a": "bcx"}]),
    (leaf("ct", val="b"), [{"a": "abc"}], [{}, {"a": "ac"}]),
    (
        leaf("lt", val="10"),
        [{"a": "9"}, {"a": "-1e3"}],
        [{}, {"a": "10"}, {"a": "x"}, {"a": "NaN"}],
    ),
    (leaf("lte", val="10"), [{"a": "10.0"}], [{"a": "10.000000001"}]),
    (leaf("gt", val="0.1"), [{"a": "0.10000000000000001"}], [{"a": "0.1"}, {"a": "9" * 60}]),
    (leaf("gte", val="0.1"), [{"a": "0.1"}], [{"a": "0.09"}, {"a": "sNaN"}]),
    ({"op": "and", "nodes": [leaf("ex"), leaf("ex", "b")]}, [{"a": "", "b": ""}], [{"a": ""}, {}]),
    ({"op": "or", "nodes": [leaf("ex"), leaf("ex", "b")]}, [{"b": ""}], [{}]),
    ({"op": "not", "nodes": [leaf("ex")]}, [{}], [{"a": ""}]),
]


@pytest.mark.parametrize(("node", "passing", "others"), FILTERS)
def test_a_filter(node: Any, passing: list[Any], others: list[Any]) -> None:
    assert [matches(node, **tags) for tags in passing] == [True] * len(passing)
    assert [matches(node, **tags) for tags in others] == [False] * len(others)


def nested(depth: int) -> Any:
    node: Any = leaf("ex")
    for _ in range(depth):
        node = {"op": "not", "nodes": [node]}
    return node


BAD_FILTERS: list[Any] = [
    {},
    5,
    {"op": "xor", "nodes": [leaf("ex")]},
    {"op": "and"},
    {"op": "not", "nodes": [leaf("ex"), leaf("ex")]},
    leaf("like", val="1"),
    leaf("eq"),
    leaf("eq", key="", val="1"),
    leaf("eq", val="1", vals=["1"]),
    leaf("in", val="1"),
    leaf("ex", val="1"),
    {"op": "or", "nodes": [leaf("ex")] * 100},
    {"op": "and", "nodes": [leaf("ex"), leaf("no")]},
]


@pytest.mark.parametrize("node", BAD_FILTERS)
async def test_a_filter_that_means_nothing_is_107(house: House, node: Any) -> None:
    with pytest.raises(InvalidFilter):
        matches(node)
    async with house.socket() as socket:
        await socket.connect()
        command = {"id": 2, "subscribe": {"channel": DEN, "tf": node}}
        assert (await socket.ask(command))["error"]["code"] == 107


def test_a_filter_may_not_be_deep() -> None:
    assert matches(nested(40), a="")
    with pytest.raises(InvalidFilter):
        matches(nested(100))


async def test_a_subscriber_gets_what_passes_its_filter(house: House) -> None:
    async with house.socket() as few, house.socket() as all_:
        await enter(few, tf=leaf("gte", "level", "3"))
        await enter(all_)
        await few.receive()
        for level in (1, 5, 2, 3):
            await publish(house, {"n": level}, level=str(level))
        await publish(house, {"n": 0})
        got = [(await few.receive())["push"]["pub"] for _ in range(2)]
        assert [(each["offset"], each["data"]["n"]) for each in got] == [(2, 5), (4, 3)]
        assert got[0]["tags"] == {"level": "5"}
        everything = [(await all_.receive())["push"]["pub"]["offset"] for _ in range(5)]
        assert everything == [1, 2, 3, 4, 5]


async def test_what_is_recovered_passes_the_filter_too(house: House) -> None:
    async with house.socket() as socket:
        position = await enter(socket, tf=leaf("eq", "a", "1"))
    for n in "101":
        await publish(house, n, a=n)
    async with house.socket() as socket:
        at = {"recover": True, "epoch": position["epoch"], "offset": 0}
        result = await enter(socket, tf=leaf("eq", "a", "1"), **at)
        assert result["recovered"] is True
        assert [each["offset"] for each in result["publications"]] == [1, 3]
        await publish(house, "0", a="0")
        await publish(house, "1", a="1")
        assert (await socket.receive())["push"]["pub"]["offset"] == 5


LONG = "a long text that changes little from one publication to the next one " * 5


async def test_differences_are_sent_where_they_are_shorter(house: House) -> None:
    async with house.socket() as socket:
        result = await enter(socket, delta="fossil")
        assert result["delta"] is True
        texts = [{"n": n, "text": LONG} for n in range(3)] + ["short"]
        for text in texts:
            await publish(house, text)
        pubs = [(await socket.receive())["push"]["pub"] for _ in texts]
    assert [each.get("delta", False) for each in pubs] == [False, True, True, False]
    assert decoded(pubs) == texts


def decoded(pubs: list[Any]) -> list[Any]:
    """What an SDK makes of publications of a channel with differences."""
    found, base = [], b""
    for each in pubs:
        given_data = each["data"].encode()
        base = apply_delta(base, given_data) if each.get("delta") else given_data
        found.append(json.loads(base))
    return found


async def test_after_a_recovery_the_next_publication_is_whole(house: House) -> None:
    async with house.socket() as socket:
        position = await enter(socket, delta="fossil")
    texts = [{"n": n, "text": LONG} for n in range(4)]
    for text in texts[:2]:
        await publish(house, text)
    async with house.socket() as other, house.socket() as socket:
        await enter(other, delta="fossil")
        at = {"recover": True, "epoch": position["epoch"], "offset": 0}
        result = await enter(socket, delta="fossil", **at)
        for text in texts[2:]:
            await publish(house, text)
        pubs = [(await socket.receive())["push"]["pub"] for _ in range(2)]
    assert [each.get("delta", False) for each in pubs] == [False, True]
    assert decoded([*result["publications"], *pubs]) == texts


async def test_where_a_namespace_has_no_differences_they_are_not_promised(house: House) -> None:
    async with house.socket() as socket:
        await socket.connect()
        assert "delta" not in await socket.subscribe("beacons:a", delta="fossil")
        assert "delta" not in await socket.subscribe(DEN, delta="another")


def stored(offset: int, data: Any) -> StoredPublication:
    return StoredPublication(DEN, offset, json.dumps(data).encode(), datetime.now(UTC))


def test_what_a_recovery_may_have_brought_is_no_base() -> None:
    view = View(None, is_delta=True)
    parcels = [Parcel(stored(n, LONG), json.dumps(LONG).encode()) for n in range(4)]
    sent = [
        view.frame(parcel, is_next=is_next)
        for parcel, is_next in zip(parcels, (False, True, True, False), strict=True)
    ]
    told = [msgspec.json.decode(frame.payload)["push"]["pub"] for frame in sent]
    assert [each.get("delta", False) for each in told] == [False, False, True, False]


@settings(deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=200), st.binary(max_size=50))
@example(b"", b"", b"")
@example(b"a" * 100, b"", b"a" * 100)
def test_a_delta_makes_the_target_of_the_source(common: bytes, old: bytes, new: bytes) -> None:
    source, target = common + old + common, new + common + new + common
    assert apply_delta(source, make_delta(source, target)) == target


@settings(deadline=None)
@given(st.text(max_size=100), st.text(max_size=20), st.text(max_size=20))
@example("\N{GRINNING FACE}" * 20, "\N{WINKING FACE}", "")
def test_a_delta_of_texts_is_a_text(common: str, old: str, new: str) -> None:
    source, target = (common + old + common).encode(), (common + new + common).encode()
    delta = make_delta(source, target)
    assert apply_delta(source, delta.decode().encode()) == target
