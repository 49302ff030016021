"""`trivet serve`: a real Gunicorn with our worker, one and several of them."""

import json
import resource
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Origin

from tests.deploy.connected import SHUTDOWN, connected
from tests.services.databases import environment
from tests.services.processes import end, free_port, leashed, wait_until
from tests.services.server import (
    START_SECONDS,
    STOP_SECONDS,
    Server,
    StartServer,
    is_ready,
    start_from_nothing,
)

SHUTDOWN_SECONDS = 2 * STOP_SECONDS


def test_sigterm_closes_sockets_at_once_and_ends_well(start_server: StartServer) -> None:
    server = start_server(shutdown_seconds=str(SHUTDOWN_SECONDS))
    with connected(server) as socket:
        assert STOP_SECONDS < SHUTDOWN_SECONDS, "or it would be killed before it ends by itself"
        assert server.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == SHUTDOWN
    assert "Application shutdown complete" in server.log_text()
    assert "was sent SIGTERM" not in server.log_text()


@pytest.mark.once
def test_sockets_are_not_compressed_and_long_messages_end_them(server: Server) -> None:
    with connected(server) as socket:
        assert socket.response is not None
        assert "Sec-WebSocket-Extensions" not in socket.response.headers

        socket.send("x" * 1_000_000)

        with pytest.raises(ConnectionClosed):
            socket.recv(timeout=20)


@pytest.mark.once
def test_the_server_does_not_name_itself_and_believes_no_proxy(server: Server) -> None:
    claimed = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}

    answer = httpx2.get(server.url + "/admin", headers=claimed, follow_redirects=False, timeout=60)

    assert "server" not in answer.headers
    assert not answer.headers["location"].startswith("https:")


@pytest.mark.once
def test_a_socket_leaves_one_line_in_the_log_and_no_token(server: Server) -> None:
    url = server.url.replace("http", "ws") + "/ws?token=geheim"
    with connect(url, origin=Origin(server.url)):
        pass
    server.stop()

    assert "geheim" not in server.log_text()
    assert server.log_text().count("/ws") == 1


def test_the_log_is_one_format_whoever_writes_it(start_server: StartServer) -> None:
    server = start_server("serve", log_format="json")
    httpx2.get(server.url + "/healthz", timeout=60)
    server.stop()

    lines = [json.loads(line) for line in server.log_text().splitlines()]
    processes = {line["logger"]: line["pid"] for line in lines}
    assert {"gunicorn.error", "uvicorn.error", "trivet.access"} <= set(processes)
    assert processes["trivet.access"] != processes["gunicorn.error"] == server.process.pid


def test_two_workers_serve_one_database(start_server: StartServer) -> None:
    server = start_server("serve", "--workers", "2")

    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: httpx2.get(server.url + "/readyz", timeout=60), range(40))
        )

    assert {answer.status_code for answer in answers} == {200}
    started = server.log_with("Application startup complete", times=2)
    assert started.count("Application startup complete") == 2
    assert server.stop() == 0
    assert server.log_text().count("Application shutdown complete") == 2


def test_several_workers_on_sqlite_are_allowed_and_advised_against(
    start_server: StartServer, database_kind: str
) -> None:
    server = start_server("serve", "--workers", "2")

    advised = "share one SQLite file" in server.log_text()
    assert advised is (database_kind == "sqlite")


@pytest.mark.once
@pytest.mark.skipif(sys.platform != "linux", reason="the limits of a process stand in /proc")
def test_it_takes_as_many_open_files_as_it_may(fresh_database_url: str, tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "server.log"
    url = f"http://127.0.0.1:{port}"
    env = environment(fresh_database_url, public_url=url, broker="memory")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))  # as a shell would have it
    try:
        command = ("serve", "--bind", f"127.0.0.1:{port}")
        process = start_from_nothing(command, env=env, cwd=tmp_path, output=log)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with leashed(process, signal.SIGTERM):
        wait_until(lambda: is_ready(url), process, log, START_SECONDS)
        workers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert [resource.prlimit(int(pid), resource.RLIMIT_NOFILE)[0] for pid in workers] == [hard]
        assert end(process, signal.SIGTERM, STOP_SECONDS) == 0


def test_an_application_that_cannot_start_ends_the_server_with_its_reason(
    start_server: StartServer,
) -> None:
    with pytest.raises(RuntimeError, match="no_such_module"):
        start_server(extra_mounts='{"/old": "asgi:no_such_module:app"}')
