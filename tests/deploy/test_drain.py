"""SIGTERM to a real Gunicorn: what it has begun is finished, and what it owes is done."""

import os
import re
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import create_engine, text
from starlette.responses import PlainTextResponse
from websockets.exceptions import ConnectionClosed

from tests.deploy.connected import SHUTDOWN, connected
from tests.platform.bare import bare_root, mounted
from tests.services.people import People
from tests.services.processes import wait_until
from tests.services.server import START_SECONDS, STOP_SECONDS, Server, StartServer
from trivet_deploy.server.gunicorn_app import KILL_MARGIN_SECONDS, gunicorn_options
from trivet_settings import load_settings

MOUNTS = '{"/slow": "asgi:tests.deploy.foreign.slow_app:app"}'
_STOPPING = re.compile(r"stopping \d+ of \d+: ([^,\n]+), \d")


@pytest.fixture
def server(
    start_server: StartServer, peopled_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Server:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]), prepend=os.pathsep)
    return start_server(
        database_url=peopled_database_url, extra_mounts=MOUNTS, shutdown_seconds="60"
    )


def test_sigterm_finishes_what_was_begun_and_does_what_is_owed(
    server: Server, peopled_database_url: str, people: People
) -> None:
    asked = server.directory / "asked"
    with (
        httpx2.Client(base_url=server.url, timeout=60) as kept,
        connected(server) as socket,
        ThreadPoolExecutor(1) as pool,
    ):
        assert kept.get("/readyz").json()["state"] == "ready"
        answering = pool.submit(_get_slow, server, people.keys["bob"])
        wait_until(asked.exists, server.process, server.log, START_SECONDS)
        server.process.send_signal(signal.SIGTERM)
        # The server asks the room before it closes anything.
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=STOP_SECONDS)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == SHUTDOWN
        assert not _is_ready(kept)
        assert not answering.done()
        (server.directory / "answer").touch()
        answer = answering.result(timeout=STOP_SECONDS)
    assert (answer.status_code, answer.json()) == (200, {"answered": True})
    assert server.stop(signal.SIGTERM) == 0
    assert _STOPPING.findall(server.log_text()) == [
        "not ready for the balancer",
        "sockets are told to go elsewhere",
        "requests are finished",
        "slow has stopped",
        "realtime has stopped",
        "admin has stopped",
        "api has stopped",
        "queues are measured no more",
        "the event loop is watched no more",
        "open files are watched no more",
        "no answer is being removed",
        "no session is being removed",
        "uses of keys are written",
        "no publication is being removed",
        "the relay is drained",
        "the broker is disconnected",
        "connections are closed",
    ]
    assert _count_used_keys(peopled_database_url) == 1
    for noise in ("trivet.data.pool", "publications were past their time"):
        assert noise not in server.log_text()


def _get_slow(server: Server, key: str) -> httpx2.Response:
    headers = {"authorization": f"Bearer {key}"}
    return httpx2.get(f"{server.url}/slow/", headers=headers, timeout=60)


def _is_ready(client: httpx2.Client) -> bool:
    """Whether a balancer would send something here: over the connection that it has, or anew."""
    try:
        return client.get("/readyz", timeout=5).status_code == 200
    except httpx2.TransportError:
        return False


def _count_used_keys(database_url: str) -> int:
    engine = create_engine(database_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        query = text("SELECT count(*) FROM trivet_api_key WHERE last_used_at IS NOT NULL")
        used = connection.scalar(query)
    engine.dispose()
    assert isinstance(used, int)
    return used


@pytest.mark.once
def test_the_master_waits_for_all_steps_before_it_kills(tmp_path: Path) -> None:
    settings = load_settings(env_file=None, secret_key="k" * 40)
    options = gunicorn_options(settings, bind="", workers=1)
    assert options["graceful_timeout"] == settings.shutdown_seconds + KILL_MARGIN_SECONDS
    rooms = [mounted(PlainTextResponse("hello"), f"/{name}") for name in settings.rooms]
    root = bare_root(tmp_path, rooms)
    assert len(rooms) == 3
    assert sum(step.seconds for step in root.process.stopping()) <= KILL_MARGIN_SECONDS
