"""A real server with two workers behind a Centrifugo: one login, whoever asks."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import psycopg
import pytest

from tests.services.databases import environment, run_trivet
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

pytestmark = pytest.mark.database("postgresql")

SECRET = "a-secret-that-centrifugo-and-the-tests-know"
KEY = "a-key-of-centrifugo-that-opens-nothing-here"
SECONDS = 60.0


class ServerApi(ThreadingHTTPServer):
    """The server API of a Centrifugo, which notes what it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Noting)
        self.told: list[Any] = []

    def hears(self, wanted: Any) -> bool:
        """Whether it is told this, in time."""
        deadline = time.monotonic() + SECONDS
        while wanted not in self.told and time.monotonic() < deadline:
            time.sleep(0.02)
        return wanted in self.told


class _Noting(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, ServerApi)
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers["x-api-key"] == KEY:
            self.server.told.append((self.path, json.loads(body)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"result": {}}')

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""


@pytest.fixture
def centrifugo() -> Iterator[ServerApi]:
    api = ServerApi()
    thread = threading.Thread(target=api.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        api.shutdown()
        thread.join()
        api.server_close()


class Proxy:
    """Asks as Centrifugo does: with the secret, and with what the handshake brought."""

    def __init__(self, server: Server, **handshake: str) -> None:
        self._url = server.url
        self._headers = {"x-centrifugo-secret": SECRET, **handshake}

    def ask(self, method: str, **question: Any) -> httpx2.Response:
        url = f"{self._url}/ws/centrifugo/{method}"
        question = {"client": "c1", "user": "", **question}
        return httpx2.post(
            url, json=question, headers=self._headers, trust_env=False, verify=False, timeout=30
        )

    def connect(self, **question: Any) -> Any:
        return self.ask("connect", **question).json()["result"]

    def refresh(self, connected: Any, **question: Any) -> Any:
        given = {"user": connected["user"], "meta": connected["meta"], **question}
        return self.ask("refresh", **given).json()["result"]


@contextmanager
def logged_in(server: Server) -> Iterator[tuple[httpx2.Client, str]]:
    """A browser of ada's, and the cookie that it sends."""
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=30) as browser:
        given = {"username": "ada", "password": PASSWORD}
        assert browser.post("/api/auth/login", json=given).is_success
        yield browser, "; ".join(f"{each.name}={each.value}" for each in browser.cookies.jar)


def id_of(url: str, username: str) -> str:
    with psycopg.connect(url) as connection:
        query = "SELECT id FROM accounts_user WHERE username = %s"
        found = connection.execute(query, (username,)).fetchone()
        assert found is not None
        return str(found[0])


def test_one_identity_for_whoever_centrifugo_asks_about(
    start_server: StartServer, peopled_database_url: str, people: People, centrifugo: ServerApi
) -> None:
    settings = {
        "centrifugo_secret": SECRET,
        "centrifugo_api_url": f"http://127.0.0.1:{centrifugo.server_port}/api",
        "centrifugo_api_key": KEY,
    }
    server = start_server("serve", "--workers=2", database_url=peopled_database_url, **settings)
    with logged_in(server) as (browser, cookie):
        visit = Proxy(server, cookie=cookie)
        connected = visit.connect()
        assert connected["user"] == id_of(peopled_database_url, "ada")
        for _ in range(4):  # whichever worker is asked
            assert visit.refresh(connected)["expire_at"] > time.time()
        allowed = visit.ask("subscribe", user=connected["user"], channel="departures:JFK").json()
        assert "result" in allowed
        assert browser.post("/api/auth/logout").is_success
    gone = {"code": 3500, "reason": "credential revoked"}
    told = {"user": connected["user"], "client": "c1", "disconnect": gone}
    assert centrifugo.hears(("/api/disconnect", told))
    for _ in range(4):
        assert visit.refresh(connected) == {"expired": True}

    program = Proxy(server, authorization=f"Bearer {people.keys['bob']}")
    bob = program.connect(client="c2")["user"]
    assert bob == id_of(peopled_database_url, "bob")
    unknown = Proxy(server, authorization="Bearer tvt_00000000_nothing")
    assert unknown.ask("connect").status_code == 401  # which is 3500 by the configuration

    command = {f"TRIVET_{name.upper()}": value for name, value in settings.items()}
    checked = run_trivet("check", env=environment(peopled_database_url) | command)
    assert "centrifugo: its tables get no publications" in checked.stdout, checked
    # A command in a process of its own, which knows of no Centrifugo.
    done = run_trivet("users", "disable", "bob", env=environment(peopled_database_url))
    assert done.returncode == 0, done
    told = {"user": bob, "client": "", "disconnect": gone}
    assert centrifugo.hears(("/api/disconnect", told))
