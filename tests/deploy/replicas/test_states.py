"""Replicas that are late, gone, of another database or promoted are passed over."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from tests.deploy.replicas.fleet import (
    DOORS,
    FERRIES,
    HEADER,
    PATIENCE,
    Fleet,
    launch,
    see,
    until,
)
from tests.services.databases import environment, run_trivet
from tests.services.processes import free_port
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.data.replicas.client import ClientPosition
from trivet.data.replicas.position import WalPosition
from trivet.data.replicas.replica import Replica
from trivet.data.replicas.router import Replicas
from trivet.observation import Observers

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]


def test_a_replica_that_dies_takes_no_reader_along(fleet: Fleet) -> None:
    dying, other = fleet.replicas
    before = len(fleet.server.log_text())  # another test has faults on purpose
    with fleet.person() as person, fleet.client() as stranger:
        for _ in range(2):
            fleet.until_read_back()
            assert person.get(FERRIES).status_code == 200
            until(lambda: {see(stranger).port for _ in range(12)} == fleet.reading)
            dying.crash()
            # Who has written nothing is not asked about, and meets a connection that is lost.
            assert {see(stranger).port for _ in range(12)} <= {other.server.port, fleet.writing}
            launched = [launch(person) for _ in range(3)]
            for name, door in zip(launched, ("run", "session", "django"), strict=True):
                assert name in see(person, door).names
            assert launched[-1] in person.get(FERRIES).text
            fleet.until_used(other)
            until(lambda: fleet.states() == ["does not answer", "ok"])
            dying.start()
            fleet.until_used(*fleet.replicas)
    assert "Traceback" not in fleet.server.log_text()[before:]


def test_without_any_replica_everything_is_read_from_the_primary(fleet: Fleet) -> None:
    with fleet.person() as person:
        for each in fleet.replicas:
            each.crash()
        for door in ("run", "session", "django"):
            assert see(person, door).port == fleet.writing
        assert person.get(FERRIES).status_code == 200
        fleet.until_used()
        assert fleet.states() == ["does not answer", "does not answer"]  # and it is ready
        assert see(person, "query").port == fleet.writing
        for each in fleet.replicas:
            each.start()
        fleet.until_used(*fleet.replicas)


def test_check_says_which_replicas_would_not_be_read_from(fleet: Fleet) -> None:
    late, good = fleet.replicas
    here = fleet.database
    gone = f"postgresql://trivet:geheim@127.0.0.1:{free_port()}/{here}"
    itself = f"{fleet.primary.server.url(here)}?application_name=x"
    with fleet.paused(late):
        listed = (
            late.server.url(here),
            good.server.url("postgres"),
            good.server.url(here),
            itself,
            gone,
        )
        url = fleet.primary.server.url(here)
        done = run_trivet("check", env=environment(url, replica_urls=",".join(listed)))
    lines = [line for line in done.stdout.splitlines() if " replicas: " in line]
    says = ("is paused", "another database", "no standby", "does not answer")
    assert done.returncode == 1
    assert len(lines) == len(says)
    for line, sentence in zip(lines, says, strict=True):
        assert sentence in line
        assert line.startswith("✗" if sentence == "another database" else "!")
        assert "geheim" not in line


def test_a_command_reads_from_the_primary_and_needs_no_replica(fleet: Fleet) -> None:
    url = fleet.primary.server.url(fleet.database)
    gone = f"postgresql://trivet@127.0.0.1:{free_port()}/{fleet.database}"
    done = run_trivet("users", "list", env=environment(url, replica_urls=gone))
    assert done.returncode == 0, done.stderr
    assert "boss" in done.stdout


async def test_a_replica_that_is_too_far_behind_is_read_from_by_nobody(fleet: Fleet) -> None:
    async with watching(fleet, lag_seconds=0.5) as replicas:
        client = ClientPosition()
        await settled(replicas, ["ok", "ok"])
        async with delayed(fleet, 60_000):
            await asyncio.to_thread(fleet.launch)
            await settled(replicas, ["more than 0.5 s behind"] * 2)
            assert await replicas.choose(client) is None
        await settled(replicas, ["ok", "ok"])
        assert await replicas.choose(client) in replicas.replicas


async def test_a_replica_that_was_late_before_a_process_began_is_not_read_from_there(
    fleet: Fleet,
) -> None:
    async with delayed(fleet, 60_000):
        await asyncio.to_thread(fleet.write_through)
        async with watching(fleet) as replicas:
            async with asyncio.timeout(PATIENCE):
                while any(each.position is None for each in replicas.replicas):  # noqa: ASYNC110  # nobody is told
                    await asyncio.sleep(0.05)
            assert replicas.states == ["not asked yet"] * 2
            assert await replicas.choose(ClientPosition()) is None


async def test_a_replica_of_another_database_or_none_is_read_from_by_nobody(fleet: Fleet) -> None:
    wrong = (
        fleet.replicas[0].server.url("postgres"),
        fleet.primary.server.url(fleet.database),
        f"postgresql://trivet@127.0.0.1:{free_port()}/{fleet.database}",
    )
    async with watching(fleet, *wrong) as replicas:
        await settled(
            replicas, ["is a replica of another database", "is no standby", "does not answer"]
        )
        assert await replicas.choose(ClientPosition()) is None


async def test_of_all_who_wait_in_vain_for_the_same_only_the_first_waits(fleet: Fleet) -> None:
    async with delayed(fleet, 60_000), watching(fleet) as replicas:
        await settled(replicas, ["ok", "ok"])
        newest = [await asyncio.to_thread(written, fleet) for _ in range(3)]
        assert await replicas.choose(ClientPosition(newest[1])) is None
        for position in newest[1:]:
            with pytest.raises(StopIteration) as ended:
                replicas.choose(ClientPosition(position)).send(None)
            assert ended.value.value is None
        earlier = replicas.choose(ClientPosition(newest[0]))
        assert earlier.send(None) is not None  # it waits
        earlier.close()


def written(fleet: Fleet) -> WalPosition:
    with fleet.client() as client:
        return WalPosition.parse(client.post(f"/api/ferries/{uuid4()}").headers[HEADER])


def test_a_replica_that_is_promoted_is_one_no_longer(fleet: Fleet) -> None:
    promoted, other = fleet.replicas
    with fleet.person() as person:
        promoted.promote()
        name = launch(person)
        for door in DOORS:
            assert name in see(person, door).names
        assert name in person.get(FERRIES).text
        fleet.until_used(other)
        assert fleet.states() == ["is no standby", "ok"]
        promoted.follow_again(fleet.primary)
        fleet.until_used(*fleet.replicas)


@asynccontextmanager
async def delayed(fleet: Fleet, milliseconds: int) -> AsyncIterator[None]:
    delay = fleet.delayed(milliseconds)
    await asyncio.to_thread(delay.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(delay.__exit__, None, None, None)


@asynccontextmanager
async def watching(
    fleet: Fleet, *addresses: str, lag_seconds: float = 600
) -> AsyncIterator[Replicas]:
    """The replicas as a process of its own settings sees them."""
    database = Database(fleet.primary.server.url(fleet.database), capture=Capture())
    urls = addresses or [each.server.url(fleet.database) for each in fleet.replicas]
    listed = [
        Replica(each, connections=2, observers=Observers(), pooler="none", statement_seconds=None)
        for each in urls
    ]
    replicas = Replicas(listed, database, wait_seconds=0.1, lag_seconds=lag_seconds)
    await replicas.start()
    try:
        yield replicas
    finally:
        await replicas.stop()
        await database.close()


async def settled(replicas: Replicas, states: list[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while replicas.states != states:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.05)
