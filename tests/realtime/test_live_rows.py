"""Live classes: who is told of which rows, whatever way and in whatever process they hear of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from tests.realtime.carried import CarriedBroker, Line
from tests.realtime.centrifugo_proxy import SETTINGS as CENTRIFUGO
from tests.realtime.centrifugo_proxy import ask
from tests.realtime.freight.models import Consignment, Postmark
from tests.realtime.freight.rules import Office
from tests.realtime.house import House
from tests.realtime.live_house import (
    ACTORS,
    CHANGES,
    CHANNEL,
    MARKS,
    Held,
    Passes,
    change,
    end,
    heard,
    is_end,
    live_house,
    make,
    next_event,
    told,
)
from tests.realtime.opened import opened
from tests.realtime.sdk import sdk
from tests.realtime.server_api import KEY, call
from trivet.events.appending import NewPublication
from trivet.events.outbox import PublicationRow
from trivet.identity import Revocation, RevocationScope
from trivet_realtime.bounds import Bounds
from trivet_realtime.publishing import record_publication

pytestmark = pytest.mark.anyio

OWN = (None, Held(sender=1))
"""A row of user 1's, and of nobody else's."""


@pytest.fixture
async def house(empty_database_url: str) -> AsyncIterator[House]:
    async with live_house(empty_database_url) as house:
        yield house


def read(publications: list[Any], codes: dict[str, str]) -> Iterator[tuple[str, str]]:
    """The kinds and codes of events, which show nothing that nobody should see."""
    for publication in publications:
        assert set(publication) <= {"data", "offset", "time"}
        data = publication["data"]
        assert data["type"] == "consignment_changed"
        assert not {"pin", "margin"} & data.get("row", {}).keys()
        if data["kind"] == "delete":
            assert set(data) == {"type", "kind", "key"}
        else:
            assert (str(data["row"]["id"]), data["row"]["code"]) == (
                data["key"],
                codes[data["key"]],
            )
        yield data["kind"], codes[data["key"]]


async def test_each_hears_of_the_rows_that_they_may_see_and_of_no_other(
    empty_database_url: str,
) -> None:
    line = Line()
    async with AsyncExitStack() as stack:
        one, other = [
            await stack.enter_async_context(
                live_house(empty_database_url, broker=CarriedBroker(line))
            )
            for _ in range(2)
        ]
        codes = await make(one, CHANGES)
        listeners: list[tuple[str, Any]] = []
        for badge in ACTORS:
            socket = await stack.enter_async_context(one.socket(badge))
            await socket.connect()
            listeners.append((badge, socket))
        for badge, kind in (("1", "sse"), ("4", "http_stream"), ("8 staff", "sse")):
            stream = await stack.enter_async_context(opened(other, kind, badge=badge))
            await stream.connected()
            listeners.append((badge, stream))
        begun: dict[str, Any] = {}
        for badge, client in listeners:
            reply = await client.ask({"id": 2, "subscribe": {"channel": CHANNEL}})
            begun[badge] = {name: reply["subscribe"][name] for name in ("epoch", "offset")}
        await change(one, CHANGES, codes)
        await end(one)
        for badge, client in listeners:
            assert list(read(await heard(client), codes)) == list(told(badge, CHANGES)), badge
        for badge, since in begun.items():
            async with other.socket(badge) as socket:
                await socket.connect()
                result = await socket.subscribe(CHANNEL, recover=True, **since)
                assert result["recovered"]
                publications = result["publications"]
                assert is_end(publications.pop())
                assert list(read(publications, codes)) == list(told(badge, CHANGES)), badge
                asked = {"channel": CHANNEL, "since": since, "limit": len(publications)}
                history = await socket.ask({"id": 3, "history": asked})
                assert history["history"].get("publications", []) == publications
                asked = {"channel": CHANNEL, "limit": 1, "reverse": True}
                history = await socket.ask({"id": 4, "history": asked})
                assert is_end(history["history"]["publications"][0])


async def test_what_goes_in_one_transaction_is_judged_version_by_version(house: House) -> None:
    async with house.socket("1") as mine, house.socket("2") as theirs:
        for socket in (mine, theirs):
            await socket.connect()
            await socket.subscribe(CHANNEL)
        async with house.platform.database.unit() as session:
            row = Consignment(code="c", sender_id=1)
            session.add(row)
            await session.flush()
            for sender in (2, 1, 2):
                row.sender_id = sender
                await session.flush()
            row.code = "d"
            await session.flush()
            row.sender_id = 1  # it is judged as it lay in the database, and not as it was set
            await session.delete(row)
        await end(house)
        kinds = [[each["data"]["kind"] for each in await heard(s)] for s in (mine, theirs)]
        assert kinds == [
            ["insert", "delete", "insert", "delete"],
            ["insert", "delete", "insert", "update", "delete"],
        ]


async def test_a_row_is_shown_as_it_lies_in_the_database(house: House) -> None:
    papers = {"a": [1, None]}
    async with house.platform.database.unit() as session:
        session.add(Consignment(code="c", sender_id=1, papers=papers, pin="1234"))
    async with house.socket("1") as socket:
        await socket.connect()
        await socket.subscribe(CHANNEL)
        async with house.platform.database.unit() as session:
            row = await session.scalar(select(Consignment))
            assert row is not None
            row.price = Decimal("1.5")  # the papers are not loaded
        async with house.platform.database.unit() as session:
            row = await session.scalar(select(Consignment))
            assert row is not None
            row.pin = "5678"  # of which nobody is told
        await end(house)
        (publication,) = await heard(socket)
    assert publication["data"]["row"] == {
        "id": 1,
        "code": "c",
        "sender_id": 1,
        "crew_id": None,
        "stage": "shut",
        "price": "1.50",
        "due_at": None,
        "papers": papers,
        "parent_id": None,
    }


async def test_who_may_view_such_rows_may_subscribe_and_a_pattern_opens_nothing(
    house: House,
) -> None:
    async with house.socket("1") as socket, house.socket() as nobody:
        for client, refused in ((socket, MARKS), (nobody, MARKS), (nobody, CHANNEL)):
            if client is socket or refused == MARKS:
                await client.connect()
            reply = await client.ask({"id": 2, "subscribe": {"channel": refused}})
            assert reply["error"]["code"] in (101, 103)
    async with house.socket("7 marks") as socket:
        await socket.connect()
        await socket.subscribe(MARKS, delta="fossil")


async def test_a_key_of_several_columns_that_changes_is_a_row_that_goes_and_one_that_comes(
    house: House,
) -> None:
    async with house.socket("7 marks") as socket:
        await socket.connect()
        await socket.subscribe(MARKS)
        async with house.platform.database.unit() as session:
            session.add(Postmark(place="a~b", number=1, text="one"))
        async with house.platform.database.unit() as session:
            mark = await session.get_one(Postmark, ("a~b", 1))
            mark.text = "two"  # which no event shows
        async with house.platform.database.unit() as session:
            mark = await session.get_one(Postmark, ("a~b", 1))
            mark.number = 2
        async with house.platform.database.unit() as session:
            await session.delete(await session.get_one(Postmark, ("a~b", 2)))
        events = [(await next_event(socket))["data"] for _ in range(4)]
    assert [(event["kind"], event["key"], event.get("row")) for event in events] == [
        ("insert", "a!7Eb~1", {"place": "a~b", "number": 1}),
        ("delete", "a!7Eb~1", None),
        ("insert", "a!7Eb~2", {"place": "a~b", "number": 2}),
        ("delete", "a!7Eb~2", None),
    ]
    # No rule of visibility: nothing is kept beside the publication.
    async with house.platform.database.unit() as session:
        kept = select(PublicationRow.row_before, PublicationRow.row_after).distinct()
        assert (await session.execute(kept)).all() == [(None, None)]


async def test_a_rule_that_fails_keeps_its_rows_and_disturbs_nobody(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    async with house.socket("1") as socket, house.socket("666") as unlucky:
        for client in (socket, unlucky):
            await client.connect()
        reply = await unlucky.ask({"id": 2, "subscribe": {"channel": CHANNEL}})
        assert reply["error"]["code"] == 100
        await socket.subscribe(CHANNEL)
        await end(house)
        assert await heard(socket) == []
    assert "a mistake in a rule" in caplog.text


async def test_nothing_is_recovered_across_a_change_of_what_one_sees(house: House) -> None:
    """The publications do not say which rows came into sight, or left it."""
    told: dict[str, Any] = {}
    for badge in ("8 staff", "1"):
        async with house.socket(badge) as socket:
            await socket.connect()
            result = await socket.subscribe(CHANNEL)
            assert result.get("positioned", False) is (badge != "1")  # it counts what one sees
            told[badge] = {name: result.get(name, 0) for name in ("epoch", "offset")}
            history = (await socket.ask({"id": 3, "history": {"channel": CHANNEL}}))["history"]
            told["page"] = {name: history.get(name, 0) for name in ("epoch", "offset")}
    await change(house, [OWN], {})
    for badge, by, recovered in (
        *((each, each, True) for each in ("8 staff", "1")),
        *((each, "page", True) for each in ("8 staff", "1")),
        *(("8", "8 staff", False), ("8 staff", "1", False), ("1", "8 staff", False)),
    ):
        async with house.socket(badge) as socket:
            await socket.connect()
            result = await socket.subscribe(CHANNEL, recover=True, **told[by])
            assert result.get("recovered", False) is recovered, (badge, by)
            assert bool(result.get("publications")) is recovered
            asked = {"channel": CHANNEL, "since": told[by], "limit": 9}
            history = (await socket.ask({"id": 3, "history": asked}))["history"]
            seen = ["c0"] if badge in ("8 staff", "1") else []
            rows = [each["data"]["row"]["code"] for each in history.get("publications", [])]
            assert rows == seen


async def test_a_client_whose_grants_change_comes_back_and_reads_its_rows_anew(
    house: House,
) -> None:
    (door,) = house.mounts[0].authenticators
    assert isinstance(door, Passes)
    async with sdk(f"{house.url}?badge=8%20staff", CHANNEL) as client:
        await client.next("subscribed")
        await change(house, [OWN], {})
        await client.next("publication")
        door.dismissed.add(8)
        house.platform.broker.publish(Revocation(user_id=8, scope=RevocationScope.GRANTS))
        again = await client.next("subscribed")
        assert (again["wasRecovering"], again["recovered"]) == (True, False)
        await change(house, [OWN], {})
        await end(house)
        assert (await client.next("publication"))["offset"] == 3


async def test_a_rule_that_goes_by_the_clock_is_asked_again_of_those_who_listen(
    empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds = Bounds(sight_seconds=0.1)
    async with (
        live_house(empty_database_url, bounds=bounds) as house,
        sdk(f"{house.url}?badge=10", CHANNEL) as client,
    ):
        await client.next("subscribed")
        for is_open in (False, True):
            monkeypatch.setattr(Office, "is_open", is_open)
            again = await client.next("subscribed")
            assert (again["wasRecovering"], again["recovered"]) == (True, False)
            await change(house, [OWN], {})
            await end(house)
            said = [await client.next("publication") for _ in range(1 + is_open)]
            assert [each["offset"] for each in said] == ([3, 4] if is_open else [2])


async def test_what_is_no_row_reaches_only_those_who_see_all_of_them(house: House) -> None:
    data = NewPublication(CHANNEL, '{"by":"hand"}')
    async with house.socket("1") as judged, house.socket("8 staff") as staff:
        for socket in (judged, staff):
            await socket.connect()
            await socket.subscribe(CHANNEL)
        position = (await judged.ask({"id": 3, "history": {"channel": CHANNEL}}))["history"]
        async with house.platform.open_unit() as unit:
            await unit.run(record_publication, data)
        shouted = {"channel": CHANNEL, "data": {"said": "to all"}}
        await staff.send({"id": 3, "publish": shouted})
        await end(house)
        received = [await staff.receive() for _ in range(4)]
        pushes = [each["push"]["pub"]["data"] for each in received if "push" in each]
        assert {"by": "hand"} in pushes
        assert {"said": "to all"} in pushes
        assert await heard(judged) == []
        since = {"recover": True, "epoch": position["epoch"], "offset": 0}
        for badge, recovered in (("1", False), ("8 staff", True)):
            async with house.socket(badge) as socket:
                await socket.connect()
                result = await socket.subscribe(CHANNEL, **since)
                assert result.get("recovered", False) is recovered


async def test_differences_are_for_those_who_get_everything(house: House) -> None:
    for badge, is_delta in (("1", False), ("8 staff", True)):
        async with house.socket(badge) as socket:
            await socket.connect()
            result = await socket.subscribe(CHANNEL, delta="fossil")
            assert result.get("delta", False) is is_delta
            await end(house)
            received = await next_event(socket)
            assert isinstance(received["data"], str) is is_delta


async def test_a_judged_subscriber_that_was_away_from_memory_is_brought_on_from_the_outbox(
    empty_database_url: str,
) -> None:
    bounds = Bounds(publications=5)
    async with live_house(empty_database_url, bounds=bounds) as house:
        async with house.socket("1") as socket:
            await socket.connect()
            await socket.subscribe(CHANNEL)
            async with house.platform.database.unit() as session:
                for number in range(250):
                    row = Consignment(code=f"c{number}", sender_id=1 + number % 2)
                    session.add(row)
            await end(house)
            publications = await heard(socket)
        found = [each["data"]["row"]["code"] for each in publications]
        assert found == [f"c{number}" for number in range(0, 250, 2)]
        offsets = [each["offset"] for each in publications]
        assert offsets == sorted(offsets)


async def test_a_subscription_by_the_server_shows_no_more(empty_database_url: str) -> None:
    codes: dict[str, str] = {}
    async with (
        live_house(empty_database_url, server_api_keys=[KEY]) as house,
        house.socket("2") as socket,
    ):
        await socket.connect()
        await call(house, "subscribe", user="2", channel=CHANNEL)
        assert "subscribe" in (await socket.receive())["push"]
        await change(house, [OWN, (None, Held(sender=2))], codes)
        await end(house)
        assert list(read(await heard(socket), codes)) == [("insert", "c1")]


@pytest.mark.database("postgresql")
async def test_centrifugo_gets_nobody_who_does_not_see_every_row(empty_database_url: str) -> None:
    handshake: Any = {"meta": {"handshake": True}, "channel": CHANNEL}
    async with live_house(empty_database_url, **CENTRIFUGO) as house:
        await house.add_user(1)
        await house.add_user(8)
        answer = await ask(house, "subscribe", "1", user="1", **handshake)
        assert answer["error"]["code"] == 108
        answer = await ask(house, "subscribe", "8 staff", user="8", **handshake)
        assert "result" in answer
        answer = await ask(house, "sub_refresh", "1", user="1", **handshake)
        assert answer == {"result": {"expired": True}}
