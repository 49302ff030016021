"""`trivet demo`: from an empty directory to a moving board, and again with the same data."""

import json
import signal
import socket
import sqlite3
import stat
import time
from dataclasses import replace
from pathlib import Path

import httpx2

from tests.services.databases import environment, run_trivet
from tests.services.server import Server, StartServer
from trivet_deploy.demo.home import DemoHome

UNUSED = "sqlite:///the-demonstration/makes-its-own.sqlite3"


def _credentials(data: Path) -> dict[str, str]:
    read: dict[str, str] = json.loads((data / "credentials.json").read_text())
    return read


def _movements(data: Path) -> int:
    with sqlite3.connect(data / "demo.sqlite3") as connection:
        (count,) = connection.execute("SELECT count(*) FROM departures_movement").fetchone()
    return int(count)


def _wait_for_movements(data: Path, more_than: int) -> int:
    deadline = time.monotonic() + 30
    while (count := _movements(data)) <= more_than:
        assert time.monotonic() < deadline, "the week is not replayed"
        time.sleep(0.2)
    return count


def test_the_demonstration_moves_and_keeps_its_data(
    start_server: StartServer, tmp_path: Path
) -> None:
    data = tmp_path / "kept"
    command = ("demo", "--data", str(data), "--speed", "600")

    first = start_server(*command, database_url=UNUSED)
    credentials = _credentials(data)
    moved = _wait_for_movements(data, more_than=10)
    _look_around(first, credentials)
    assert first.stop(signal.SIGINT) == 0

    second = start_server(*command, database_url=UNUSED)
    assert _credentials(data) == credentials
    assert _wait_for_movements(data, more_than=moved) > moved
    assert "there already" in second.log_text()
    assert second.stop(signal.SIGTERM) == 0
    for server in (first, second):
        assert "Stopped. The data stays in" in server.log_text()
        assert "Traceback" not in server.log_text()


def _look_around(server: Server, credentials: dict[str, str]) -> None:
    said = "".join(server.log_text().split())
    for word in ("/departures/JFK", "/admin/", credentials["password"]):
        assert word in said, word
    headers = {"authorization": f"Bearer {credentials['api_key']}"}
    me = httpx2.get(f"{server.url}/api/auth/me", headers=headers).json()
    assert me["username"] == "demo"
    login = {"username": "demo", "password": credentials["password"]}
    assert httpx2.post(f"{server.url}/api/auth/login", json=login).is_success
    flights = httpx2.get(f"{server.url}/api/departures/flights", headers=headers).json()
    assert flights["flights"]
    assert httpx2.get(f"{server.url}/departures/JFK").status_code == 200


def test_nobody_else_can_read_the_credentials(tmp_path: Path) -> None:
    home = DemoHome(tmp_path / "kept")

    made = home.credentials()
    home.keep_key("tvt_x_y")

    assert home.credentials() == replace(made, api_key="tvt_x_y")
    mode = (tmp_path / "kept" / "credentials.json").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_a_port_that_is_taken_is_a_sentence_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        env = {**environment(UNUSED), "COLUMNS": "300"}
        done = run_trivet("demo", "--port", port, env=env, cwd=tmp_path)

    assert done.returncode == 1
    assert f"Port {port} is taken by another program." in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
