"""No page of another site acts with a visitor's cookie: in no mount, and behind no proxy."""

import http.client
import itertools
import json
import os
from contextlib import closing
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests.services.server import Server, StartServer

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
PUBLIC = "https://localhost/outer"
MOUNTS = {
    "/old/flask": "wsgi:tests.deploy.foreign.flask_app:app",
    "/old/quart": "asgi:tests.deploy.foreign.quart_app:app",
}
PATHS = (
    "/api/auth/logout",
    "/admin/login/",
    "/ws",
    "/departures/",
    "/old/flask/length",
    "/old/quart/length",
    "/static/x.css",
    "/healthz",
    "/nowhere",
)
OURS = {"origin": "https://localhost"}
"""What a proxy that ends TLS passes on of our own page's request: to us it is plain HTTP."""


@pytest.fixture
def server(start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
    return start_server(public_url=PUBLIC, extra_mounts=json.dumps(MOUNTS))


def post(server: Server, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    with closing(connection):
        cookie = {"cookie": "trivet_session=x"}
        connection.request("POST", path, body=b"", headers={**cookie, **headers})
        response = connection.getresponse()
        return response.status, response.read()


SCENARIOS: list[tuple[dict[str, str], bool]] = [
    ({"sec-fetch-site": "cross-site", "origin": "https://elsewhere.example"}, False),
    ({"sec-fetch-site": "same-site", "origin": "https://other.localhost"}, False),
    ({"origin": "https://elsewhere.example"}, False),
    ({"origin": "null"}, False),
    ({"origin": "https://localhost:8443"}, False),
    ({"origin": "http://localhost.evil.example"}, False),
    (OURS, True),
    ({**OURS, "sec-fetch-site": "same-origin"}, True),
    ({}, True),
]


def test_every_mount_refuses_another_sites_requests_and_takes_ours(server: Server) -> None:
    for path, (headers, is_ours) in itertools.product(PATHS, SCENARIOS):
        status, body = post(server, path, headers)
        refused = status == 403 and b'"cross-site"' in body
        assert refused is not is_ours, (path, headers, status)


def test_a_handshake_from_another_site_is_refused_before_it_is_accepted(server: Server) -> None:
    elsewhere = Origin("https://elsewhere.example")
    for path in ("/ws", "/ws/", "/old/quart/echo", "/api/", "/admin/", "/nowhere"):
        with pytest.raises(InvalidStatus) as refused, shake_hands(server, path, elsewhere):
            pass
        assert refused.value.response.status_code == 403
        assert b'"cross-site"' in refused.value.response.body


def test_a_handshake_of_our_own_page_is_accepted_behind_the_proxy(server: Server) -> None:
    for path in ("/ws", "/old/quart/echo"):
        with shake_hands(server, path, Origin("https://localhost")) as socket:
            assert socket.response is not None


def shake_hands(server: Server, path: str, origin: Origin) -> ClientConnection:
    url = f"ws://127.0.0.1:{server.port}{path}"
    cookie = {"cookie": "trivet_session=x"}
    return connect(url, origin=origin, additional_headers=cookie, proxy=None)
