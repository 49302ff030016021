"""A reload: the old workers serve until the new ones do."""

import os
import re
import signal

import httpx2
import pytest

from tests.deploy.dock import ROOT
from tests.deploy.gunicorn_log import BOOTING
from tests.services.processes import wait_until
from tests.services.server import START_SECONDS, Server, StartServer
from trivet_deploy.server.handover import Handover

pytestmark = pytest.mark.once
WORKERS = 2
DRAINING = "this process is draining"
READY = "this process is ready"
WAITING = "this process serves until its successors do"
STOPPED = "this process is stopped"


@pytest.fixture
def server(
    start_server: StartServer, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Server:
    monkeypatch.setenv("PYTHONPATH", ROOT)
    return start_server(
        "serve",
        f"--workers={WORKERS}",
        database_url=fresh_database_url,
        features="departures,tests.deploy.late",
    )


def reload_slowly(server: Server) -> list[int]:
    """Have workers replaced by some that cannot serve yet; returns the old ones' ids, which have
    been told."""
    server.log_with(READY, times=WORKERS)  # one that is told earlier ends at once
    old = [int(pid) for pid in re.findall(rf"{BOOTING}(\d+)", server.log_text())]
    (server.directory / "wait").touch()
    server.process.send_signal(signal.SIGHUP)
    server.log_with(BOOTING, times=2 * WORKERS)
    # Two signals of one kind before the first is handled are one.
    server.log_with(WAITING, times=WORKERS)
    return old


def processes_that(event: str, server: Server) -> set[int]:
    return {int(pid) for pid in re.findall(rf"{event}.*pid=(\d+)", server.log_text())}


def ask(server: Server) -> int:
    return httpx2.get(f"{server.url}/healthz", timeout=60, trust_env=False).status_code


def test_old_workers_serve_until_their_successors_do(server: Server) -> None:
    old = reload_slowly(server)
    assert [ask(server) for _ in range(20)] == [200] * 20
    assert DRAINING not in server.log_text()

    (server.directory / "wait").unlink()
    server.log_with(STOPPED, times=WORKERS)
    assert processes_that(STOPPED, server) == set(old)
    before, _, _ = server.log_text().partition(DRAINING)
    assert before.count(READY) == 2 * WORKERS
    assert ask(server) == 200
    assert server.stop() == 0


def test_an_old_worker_that_is_told_a_second_time_stops_at_once(server: Server) -> None:
    old = reload_slowly(server)
    os.kill(old[0], signal.SIGTERM)
    wait_until(
        lambda: processes_that(STOPPED, server) == {old[0]},
        server.process,
        server.log,
        START_SECONDS,
    )
    assert ask(server) == 200, "the other one serves"
    (server.directory / "wait").unlink()


def test_what_is_ready_from_an_earlier_reload_does_not_count() -> None:
    handover = Handover()
    assert not handover.must_wait(1, WORKERS), "nobody is to be replaced"
    handover.begin(2)
    assert handover.must_wait(2, WORKERS)
    for age in (3, 4):
        handover.note_ready(age)
    assert not handover.must_wait(2, WORKERS)
    assert not handover.must_wait(3, WORKERS), "a new one is no old one"
    handover.begin(4)
    assert handover.must_wait(3, WORKERS)
    handover.note_ready(2)  # an old one that began to serve only now
    handover.note_ready(5)
    assert handover.must_wait(3, WORKERS)
    handover.note_ready(6)
    assert not handover.must_wait(3, WORKERS)
