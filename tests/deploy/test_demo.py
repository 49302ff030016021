"""`trivet demo`: from an empty directory to a moving board, and again with the same data."""

import json
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx2

from tests.services.databases import environment, run_trivet
from tests.services.processes import end, free_port, wait_until
from trivet_deploy.demo.home import DemoHome

START_SECONDS = 90.0
UNUSED = "sqlite:///the-demonstration/makes-its-own.sqlite3"


def _credentials(data: Path) -> dict[str, str]:
    read: dict[str, str] = json.loads((data / "credentials.json").read_text())
    return read


def _movements(data: Path) -> int:
    # Its own block would end the transaction and leave the connection open.
    with closing(sqlite3.connect(data / "demo.sqlite3")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM departures_movement").fetchone()
    return int(count)


def _wait_for_movements(data: Path, more_than: int) -> int:
    deadline = time.monotonic() + 60
    while (count := _movements(data)) <= more_than:
        assert time.monotonic() < deadline, "the week is not replayed"
        time.sleep(0.2)
    return count


@dataclass(frozen=True)
class Demo:
    """A running demonstration."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    def stop(self, sign: signal.Signals) -> int:
        return end(self.process, sign, seconds=40)


@contextmanager
def running(data: Path, log: Path) -> Iterator[Demo]:
    """`trivet demo` on `data`, once it answers. The first start imports a week."""
    port = free_port()
    command = [sys.executable, "-m", "trivet_deploy.cli", "demo", "--data", str(data)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--speed", "600", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
        )
    demo = Demo(f"http://127.0.0.1:{port}", process, log)
    try:
        wait_until(lambda: "Replaying from" in log.read_text(), process, log, START_SECONDS)
        yield demo
    finally:
        demo.stop(signal.SIGKILL)


def test_the_demonstration_moves_and_keeps_its_data(tmp_path: Path) -> None:
    data, log = tmp_path / "kept", tmp_path / "log"
    with running(data, log) as demo:
        credentials = _credentials(data)
        moved = _wait_for_movements(data, more_than=10)
        _look_around(demo, credentials)
        assert demo.stop(signal.SIGINT) == 0
    _stopped_well(log)

    with running(data, log) as demo:
        assert _credentials(data) == credentials
        assert _wait_for_movements(data, more_than=moved) > moved
        assert "there already" in log.read_text()
        assert demo.stop(signal.SIGTERM) == 0
    _stopped_well(log)


def _stopped_well(log: Path) -> None:
    assert "Stopped. The data stays in" in log.read_text()
    assert "Traceback" not in log.read_text()


def _look_around(server: Demo, credentials: dict[str, str]) -> None:
    said = "".join(server.log.read_text().split())
    for word in ("/departures/JFK", "/admin/", credentials["password"]):
        assert word in said, word
    headers = {"authorization": f"Bearer {credentials['api_key']}"}
    me = httpx2.get(f"{server.url}/api/auth/me", headers=headers, timeout=60).json()
    assert me["username"] == "demo"
    login = {"username": "demo", "password": credentials["password"]}
    assert httpx2.post(f"{server.url}/api/auth/login", json=login, timeout=60).is_success
    flights = httpx2.get(f"{server.url}/api/departures/flights", headers=headers, timeout=60).json()
    assert flights["items"]
    assert httpx2.get(f"{server.url}/departures/JFK", timeout=60).status_code == 200


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
