"""What is observed of sockets: their requests, their queues, and how far behind the relay is."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from sqlalchemy import text

from tests.realtime.house import SECONDS, House, eventually, house_at
from trivet.identity import Revocation
from trivet.observation import (
    Observers,
    QueuesMeasured,
    RelayMeasured,
    RequestEnded,
    UnitEnded,
    UnitOutcome,
)
from trivet.origin import Origin

pytestmark = pytest.mark.anyio


@dataclass
class Seen:
    requests: list[RequestEnded] = field(default_factory=list)
    units: list[UnitEnded] = field(default_factory=list)
    relay: list[RelayMeasured] = field(default_factory=list)
    queues: list[QueuesMeasured] = field(default_factory=list)
    revocations: list[Revocation] = field(default_factory=list)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def observed(empty_database_url: str, seen: Seen) -> AsyncIterator[House]:
    """A served house whose queues are measured all the time."""
    observers = Observers(measure_seconds=0.01)
    observers.add(RequestEnded, seen.requests.append)
    observers.add(UnitEnded, seen.units.append)
    observers.add(RelayMeasured, seen.relay.append)
    observers.add(QueuesMeasured, seen.queues.append)
    observers.add(Revocation, seen.revocations.append)
    async with house_at(empty_database_url, observers=observers, poll_seconds=0.05) as house:
        yield house


async def test_a_socket_is_one_request_that_ends_with_it(observed: House, seen: Seen) -> None:
    async with observed.socket("7") as socket:
        await socket.connect()
        assert seen.requests == []
    await eventually(lambda: seen.requests)
    (request,) = seen.requests
    assert (request.method, request.mount, request.status) == ("WEBSOCKET", "realtime", 101)
    assert request.identity_kind == "key"
    assert request.seconds > 0


async def test_a_unit_behind_no_request_is_observed_once(observed: House, seen: Seen) -> None:
    nightly = Origin(way="nightly")
    async with observed.platform.open_unit(nightly) as unit:
        await unit.session.execute(text("SELECT 1"))
    with pytest.raises(ZeroDivisionError):  # noqa: PT012  # a unit that fails
        async with observed.platform.open_unit(nightly) as unit:
            await unit.session.execute(text("SELECT 1"))
            raise ZeroDivisionError
    assert [each for each in seen.units if each.origin == "nightly"] == [
        UnitEnded(UnitOutcome.COMMITTED, "", "nightly", read_only=False),
        UnitEnded(UnitOutcome.ROLLED_BACK, "ZeroDivisionError", "nightly", read_only=False),
    ]


async def test_what_a_look_of_the_relay_delivered_says_how_old_it_was(
    observed: House, seen: Seen
) -> None:
    async with observed.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        seen.relay.clear()
        await observed.light("north", "one", "two")
        await socket.publications(2)
        await eventually(lambda: any(look.seconds_behind > 0 for look in seen.relay))
        seen.relay.clear()
        await eventually(lambda: seen.relay)
    # By now it has caught up, and its polls find nothing.
    assert seen.relay[0] == RelayMeasured(0.0, 0, 0)


async def test_what_one_look_leaves_is_counted(observed: House, seen: Seen) -> None:
    async with observed.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        seen.relay.clear()
        await observed.light("north", *(str(number) for number in range(1500)))
        await socket.publications(1500)
        await eventually(lambda: any(look.publications_behind for look in seen.relay))
    behind = [look.publications_behind for look in seen.relay]
    assert [count for count in behind if count] == [500]


async def test_looks_that_fail_are_counted_and_know_nothing_of_publications(
    observed: House, seen: Seen
) -> None:
    engine = observed.platform.database.engine
    async with observed.socket() as socket:
        await socket.connect()
        await socket.subscribe("beacons:north")
        await eventually(lambda: seen.relay)
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_publication RENAME TO trivet_away"))
        seen.relay.clear()
        await eventually(lambda: any(look.failures == 2 for look in seen.relay))
        async with engine.begin() as connection:
            await connection.execute(text("ALTER TABLE trivet_away RENAME TO trivet_publication"))
        failed = [look for look in seen.relay if look.failures]
        await eventually(lambda: not seen.relay[-1].failures)
    assert [look.failures for look in failed[:2]] == [1, 2]
    assert {look.publications_behind for look in failed} == {None}
    assert failed[1].seconds_behind > failed[0].seconds_behind >= 0


async def test_the_queues_of_all_sockets_are_measured(observed: House, seen: Seen) -> None:
    async with observed.socket() as one, observed.socket() as two:
        for socket in (one, two):
            await socket.connect()
            await socket.subscribe("beacons:north")
        seen.queues.clear()
        await eventually(lambda: {each.name for each in seen.queues} == NAMES)
        outgoing = [each for each in seen.queues if each.name == "sockets outgoing"]
        assert outgoing[-1] == QueuesMeasured("sockets outgoing", 2, 0, 0, 0)
        # Nothing is read from here on, so that what is sent piles up in the server.
        for socket in (one, two):
            socket.connection.transport.pause_reading()
        seen.queues.clear()
        async with asyncio.timeout(SECONDS):
            while not any(each.longest_bytes > SIZE for each in seen.queues):
                await observed.light("north", "x" * SIZE)
                await asyncio.sleep(0.02)
        full = next(each for each in seen.queues if each.longest_bytes > SIZE)
        for socket in (one, two):
            socket.connection.transport.resume_reading()
    assert full.name == "sockets outgoing"
    assert full.items >= 1
    assert full.bytes >= full.longest_bytes


NAMES = {"sockets outgoing", "subscriptions apart"}
SIZE = 300_000
"""A few of them fill what the machine itself keeps for a socket."""


async def test_a_revocation_of_a_thread_is_observed_once(observed: House, seen: Seen) -> None:
    await asyncio.to_thread(observed.platform.broker.publish, Revocation(user_id=7))
    assert seen.revocations == [Revocation(user_id=7)]
