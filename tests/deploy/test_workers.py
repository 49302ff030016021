"""A worker: how long it may block, serve and keep a connection, and how it gives up."""

import http.client
import json
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import create_engine, text

from tests.deploy.gunicorn_log import BOOTING
from tests.deploy.mishaps.models import Mishap
from tests.services.processes import wait_until
from tests.services.server import START_SECONDS, Server, StartServer
from trivet_deploy.checks.environment import find_unread
from trivet_deploy.server.graceful import SILENT_SECONDS
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
    # When the loop turns again, the answer goes out and the line is written, in any order.
    log = server.log_with("the event loop turns again")
    said = "the event loop is blocked for more than 0.2 s by GET /api/mishaps/blocked"
    assert log.count(said) == 1
    assert "in block_the_loop" in log


def test_a_worker_that_is_stuck_is_replaced(start: Callable[..., Server]) -> None:
    server = start(worker_seconds="4")  # a new one has to begin to serve within it
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{server.url}/api/mishaps/blocked?seconds=100", timeout=60)
    assert "WORKER TIMEOUT" in server.log_text()
    assert httpx2.get(f"{server.url}/healthz", timeout=60).status_code == 200


LATE = json.dumps({"/late": "asgi:tests.deploy.foreign.late_app:app"})


def test_a_mount_may_take_longer_to_start_than_a_worker_may_be_stuck(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATE_SECONDS", "9")
    server = start(worker_seconds="4", extra_mounts=LATE)
    assert "waiting until late has started, for 5 s so far" in server.log_text()
    assert "WORKER TIMEOUT" not in server.log_text()


def test_a_mount_that_never_starts_ends_the_server_with_a_sentence(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LATE_SECONDS", "3600")
    with pytest.raises(RuntimeError, match=r"late could not start: .*TRIVET_START_SECONDS"):
        start(start_seconds="1", extra_mounts=LATE)


def test_no_request_is_lost_while_workers_are_replaced(start: Callable[..., Server]) -> None:
    server = start("serve", "--workers=2", worker_requests="30", worker_requests_jitter="20")
    with load(server) as answers:
        server.log_with("Maximum request limit of", times=3)
        boots = server.log_text().count(BOOTING)
        server.process.send_signal(signal.SIGHUP)
        server.log_with(BOOTING, times=boots + 2)
        server.process.send_signal(signal.SIGHUP)  # its successors have not begun to serve
        server.log_with("Handling signal: hup", times=2)
        server.log_with(BOOTING, times=boots + 5)
        _stop_the_newest_worker(server)
        server.log_with(BOOTING, times=boots + 6)
    assert set(answers) == {("new", 200), ("kept", 200), ("late", 200)}
    assert server.stop(signal.SIGINT) == 0
    for accident in ("Traceback", "SIGKILL", "Bad file descriptor"):
        assert accident not in server.log_text()


def test_a_worker_that_is_replaced_sends_its_streams_elsewhere(
    start: Callable[..., Server],
) -> None:
    server = start(worker_requests="30", shutdown_seconds="60")
    url = f"{server.url}/ws/http_stream"
    with (
        httpx2.Client(timeout=60, trust_env=False) as client,
        client.stream("POST", url, content='{"id":1,"connect":{}}') as response,
    ):
        lines = (line for line in response.iter_lines() if line != "{}")
        assert "connect" in json.loads(next(lines))
        for _ in range(1_000):
            if "Maximum request limit of" in server.log_text():
                break
            with suppress(httpx2.TransportError):
                httpx2.get(f"{server.url}/healthz", timeout=60, trust_env=False)
        (push,) = [json.loads(line)["push"] for line in lines]
        assert push["disconnect"]["code"] == 3001
    assert server.stop() == 0
    assert "Traceback" not in server.log_text()


def _stop_the_newest_worker(server: Server) -> None:
    """One that has served its share may be gone before the signal reaches it, and is replaced."""

    def is_told() -> bool:
        newest = int(server.log_text().rpartition(BOOTING)[2].split(maxsplit=1)[0])
        with suppress(ProcessLookupError):
            os.kill(newest, signal.SIGTERM)
            return True
        return False

    wait_until(is_told, server.process, server.log, START_SECONDS)


@contextmanager
def load(server: Server) -> Iterator[Counter[tuple[str, int | str]]]:
    """Clients that ask again and again until the block ends; gives what they got."""
    answers: Counter[tuple[str, int | str]] = Counter()
    is_over = threading.Event()

    def ask_again(kind: str, pause: float) -> None:
        with closing(Asker(server.port, is_kept=kind == "kept", pause=pause)) as asker:
            while not is_over.wait(0.01):
                try:
                    answers[kind, asker.ask()] += 1
                except (OSError, http.client.HTTPException) as error:
                    answers[kind, repr(error)] += 1
                    asker.close()

    with ThreadPoolExecutor(6) as pool:
        for _ in range(2):
            pool.submit(ask_again, "new", pause=0.0)
            pool.submit(ask_again, "kept", pause=0.0)
            # Between its connection and its request, the worker may have been told to go.
            pool.submit(ask_again, "late", pause=0.1)
        try:
            yield answers
        finally:
            is_over.set()


class Asker:
    """A client with one connection, which it keeps or makes anew for each request.

    A worker that goes keeps a silent connection for SILENT_SECONDS. Where a busy machine has held
    this client up for longer, it takes a new one, for nothing was promised for the old.
    """

    def __init__(self, port: int, *, is_kept: bool, pause: float) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._is_kept = is_kept
        self._pause = pause
        self._heard = 0.0
        """When this connection was made or last answered."""

    def ask(self) -> int:
        """The status of the answer."""
        if not self._is_kept or self._is_too_silent():
            self._connect()
        time.sleep(self._pause)
        while self._is_too_silent():
            self._connect()
        self._connection.request("GET", "/healthz", headers={"host": "localhost"})
        response = self._connection.getresponse()
        response.read()
        self._heard = time.monotonic()
        return response.status

    def close(self) -> None:
        self._connection.close()

    def _connect(self) -> None:
        self.close()
        self._heard = time.monotonic()
        self._connection.connect()

    def _is_too_silent(self) -> bool:
        return time.monotonic() - self._heard > SILENT_SECONDS / 2


def test_the_variable_that_people_set_says_how_many_workers_there_are(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "2")
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    log = start().log_with(BOOTING, times=2)
    assert log.count(BOOTING) == 2
    assert "FORWARDED_ALLOW_IPS: is not read; TRIVET_TRUSTED_PROXIES" in " ".join(log.split())


def test_an_idle_connection_is_kept_as_long_as_the_setting_says(
    start: Callable[..., Server],
) -> None:
    server = start(keep_alive_seconds="0.5")
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        # Before the server's time begins, which is that of its answer.
        began = time.monotonic()
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        assert (response.status, response.will_close) == (200, False)
        response.read()  # whole: its head and its body may arrive in two pieces
        assert client.recv(65_536) == b""
    assert time.monotonic() - began >= 0.5, "not before its time"


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
