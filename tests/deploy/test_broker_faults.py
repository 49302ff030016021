"""Two workers under load whose parts fail: nothing is lost or doubled, and order is kept.

A few faults in every run. By hand as many rounds of random ones as one likes, and the broker away
for half a minute:

    FAULT_ROUNDS=100 TRIVET_TEST_DATABASE=postgresql python -m pytest -o log_cli=true \
        -o log_cli_level=INFO tests/deploy/test_broker_faults.py
"""

import logging
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.dock import Watch, until
from tests.deploy.faults import (
    FOLLOWERS,
    ROUNDS,
    Follower,
    House,
    following,
    see_that_all_is_well,
    stopping,
)
from tests.services.postgres import Cluster, running_cluster
from tests.services.server import StartServer

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

logger = logging.getLogger(__name__)

AWAY_SECONDS = 30.0 if ROUNDS else 0.0
TEST_SECONDS, BY_HAND_SECONDS = 240, 3600

Fault = Callable[[House], Awaitable[None]]


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A database server that a test may stop. What it has confirmed outlives a crash."""
    with running_cluster(synchronous_commit="on") as cluster:
        yield cluster


@pytest.fixture(params=["postgresql", "redis"])
def house(
    request: pytest.FixtureRequest,
    start_server: StartServer,
    fresh_database_url: str,
    cluster: Cluster,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[House]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    valkey = request.getfixturevalue("valkey") if request.param == "redis" else None
    url = cluster.copy_database(fresh_database_url)
    broker = "" if valkey is None else f"redis://127.0.0.1:{valkey.port}"
    Watch(url).execute(
        "CREATE TABLE crates_crate (id bigserial PRIMARY KEY, dock varchar(20), label varchar(40))"
    )
    server = start_server(
        "serve",
        "--workers",
        "2",
        database_url=url,
        features="departures,tests.deploy.crates",
        broker=broker,
    )
    with stopping(House(server, cluster, url, valkey)) as house:
        yield house


FAULTS: tuple[Fault, ...] = (
    House.kill_a_worker,
    House.cut_connections,
    House.restart_the_database,
    House.kill_all_workers,
    House.crash_the_database,
)
BROKER_FAULTS: tuple[Fault, ...] = (
    House.restart_the_broker,
    House.crash_the_broker,
    House.freeze_the_broker,
)


def choose(house: House) -> list[Fault]:
    """Each once; by hand as many as asked for, at random."""
    faults = [*FAULTS, *(BROKER_FAULTS if house.valkey is not None else ())]
    if not ROUNDS:
        return [*FAULTS]
    seed = int(os.environ.get("FAULT_SEED", random.randrange(10**6)))
    logger.info("FAULT_SEED=%d", seed)
    random.seed(seed)
    return random.choices(faults, k=ROUNDS)


@pytest.mark.timeout(BY_HAND_SECONDS if ROUNDS else TEST_SECONDS)
async def test_faults_under_load_lose_and_double_nothing(house: House) -> None:
    followers = [Follower(house.server) for _ in range(FOLLOWERS)]
    async with following(followers):
        async with house.load.going_on():
            await house.load.more()
            faults = choose(house)
            for fault in faults:
                await fault(house)
                await house.load.more(random.randrange(80) if ROUNDS else 40)
                await until(house.has_workers)
            if house.valkey is not None:
                await house.take_the_broker_away(seconds=AWAY_SECONDS)
                await house.load.more()
        told = await see_that_all_is_well(house, followers)
    returns = sum(each.returns for each in followers)
    assert returns > 0, "no fault was met"
    logger.info(
        "%s: %d publications, %d undone, %d refused (%s), %d requests unanswered, %d returns; %s",
        "PostgreSQL alone" if house.valkey is None else "with Valkey",
        told,
        len(house.load.undone),
        len(house.load.refused),
        dict(Counter(house.load.refused)),
        house.load.unanswered,
        returns,
        dict(Counter(fault.__name__ for fault in faults)),
    )
