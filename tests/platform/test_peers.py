"""A process that is alone sends no news, and nobody who joins misses any."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.platform.broker_services import Ear, Postgres, Service, Valkey, eventually
from tests.platform.neighbour import CHANNEL, HEARTBEAT_SECONDS, Ledger, Listener
from tests.services.postgres import running_cluster
from trivet.broker import Message
from trivet.delivery.brokers.peers import MOST_SILENT, Announcement, Peers
from trivet.delivery.brokers.shared import SharedBroker
from trivet.delivery.controls import ChannelPush, ClientControl, EphemeralPublication
from trivet.delivery.messages import decode
from trivet.events.wake_up import WakeUp
from trivet.identity import Revocation

pytestmark = [pytest.mark.anyio, pytest.mark.once]


@pytest.fixture(scope="module")
def postgres_service() -> Iterator[Postgres]:
    with running_cluster() as cluster:
        yield Postgres(cluster)


@pytest.fixture(params=["postgresql", "redis"])
def service(request: pytest.FixtureRequest) -> Iterator[Postgres | Valkey]:
    if request.param == "redis":
        valkey = Valkey()
        yield valkey
        valkey.stop()
        return
    yield request.getfixturevalue("postgres_service")


@asynccontextmanager
async def process(service: Service, node: str) -> AsyncIterator[SharedBroker]:
    broker = service.broker(node, heartbeat_seconds=HEARTBEAT_SECONDS)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "committed")


@asynccontextmanager
async def neighbour(
    role: str, service: Postgres | Valkey, directory: Path
) -> AsyncIterator[subprocess.Popen[bytes]]:
    """A process that is not this one, with the ledger of `directory`."""
    arguments = [role, service.url, str(directory / "committed")]
    command = [sys.executable, "-m", "tests.platform.neighbour", *arguments]
    other = await asyncio.to_thread(subprocess.Popen, command)
    try:
        yield other
    finally:
        other.kill()
        await asyncio.to_thread(other.wait)


@asynccontextmanager
async def tapped(service: Service) -> AsyncIterator[list[Message]]:
    """What goes over the service, heard by somebody who does not announce itself."""
    heard: list[Message] = []
    link = service.carrier("tap").open()
    await link.open(lambda body: heard.append(decode(body).message), [CHANNEL])
    running = asyncio.create_task(link.run())
    try:
        yield heard
    finally:
        running.cancel()
        await link.close()


async def test_news_are_sent_only_while_another_process_is_there(service: Service) -> None:
    news = [
        WakeUp({CHANNEL: 1}),
        ChannelPush(channel=CHANNEL, node="one", frame="{}"),
        EphemeralPublication(channel=CHANNEL, node="one", data="1"),
    ]
    rest = [Revocation(user_id=1), ClientControl("disconnect", "{}")]
    async with tapped(service) as carried, process(service, "one") as one:
        here = Ear(one, *{type(each) for each in news})
        await eventually(lambda: one.state.is_alone)
        for message in [*news, *rest]:
            one.publish(message)
        assert [each for each in here.heard if each in news] == news, "here they arrive as ever"
        await eventually(lambda: all(each in carried for each in rest))
        assert not any(each in carried for each in news)
        async with process(service, "two") as two:
            there = Ear(two, *{type(each) for each in [*news, *rest]})
            await two.watch(CHANNEL)
            await eventually(lambda: (one.state.peers, two.state.peers) == (1, 1))
            assert not one.state.is_alone
            for message in [*news, *rest]:
                one.publish(message)
            await eventually(lambda: all(each in there.heard for each in [*news, *rest]))
        await eventually(lambda: one.state.is_alone)


async def test_nobody_who_joins_under_load_misses_what_was_committed(
    service: Service, ledger: Ledger
) -> None:
    joined, chance = [], random.Random(9)
    async with process(service, "writer") as writer:
        for number in range(1, 31):
            await eventually(lambda: writer.state.is_alone)
            joiner = service.broker(f"joiner-{number}", heartbeat_seconds=60)  # it looks once
            listener = Listener(joiner, ledger)
            await joiner.watch(CHANNEL)
            await joiner.start()
            last = asyncio.get_running_loop().time() + chance.uniform(0.0, 0.04)
            while asyncio.get_running_loop().time() < last:
                ledger.commit()
                writer.publish(WakeUp({"of no joiner": 1}))
                writer.publish(WakeUp({CHANNEL: ledger.committed}))
                await asyncio.sleep(0)
            await eventually(lambda: listener.known == ledger.committed)  # noqa: B023  # awaited here
            joined.append(joiner.state.is_connected)
            await joiner.stop()
    assert joined == [True] * 30


async def test_two_that_begin_at_once_know_of_each_other(service: Service) -> None:
    for number in range(5):
        async with (
            process(service, f"one-{number}") as one,
            process(service, f"two-{number}") as two,
        ):
            await eventually(lambda: (one.state.peers, two.state.peers) == (1, 1))  # awaited here


async def test_a_process_that_stood_still_until_it_was_given_up_misses_nothing(
    service: Postgres | Valkey, ledger: Ledger, tmp_path: Path
) -> None:
    async with (
        process(service, "writer") as writer,
        neighbour("listener", service, tmp_path) as other,
    ):
        await eventually(lambda: writer.state.peers == 1)
        ledger.commit()
        writer.publish(WakeUp({CHANNEL: 1}))
        await eventually(lambda: ledger.known == 1)
        other.send_signal(signal.SIGSTOP)
        await eventually(lambda: writer.state.is_alone)
        ledger.commit()
        writer.publish(WakeUp({CHANNEL: 2}))
        other.send_signal(signal.SIGCONT)
        await eventually(lambda: ledger.known == 2)


async def test_a_writer_that_is_killed_before_it_hears_of_a_joiner_hides_nothing(
    service: Postgres | Valkey, ledger: Ledger, tmp_path: Path
) -> None:
    async with neighbour("writer", service, tmp_path) as writer:
        await eventually(lambda: ledger.committed > 50)
        writer.send_signal(signal.SIGSTOP)  # it answers nobody, and is killed as it stands
        async with process(service, "joiner") as joiner:
            listener = Listener(joiner, ledger)
            await joiner.watch(CHANNEL)
            await eventually(lambda: listener.known == ledger.committed)
            # What it committed last, it told nobody: the joiner had not begun to listen.
            ledger.commit()
            writer.kill()
            await eventually(lambda: listener.known == ledger.committed)


@pytest.mark.parametrize("kind", [Revocation(user_id=1), ClientControl("disconnect", "{}")])
def test_what_cannot_be_found_later_is_never_withheld(
    kind: Revocation | ClientControl,
) -> None:
    peers = Peers()
    peers.settle()
    assert peers.withhold(WakeUp({CHANNEL: 1}))
    assert not peers.withhold(kind)


def test_a_newcomer_is_told_to_look_if_anything_was_ever_withheld() -> None:
    peers = Peers()
    assert not peers.withhold(WakeUp({CHANNEL: 1})), "it is not known yet who is there"
    assert len(peers.hear("first", Announcement())) == 1
    assert peers.hear("first", Announcement()) == ()
    peers.hear("first", Announcement(is_leaving=True))
    peers.settle()
    assert peers.withhold(WakeUp({CHANNEL: 2}))
    assert len(peers.hear("second", Announcement())) == 2
    assert not peers.withhold(WakeUp({CHANNEL: 3}))
    assert len(peers.hear("third", Announcement())) == 2, "it may have listened all the time"


def test_who_is_silent_is_given_up_and_who_is_not_stays() -> None:
    peers = Peers()
    peers.settle()
    for node in ("dead", "living"):
        peers.hear(node, Announcement())
    for _ in range(MOST_SILENT * 2):
        peers.note_silence()
        if len(peers) == 2:
            assert not peers.is_alone
        peers.hear("living", Announcement())
    assert len(peers) == 1
    for _ in range(MOST_SILENT + 1):
        peers.note_silence()
    assert peers.is_alone
