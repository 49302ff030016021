"""One fleet for all tests of replicas in a process: two standbys take seconds to start."""

from collections.abc import Iterator

import pytest

from tests.deploy.replicas.fleet import Fleet, running_fleet
from tests.services.databases import Databases
from tests.services.postgres import Cluster
from tests.services.server import StartServer


@pytest.fixture(scope="package")
def fleet(
    postgres_cluster: Cluster, databases: Databases, start_session_server: StartServer
) -> Iterator[Fleet]:
    with running_fleet(postgres_cluster, databases, start_session_server) as fleet:
        yield fleet
