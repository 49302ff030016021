"""Who may do what, route by route: every route of every mount, as everybody, against a table.

The table is `policies.txt`. A route that is new or answers somebody otherwise fails here, and
the table is changed by whoever means it. Where a status says nothing of the policy (422, 404,
405), it says that the policy let the request through.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.services.databases import environment, run_trivet
from tests.services.people import PASSWORD, make_key
from tests.services.server import StartServer

TABLE = Path(__file__).parent / "policies.txt"
ROOT = Path(__file__).parents[2]
ACTORS = ("anonymous", "member", "staff", "key", "superuser")
"""The key is the superuser's, and is limited to a scope that no route here asks for."""
NAMES = {"member": "bob", "staff": "ada", "superuser": "chief"}

EXTRA = {
    "/old/flask": "wsgi:tests.deploy.foreign.flask_app:app",
    "/old/starlette": "asgi:tests.deploy.foreign.starlette_app:app",
}
SAMPLES = (
    (r"<app_label>", "accounts"),
    (r"<url>", "nowhere"),
    (r"\{airport\}", "JFK"),
    (r"\{\w+\}", "1"),
    (r"<\w*:?\w+>", "1"),
)


@dataclass(frozen=True)
class Walk:
    """A running house with one of everybody, and what `trivet routes` says of it."""

    url: str
    http: httpx2.Client
    routes: list[dict[str, str]]
    headers: dict[str, dict[str, str]]

    def status(self, actor: str, method: str, path: str) -> str:
        headers = self.headers[actor]
        if path.endswith("/logout") and "cookie" in headers:
            # A session of its own, or nobody would be left for the other routes.
            headers = log_in(self.http, NAMES[actor])
        response = self.http.request(method, path, headers=headers)
        self.http.cookies.clear()
        # In the admin nobody is sent to the login page instead of being told 401 or 403.
        is_sent_away = "/admin/login/" in response.headers.get("location", "")
        return "login" if is_sent_away else str(response.status_code)

    def handshake(self, actor: str, channel: str = "") -> str:
        url = self.url.replace("http", "ws", 1) + "/ws"
        try:
            with connect(url, additional_headers=self.headers[actor], proxy=None) as socket:
                socket.send(json.dumps({"id": 1, "connect": {}}))
                reply: dict[str, Any] = json.loads(socket.recv())
                if channel:
                    socket.send(json.dumps({"id": 2, "subscribe": {"channel": channel}}))
                    reply = json.loads(socket.recv())
        except InvalidStatus as refused:
            return str(refused.response.status_code)
        return str(reply["error"]["code"]) if "error" in reply else "ok"


def log_in(http: httpx2.Client, username: str) -> dict[str, str]:
    body = {"username": username, "password": PASSWORD}
    response = http.post("/api/auth/login", json=body)
    assert response.status_code == 200, response.text
    http.cookies.clear()  # the actors share the connection, nothing else
    return {"cookie": response.headers["set-cookie"].partition(";")[0]}


@pytest.fixture
def walk(
    start_server: StartServer, peopled_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Walk]:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    settings = {
        "extra_mounts": json.dumps(EXTRA),
        "mount_policies": json.dumps({"/old/starlette": "staff"}),
    }
    env = environment(peopled_database_url, **settings)
    key = make_key(peopled_database_url, "chief", "--scope=departures.delete_airport")
    routes = json.loads(run_trivet("routes", "--json", env=env).stdout)
    url = start_server(database_url=peopled_database_url, **settings).url
    with httpx2.Client(base_url=url, trust_env=False, timeout=60) as http:
        headers = {actor: log_in(http, name) for actor, name in NAMES.items()}
        headers |= {"anonymous": {}, "key": {"authorization": f"Bearer {key}"}}
        yield Walk(url, http, routes, headers)


def test_every_route_answers_everybody_as_the_table_says(walk: Walk) -> None:
    head, *lines = lines_of(walk)
    # By path: in which order routes are tried is no matter of who may do what.
    told = "\n".join([head, *sorted(lines, key=_path_first)]) + "\n"
    assert told == TABLE.read_text(encoding="utf-8")


def _path_first(line: str) -> tuple[str, str]:
    method, path, *_ = line.split()
    return path, method


def lines_of(walk: Walk) -> Iterator[str]:
    yield f"{'':<64} {' '.join(f'{actor:>9}' for actor in ACTORS)}"
    for route in walk.routes:
        for method in _methods(route):
            answers = (f"{_answer(walk, actor, method, route):>9}" for actor in ACTORS)
            yield f"{method:<9} {route['path']:<54} {' '.join(answers)}"


def _methods(route: dict[str, str]) -> list[str]:
    # A form of the admin is refused without its token before anything else is asked of it.
    return ["GET"] if route["methods"] in {"GET, POST", "*"} else route["methods"].split(",")


def _answer(walk: Walk, actor: str, method: str, route: dict[str, str]) -> str:
    path = _sample(route["path"])
    if method == "WEBSOCKET":
        return walk.handshake(actor)
    if method == "SUBSCRIBE":
        return walk.handshake(actor, path)
    return walk.status(actor, method, path)


def _sample(path: str) -> str:
    """An address that the route covers."""
    if path.endswith("/static/*"):
        return path[:-1] + ("admin/css/base.css" if path == "/static/*" else "board.css")
    for pattern, value in SAMPLES:
        path = re.sub(pattern, value, path)
    return path.removesuffix("*")
