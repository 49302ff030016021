"""A deployment under load: workers are replaced, sockets go elsewhere and recover."""

import logging
import os
import signal

import httpx2
import pytest

from tests.deploy.dock import start_two_workers
from tests.deploy.publishing import ask, publishing
from tests.services.node import StartNode
from tests.services.processes import wait_until
from tests.services.server import START_SECONDS, Server, StartServer

pytestmark = pytest.mark.database("postgresql")  # several workers on one database

logger = logging.getLogger(__name__)

CLIENTS = 40
SHUTDOWN = 3001


@pytest.fixture
def server(
    start_server: StartServer, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Server:
    return start_two_workers(start_server, fresh_database_url, monkeypatch)


def wait_until_published(server: Server, statuses: list[int], count: int) -> None:
    wait_until(lambda: len(statuses) >= count, server.process, server.log, START_SECONDS)


def test_a_rolling_restart_loses_nothing_fails_no_request_and_sends_sockets_away_in_turn(
    server: Server, start_node: StartNode
) -> None:
    url = server.url.replace("http", "ws", 1) + "/ws"
    clients = start_node("deploy/rolling.mjs", url, str(CLIENTS), "crates:roll")
    assert clients.stdout is not None
    assert clients.stdout.readline() == "ready\n"
    with publishing(server) as statuses:
        for restart in (1, 2):
            ask(clients, max(len(statuses) - 1, 1))
            server.process.send_signal(signal.SIGHUP)
            server.log_with("this process is ready", times=2 + 2 * restart)
            server.log_with("this process is stopped", times=2 * restart)
    assert set(statuses) == {201}
    for seen in ask(clients, len(statuses)):
        assert seen["offsets"] == list(range(1, len(statuses) + 1))
        assert (seen["lost"], seen["errors"]) == (0, [])
        # 0 is the first connect; whoever came to a worker before it left, went twice.
        assert set(seen["closes"][1:]) == {SHUTDOWN}
        assert len(seen["came"]) >= 3
    assert "Traceback" not in server.log_text()


def test_a_storm_of_clients_that_come_back_at_once_ends_and_everybody_has_everything(
    server: Server, start_node: StartNode
) -> None:
    """Each with forty channels, in one frame: a few reads serve all, and nobody times out."""
    url = server.url.replace("http", "ws", 1) + "/ws"
    with httpx2.Client(base_url=server.url, timeout=60, trust_env=False) as client:
        for channel in range(CHANNELS):
            client.post(f"/api/crates/storm-{channel}/first").raise_for_status()
        storm = start_node("deploy/storm.mjs", url, str(STORM), str(CHANNELS))
        assert storm.stdout is not None
        assert storm.stdout.readline() == "ready\n"
        for channel in range(CHANNELS):
            client.post(f"/api/crates/storm-{channel}/second").raise_for_status()
    told = ask(storm, 0)
    logger.info("%d clients with %d channels each: %s", STORM, CHANNELS, told)
    assert (told["lost"], told["timeouts"]) == (0, 0)


STORM = int(os.environ.get("STORM_CLIENTS", "50"))
"""Clients; `docs/performance.md` has the time of 250."""
CHANNELS = 40
