"""A real streaming standby, which takes over from its primary under load."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import httpx2
import psycopg
import pytest

from tests.deploy.dock import SEE_CRATES, Crowd, Port, Watch, is_told_to_come_back, until
from tests.deploy.restarted import DOORS, Load, succeed
from tests.services.databases import Databases
from tests.services.people import PASSWORD
from tests.services.postgres import USER, Cluster, running_cluster
from tests.services.server import StartServer

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]


@dataclass
class Pair:
    """A primary, and a standby that has everything that the primary has confirmed."""

    primary: Cluster
    standby: Cluster
    database: str

    def url(self, options: str = "") -> str:
        """The address of both, the primary first."""
        ports = self.primary.server.port, self.standby.server.port
        servers = ",".join(f"127.0.0.1:{port}" for port in ports)
        return f"postgresql://{USER}:{USER}@{servers}/{self.database}{options}"

    def watch_standby(self) -> Watch:
        return Watch(self.standby.server.url(self.database))


@pytest.fixture
def pair(databases: Databases) -> Iterator[Pair]:
    with running_cluster(synchronous_commit="on") as primary:
        url = databases.create()
        database = primary.copy_database(url).rpartition("/")[2]
        databases.drop(url)
        with running_cluster(standby_of=primary) as standby:
            configure(primary, synchronous_standby_names="*")
            yield Pair(primary, standby, database)
            configure(primary, synchronous_standby_names="")


def configure(cluster: Cluster, **settings: str) -> None:
    """Change the settings of a server that runs; nothing, of one that does not."""
    try:
        for name, value in settings.items():
            cluster.server.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        cluster.server.execute("SELECT pg_reload_conf()")
    except psycopg.OperationalError:
        return


def make_read_only(cluster: Cluster) -> None:
    """As managed services do when the disk is full, and as an operator does before a switch."""
    configure(cluster, default_transaction_read_only="on")


async def test_a_standby_reads_says_that_it_only_reads_and_serves_as_soon_as_it_is_promoted(
    pair: Pair, start_server: StartServer
) -> None:
    port = await asyncio.to_thread(Port.open, start_server, pair.url())
    async with Crowd() as crowd:
        edit = await asyncio.to_thread(port.edit, f"{SEE_CRATES}add/", dock="x", label="y")
        await asyncio.to_thread(pair.primary.stop)
        page = await succeed(crowd, port.get(SEE_CRATES))
        await see_that_it_only_reads(port, crowd, edit)
        logged = await asyncio.to_thread(port.server.log_text)

        load = Load(replace(port, watch=pair.watch_standby()), "load")
        loading = asyncio.create_task(load.run(crowd))
        await until(lambda: len(load.answers) > 12)
        await asyncio.to_thread(pair.standby.promote)
        back = await measure_return(port, crowd)
        load.over = True
        await loading
    assert page.status_code == 200
    assert "state=read-only" in logged
    assert "Traceback" not in logged
    assert back < 5
    await see_that_nothing_is_lost(load)


async def see_that_it_only_reads(port: Port, crowd: Crowd, edit: httpx2.Request) -> None:
    body = {"username": "boss", "password": PASSWORD}
    login = httpx2.Request("POST", f"{port.server.url}/api/auth/login", json=body)
    refused = [port.put("dock"), port.put("dock", with_django=True), login, edit]
    for request in refused:
        async with asyncio.timeout(30):
            while "can only be read" not in (answer := await crowd.send(request)[0]).text:
                # A connection to the old server told of its end.
                assert is_told_to_come_back(answer), (request.url, answer.text)
        assert is_told_to_come_back(answer)
    ready = await crowd.send(port.anonymous("/readyz"))[0]
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"] == "read-only"
    assert (await crowd.send(port.anonymous("/healthz"))[0]).status_code == 200


async def test_connections_to_a_server_that_became_read_only_give_way_to_the_one_that_writes(
    pair: Pair, start_server: StartServer
) -> None:
    """The old server lives, and its connections answer: whoever kept them would read for ever."""
    url = pair.url("?target_session_attrs=read-write")
    port = await asyncio.to_thread(Port.open, start_server, url)
    async with Crowd() as crowd:
        load = Load(replace(port, watch=pair.watch_standby()), "load")
        loading = asyncio.create_task(load.run(crowd))
        await until(lambda: len(load.confirmed()) > 12)
        await asyncio.to_thread(make_read_only, pair.primary)
        await until(lambda: any(answer.status_code == 503 for _, answer in load.answers))
        # A commit would wait for ever for a standby that is none any more.
        await until(lambda: not is_written_to(pair.primary))
        await asyncio.to_thread(pair.standby.promote)
        back = await measure_return(port, crowd)
        load.over = True
        await loading
    assert back < 5
    await see_that_nothing_is_lost(load)


def is_written_to(cluster: Cluster) -> bool:
    with psycopg.connect(cluster.server.url("postgres"), autocommit=True) as connection:
        query = "SELECT 1 FROM pg_stat_activity WHERE backend_xid IS NOT NULL"
        return connection.execute(query).fetchone() is not None


async def measure_return(port: Port, crowd: Crowd) -> float:
    """The seconds until every door writes again, and the probe says so."""
    began = time.monotonic()
    for with_django in DOORS:
        await succeed(crowd, port.put("after", with_django=with_django))
    await succeed(crowd, port.anonymous("/readyz"))
    return time.monotonic() - began


async def see_that_nothing_is_lost(load: Load) -> None:
    """Whole or not at all: what is stored was told, and what was told is stored."""
    assert all(a.status_code == 201 or is_told_to_come_back(a) for _, a in load.answers)
    stored = await asyncio.to_thread(load.port.watch.labels, load.dock)
    assert load.confirmed() <= set(stored)
    assert sorted(await asyncio.to_thread(load.port.watch.told, load.dock)) == sorted(stored)
