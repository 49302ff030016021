"""Other servers than `trivet serve`, as `docs/servers.md` says what holds on them."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.deploy.dock import log_in
from tests.services.databases import environment
from tests.services.people import PASSWORD
from tests.services.processes import end, free_port, leashed, wait_until
from tests.services.server import START_SECONDS, STOP_SECONDS, Server, is_ready

pytestmark = pytest.mark.once

APP, FACTORY = "trivet_deploy.asgi:app", "trivet_deploy.asgi:create_app"
WORKER = "trivet_deploy.server.gunicorn_worker.TrivetWorker"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "uvicorn": ("uvicorn", APP, "--host", "127.0.0.1", "--port", "{port}", "--no-proxy-headers"),
    "hypercorn": ("hypercorn", f"{FACTORY}()", "--bind", "127.0.0.1:{port}"),
    "gunicorn": ("gunicorn", "-k", WORKER, "--no-control-socket", "-b", "127.0.0.1:{port}", APP),
}
KEY = "a-key-of-the-server-api-that-opens-nothing"
BOARD = "departures:JFK"
Start = Callable[..., Server]


@pytest.fixture(params=COMMANDS)
def start(
    request: pytest.FixtureRequest, peopled_database_url: str, tmp_path: Path
) -> Iterator[Start]:
    """A starter of the application on a server that is not ours."""
    with ExitStack() as stack:

        def start(path: str = "", **settings: str) -> Server:
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            command = [part.format(port=port) for part in COMMANDS[request.param]]
            log = tmp_path / "server.log"
            given = {"public_url": url + path, "log_format": "json", "server_api_keys": KEY}
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    env=environment(peopled_database_url, **given, **settings),
                    cwd=tmp_path,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            stack.enter_context(leashed(process, signal.SIGTERM))
            stack.callback(end, process, signal.SIGTERM, STOP_SECONDS)
            wait_until(lambda: is_ready(url), process, log, START_SECONDS)
            return Server(url, port, process, log, tmp_path)

        yield start


def ask(socket: ClientConnection, command: Mapping[str, Any]) -> Any:
    socket.send(json.dumps(command))
    return json.loads(socket.recv(timeout=30))


@contextmanager
def subscribed(server: Server) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}/ws", proxy=None) as socket:
        assert "connect" in ask(socket, {"id": 1, "connect": {}})
        assert "subscribe" in ask(socket, {"id": 2, "subscribe": {"channel": BOARD}})
        yield socket


def get(server: Server, path: str, cookie: str = "") -> httpx2.Response:
    headers = {"cookie": cookie} if cookie else {}
    return httpx2.get(server.url + path, headers=headers, trust_env=False, timeout=60)


def test_rooms_and_sockets_are_served_and_a_stop_runs_every_step(start: Start) -> None:
    server = start()
    cookie = log_in(server, "chief")
    assert get(server, "/admin/", cookie).status_code == 200
    assert get(server, "/api/auth/me", cookie).json()["username"] == "chief"
    assert get(server, "/static/admin/css/base.css").status_code == 200
    with subscribed(server) as socket:
        published = httpx2.post(
            f"{server.url}/ws/api/publish",
            json={"channel": BOARD, "data": {"n": 1}},
            headers={"x-api-key": KEY},
            trust_env=False,
            timeout=60,
        )
        assert "result" in published.json()
        push = json.loads(socket.recv(timeout=30))["push"]
        assert (push["channel"], push["pub"]["data"]) == (BOARD, {"n": 1})
        server.process.send_signal(signal.SIGTERM)
        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=STOP_SECONDS)
    assert server.stop() in (0, -signal.SIGTERM)
    log = server.log_text()
    assert "this process is stopped" in log
    assert "connections are closed" in log
    lines = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    assert not [each for each in lines if each["level"] == "error" and "trivet" in each["logger"]]


@pytest.mark.parametrize("start", ["gunicorn"], indirect=True)
def test_lines_of_our_worker_name_its_process_under_any_master(start: Start) -> None:
    server = start()
    log = server.log_with('"logger":"trivet.access"')
    lines = [json.loads(line) for line in log.splitlines() if "trivet.access" in line]
    assert all(line["pid"] != server.process.pid for line in lines)


def test_the_prefix_of_the_public_address_needs_no_option_of_the_server(start: Start) -> None:
    server = start("/board")
    for kept in ("", "/board"):  # a proxy strips it, or leaves it
        login = get(server, f"{kept}/admin/")
        assert login.status_code == 302
        assert login.headers["location"].startswith("/board/admin/login/")
        assert "/board/static/" in get(server, f"{kept}/admin/login/").text
        assert get(server, f"{kept}/api/openapi.json").json()["servers"] == [{"url": "/board/api"}]


def test_a_client_has_its_own_address_behind_proxies_that_are_trusted(start: Start) -> None:
    server = start(trusted_proxies="127.0.0.1")
    httpx2.post(
        f"{server.url}/api/auth/login",
        json={"username": "chief", "password": PASSWORD[1:]},
        headers={"x-forwarded-for": "203.0.113.9"},
        trust_env=False,
        timeout=60,
    )
    assert '"address":"203.0.113.9"' in server.log_with('"outcome":"failed"')


def test_without_trusted_proxies_nobody_chooses_an_address(start: Start) -> None:
    server = start()
    httpx2.post(
        f"{server.url}/api/auth/login",
        json={"username": "chief", "password": PASSWORD[1:]},
        headers={"x-forwarded-for": "203.0.113.9"},
        trust_env=False,
        timeout=60,
    )
    assert '"address":"127.0.0.1"' in server.log_with('"outcome":"failed"')
