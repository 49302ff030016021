"""A worker: how long it may block, serve and keep a connection, and how it gives up."""

import http.client
import os
import signal
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import create_engine, text

from tests.deploy.mishaps.models import Mishap
from tests.services.processes import wait_until
from tests.services.server import START_SECONDS, Server, StartServer
from trivet_deploy.checks.environment import find_unread
from trivet_deploy.server.gunicorn_app import gunicorn_options
from trivet_deploy.server.options import server_options
from trivet_settings import load_settings

pytestmark = pytest.mark.once
ROOT = str(Path(__file__).parents[2])
BALANCERS_SECONDS = 60


@pytest.fixture
def start(
    start_server: StartServer, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Server]:
    """A starter of servers with the feature `mishaps`."""
    engine = create_engine(fresh_database_url)
    Mishap.metadata.tables[Mishap.__tablename__].create(engine)
    engine.dispose()
    monkeypatch.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)

    def start(*command: str, **settings: str) -> Server:
        features = "departures,tests.deploy.mishaps"
        return start_server(
            *command, database_url=fresh_database_url, features=features, **settings
        )

    return start


def test_a_request_that_outlives_the_shutdown_is_sent_away_and_undone(
    start: Callable[..., Server], fresh_database_url: str
) -> None:
    server = start(shutdown_seconds="1")
    asked = server.directory / "asked"
    with ThreadPoolExecutor(1) as pool:
        url = f"{server.url}/api/mishaps/slow"
        answering = pool.submit(httpx2.post, url, json={"name": "ada"}, timeout=60)
        wait_until(asked.exists, server.process, server.log, START_SECONDS)
        server.process.send_signal(signal.SIGTERM)
        answer = answering.result()
    assert (answer.status_code, answer.json()["code"]) == (503, "stopping")
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert server.stop() == 0
    assert "Traceback" not in server.log_text()
    engine = create_engine(fresh_database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM mishaps_mishap")) == 0
    engine.dispose()


def test_the_log_says_which_endpoint_blocks_the_loop(start: Callable[..., Server]) -> None:
    server = start(blocked_seconds="0.2")
    for seconds in ("1.5", "0"):
        httpx2.get(f"{server.url}/api/mishaps/blocked?seconds={seconds}", timeout=60)
    log = server.log_text()
    assert log.count("the event loop is blocked for more than 0.2 s") == 1
    assert "by GET /api/mishaps/blocked" in log
    assert "in block_the_loop" in log
    assert log.count("the event loop turns again") == 1


def test_a_worker_that_is_stuck_is_replaced(start: Callable[..., Server]) -> None:
    server = start(worker_seconds="2")
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{server.url}/api/mishaps/blocked?seconds=100", timeout=60)
    assert "WORKER TIMEOUT" in server.log_text()
    assert httpx2.get(f"{server.url}/healthz", timeout=60).status_code == 200


def test_a_worker_is_replaced_after_so_many_requests(start: Callable[..., Server]) -> None:
    server = start("serve", "--workers=2", worker_requests="5", worker_requests_jitter="3")
    for _ in range(40):
        assert httpx2.get(f"{server.url}/healthz", timeout=60).status_code == 200
    assert "Maximum request limit of" in server.log_text()


def test_the_variable_that_people_set_says_how_many_workers_there_are(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    log = start().log_text()
    assert log.count("Booting worker with pid") == 2
    assert "FORWARDED_ALLOW_IPS: is not read; TRIVET_TRUSTED_PROXIES" in " ".join(log.split())


def test_an_idle_connection_is_kept_as_long_as_the_setting_says(
    start: Callable[..., Server],
) -> None:
    server = start(keep_alive_seconds="0.5")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        assert (response.status, response.will_close) == (200, False)
        response.read()  # whole: its head and its body may arrive in two pieces
        began = time.monotonic()
        assert client.recv(65_536) == b""
    assert time.monotonic() - began > 0.4, "not before its time"


def test_by_default_connections_outlive_those_of_balancers() -> None:
    settings = load_settings(env_file=None, secret_key="k" * 40)
    assert server_options(settings)["timeout_keep_alive"] > BALANCERS_SECONDS
    limited = settings.model_copy(
        update={"worker_seconds": 7, "worker_requests": 8, "worker_requests_jitter": 9}
    )
    options = gunicorn_options(limited, bind="", workers=1)
    named = [options[name] for name in ("timeout", "max_requests", "max_requests_jitter")]
    assert named == [7, 8, 9]


def test_each_variable_that_is_not_read_has_a_word_for_what_is() -> None:
    habits = {"GUNICORN_CMD_ARGS": "--workers 4", "FORWARDED_ALLOW_IPS": "*", "PATH": "/bin"}
    found = {finding.name: finding.sentence for finding in find_unread(habits)}
    assert set(found) == {"GUNICORN_CMD_ARGS", "FORWARDED_ALLOW_IPS"}
    assert "TRIVET_WORKER_REQUESTS" in found["GUNICORN_CMD_ARGS"]
    assert list(find_unread({"GUNICORN_CMD_ARGS": ""})) == []
