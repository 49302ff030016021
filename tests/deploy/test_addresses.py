"""The public address behind proxies: prefixes kept or stripped, unix sockets, spellings of names.

A prefix and a scheme are the public address's, whatever the proxy makes of them on the way.
"""

import http.client
import json
import socket
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from tests.services.nginx import running_nginx
from tests.services.server import StartServer
from trivet_deploy.server.proxies import TrustedProxies

pytestmark = pytest.mark.once


def ask(
    port: int, path: str, *, host: str = "localhost", method: str = "GET", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(connection):
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.putrequest(method, path, skip_host=True)
        connection.putheader("host", host)
        for name, value in given.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return response.status, {k.lower(): v for k, v in response.getheaders()}, response.read()


PATHS = (
    "/",
    "/api/",
    "/api/docs",
    "/admin/login/",
    "/static/admin/css/base.css",
    "/departures/",
)


def test_a_proxy_may_keep_the_prefix_or_strip_it(start_server: StartServer) -> None:
    server = start_server(public_url="http://localhost/outer", features="departures")
    for path in PATHS:
        stripped, kept = ask(server.port, path), ask(server.port, f"/outer{path}")
        assert stripped[0] == 200, path
        assert kept[0] == 200, path
        volatile = {"date", "expires", "x-request-id", "set-cookie", "content-length"}
        headers = [{k: v for k, v in a[1].items() if k not in volatile} for a in (stripped, kept)]
        assert headers[0] == headers[1], path
    for path in ("/admin/", "/departures/JFK/"):
        places = [ask(server.port, prefix + path)[1]["location"] for prefix in ("", "/outer")]
        assert len(set(places)) == 1, path
        assert "/outer/outer" not in places[0]
    for path in ("/healthz", "/outer/healthz"):
        assert ask(server.port, path, host="10.0.0.7:80")[0] == 200


def test_every_redirect_leads_to_the_public_scheme_without_a_word_of_the_proxy(
    start_server: StartServer,
) -> None:
    server = start_server(public_url="https://board.example.org/pre", features="departures")
    places = {}
    for path in ("/departures/JFK/", "/admin/", "/admin/departures/flight"):
        status, headers, _ = ask(server.port, path, host="board.example.org")
        assert status in (301, 302, 307)
        places[path] = headers["location"]
    assert all(
        place.startswith(("https://board.example.org/pre/", "/pre/")) for place in places.values()
    ), places


@pytest.mark.parametrize(("proxies", "address"), [("unix", "203.0.113.9"), ("127.0.0.1", None)])
def test_a_proxy_on_the_unix_socket_is_trusted_by_its_word(
    start_server: StartServer, tmp_path: Path, proxies: str, address: str | None
) -> None:
    path = tmp_path / "socket"
    bind = f"127.0.0.1:{{port}},unix:{path}"
    server = start_server("serve", "--bind", bind, trusted_proxies=proxies)
    body = json.dumps({"username": "nobody", "password": "wrong"}).encode()
    with closing(socket.socket(socket.AF_UNIX)) as client:
        client.connect(str(path))
        client.sendall(
            b"POST /api/auth/login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"
            b"x-forwarded-for: 198.51.100.1, 203.0.113.9\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%s" % (len(body), body)
        )
        while client.recv(65536):
            pass
    logged = server.log.read_text()
    assert (f"address={address}" in logged) is (address is not None), logged


FORWARDING = """
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto "$http_x_forwarded_proto, $scheme";
"""


def test_two_proxies_in_a_row_tell_the_client_from_themselves_and_from_lies(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(public_url="https://board.example.org", trusted_proxies="127.0.0.1")
    inner_folder, outer_folder = tmp_path / "inner", tmp_path / "outer"
    with (
        running_nginx(inner_folder, upstream=f"127.0.0.1:{server.port}", extra=FORWARDING) as inner,
        running_nginx(outer_folder, upstream=f"127.0.0.1:{inner.port}", extra=FORWARDING) as outer,
        closing(HTTPConnection("127.0.0.1", outer.port, 30, ("127.0.0.9", 0))) as client,
    ):
        head = {"host": "board.example.org", "content-type": "application/json"}
        body = json.dumps({"username": "nobody", "password": "wrong"})
        lies = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "gopher"}
        client.request("POST", "/api/auth/login", body, {**head, **lies})
        answer = client.getresponse()
        assert (answer.status, answer.will_close) == (401, False), answer.read()
        answer.read()
        client.request("GET", "/departures/JFK/", headers={**head, **lies})
        place = client.getresponse().headers["location"]
    assert urlsplit(place)[:2] in {("https", "board.example.org"), ("", "")}
    assert "address=127.0.0.9" in server.log_with("outcome=")


@pytest.mark.parametrize(
    ("given", "scheme"),
    [
        (["https"], "https"),
        (["HTTPS"], "https"),
        ([" Https "], "https"),
        (["https, http"], "https"),
        (["https", "http"], "https"),
        (["http, https"], "http"),
        (["gopher"], "http"),
        ([""], "http"),
        ([], "http"),
    ],
)
@pytest.mark.anyio
async def test_the_scheme_that_a_client_used_is_the_first_that_proxies_tell(
    given: list[str], scheme: str
) -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append(scope)

    async def unused(*_: object) -> Any: ...

    for client in ("10.0.0.1", "10.9.9.9", None):
        headers = [(b"x-forwarded-proto", each.encode()) for each in given]
        scope: Scope = {"type": "http", "scheme": "http", "headers": headers}
        scope["client"] = None if client is None else (client, 1)
        await TrustedProxies(app, ("10.0.0.1", "unix"))(scope, unused, unused)
    assert [each["scheme"] for each in seen] == [scheme, "http", scheme]


def test_an_unknown_host_is_logged_once_with_the_name_of_the_setting(
    start_server: StartServer,
) -> None:
    server = start_server(public_url="https://board.example.org")
    for host in ("trivet_upstream", "trivet_upstream", "evil~x", "board.example.org"):
        ask(server.port, "/", host=host)
    lines = [line for line in server.log.read_text().splitlines() if "TRIVET_PUBLIC_URL" in line]
    assert len(lines) == 2
    assert "trivet_upstream" in lines[0]
    assert "\x1b[31m" not in "".join(lines)
    assert "$http_host" in lines[0]


NAMES: list[tuple[str, str, bool]] = [
    ("https://bücher.example", "xn--bcher-kva.example", True),
    ("https://BÜCHER.example.", "XN--BCHER-KVA.example.:443", True),
    ("https://xn--bcher-kva.example", "xn--bcher-kva.example", True),
    ("https://board.example.org.", "board.example.org", True),
    ("http://[2001:DB8:0:0::1]:8080", "[2001:db8::1]:8080", True),
    ("http://[2001:db8::1]", "[2001:0db8:0:0:0:0:0:1]", True),
    ("https://bücher.example", "bcher.example", False),
]


@pytest.mark.parametrize(("public_url", "host", "is_ours"), NAMES)
def test_a_name_is_known_in_every_spelling(
    tmp_path: Path, public_url: str, host: str, is_ours: bool
) -> None:
    from tests.platform.bare import bare_platform
    from trivet.asgi.host import HostCheck

    settings: Any = bare_platform(tmp_path, public_url=public_url).settings
    scope = {"headers": [(b"host", host.encode("latin-1"))]}
    assert HostCheck(settings.hosts).accepts(scope) is is_ours
