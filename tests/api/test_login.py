"""Login, logout and keys, as clients of a real server meet them; one login for every room."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import pytest
import websockets

from tests.services.databases import Databases, environment, run_trivet
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

ME = "/api/auth/me"
CACHE_SECONDS = 5


@dataclass(frozen=True)
class Town:
    """A server with ada (staff) and bob (member), who has a key."""

    server: Server
    database_url: str
    key: str

    @property
    def cookie(self) -> str:
        """The name of its sessions' cookie: with the port, for the sake of neighbours."""
        return f"trivet_session_{self.server.port}"

    def client(self, **headers: str) -> httpx2.Client:
        return httpx2.Client(base_url=self.server.url, headers=headers, trust_env=False, timeout=30)

    @contextmanager
    def logged_in(self, username: str = "ada") -> Iterator[httpx2.Client]:
        with self.client() as client:
            body = {"username": username, "password": PASSWORD}
            assert client.post("/api/auth/login", json=body).status_code == 200
            yield client


@pytest.fixture
def town(start_server: StartServer, peopled_database_url: str, people: People) -> Town:
    server = start_server(database_url=peopled_database_url)
    return Town(server, peopled_database_url, people.keys["bob"])


@pytest.fixture(scope="module")
def shared_town(start_shared_server: StartServer, databases: Databases, people: People) -> Town:
    """For tests that leave users, keys and server as they found them."""
    url = databases.copy(people.database_url)
    return Town(start_shared_server(database_url=url), url, people.keys["bob"])


def test_one_login_opens_every_room_and_one_logout_closes_them(shared_town: Town) -> None:
    with shared_town.logged_in() as ada, shared_town.client() as thief:
        stolen = {"cookie": f"{shared_town.cookie}={ada.cookies[shared_town.cookie]}"}
        assert thief.get(ME, headers=stolen).status_code == 200
        assert ada.get(ME).json()["username"] == "ada"
        assert ada.get("/admin/").status_code == 200
        assert ada.post("/api/auth/logout").status_code == 204
        assert ada.get(ME).status_code == 401
        assert ada.get("/admin/").status_code == 302
        assert thief.get(ME, headers=stolen).status_code == 401


def test_a_logout_closes_the_open_socket(shared_town: Town) -> None:
    async def listen(cookie: str) -> int | None:
        url = shared_town.server.url.replace("http", "ws", 1) + "/ws"
        headers = {"cookie": f"{shared_town.cookie}={cookie}"}
        async with websockets.connect(url, additional_headers=headers) as socket:
            await socket.send(json.dumps({"id": 1, "connect": {}}))
            await socket.recv()
            await asyncio.to_thread(ada.post, "/api/auth/logout")
            await asyncio.wait_for(socket.wait_closed(), 30)
            return socket.close_code

    with shared_town.logged_in() as ada:
        assert asyncio.run(listen(ada.cookies[shared_town.cookie])) == 3500


FAILING_LOGINS: list[tuple[dict[str, object], int, list[str] | None]] = [
    ({"username": "ada", "password": "wrong"}, 401, None),
    ({"username": "nobody", "password": "wrong"}, 401, None),
    ({"username": "ada"}, 422, ["/password"]),
    ({"username": "", "password": 3, "x": 1}, 422, ["/username", "/password", "/x"]),
]


def test_a_login_says_what_is_wrong_and_not_who_exists_or_sets_a_guarded_cookie(
    shared_town: Town,
) -> None:
    with shared_town.client() as client:
        for body, status, pointers in FAILING_LOGINS:
            response = client.post("/api/auth/login", json=body)
            assert response.status_code == status
            assert "set-cookie" not in response.headers
            problem = response.json()
            if pointers is None:
                assert problem["code"] == "bad-credentials"
                assert problem["detail"] == "This username and password do not go together."
            else:
                assert [fault["pointer"] for fault in problem["errors"]] == pointers
        right = client.post("/api/auth/login", json={"username": "ada", "password": PASSWORD})
    cookie = right.headers["set-cookie"].lower()
    assert all(flag in cookie for flag in ("httponly", "samesite=lax", "max-age="))


def test_a_key_opens_the_api_and_not_the_admin(shared_town: Town) -> None:
    with shared_town.client(authorization=f"Bearer {shared_town.key}") as bob:
        me = bob.get(ME).json()
        assert (me["username"], me["kind"]) == ("bob", "key")
        assert bob.get("/admin/").status_code == 302


def test_a_key_revoked_in_another_process_is_refused_within_the_caches_seconds(town: Town) -> None:
    prefix = "_".join(town.key.split("_")[:2])
    with town.client(authorization=f"Bearer {town.key}") as bob:
        assert bob.get(ME).status_code == 200
        done = run_trivet("keys", "revoke", prefix, env=environment(town.database_url))
        assert done.returncode == 0, done.stderr
        until = time.monotonic() + CACHE_SECONDS + 15
        while (response := bob.get(ME)).status_code == 200:
            assert time.monotonic() < until
            time.sleep(0.1)
    assert response.status_code == 401
    assert response.json()["code"] == "bad-credential"
    assert response.headers["www-authenticate"] == "Bearer"


def test_the_last_use_of_a_key_is_written_when_the_server_stops(town: Town) -> None:
    env, listing = environment(town.database_url), ("keys", "list", "--owner=bob", "--json")
    with town.client(authorization=f"Bearer {town.key}") as bob:
        assert bob.get(ME).status_code == 200
    (before,) = json.loads(run_trivet(*listing, env=env).stdout)
    town.server.stop()
    (after,) = json.loads(run_trivet(*listing, env=env).stdout)
    assert before["last_used_at"] is None, "not on the path of the request"
    assert after["last_used_at"] is not None


@pytest.mark.parametrize("door", ["api", "admin"])
def test_after_five_failures_both_doors_wait_and_others_do_not(town: Town, door: str) -> None:
    with town.client() as client:
        answers = [_knock(client, door, "ada", "wrong") for _ in range(7)]
        both = [_knock(client, each, "ada", PASSWORD) for each in ("api", "admin")]
        bob = _knock(client, door, "bob", "wrong")
    assert [each.status_code for each in answers][4:] == [401 if door == "api" else 200, 429, 429]
    for refused in (*answers[5:], *both):
        assert refused.status_code == 429, "the right password is not looked at either"
        assert 1 <= int(refused.headers["retry-after"]) <= 300
        assert "set-cookie" not in refused.headers or town.cookie not in refused.cookies
    assert both[0].json()["code"] == "too-many-logins"
    assert "Too many logins failed. Try again in" in both[1].text
    assert bob.status_code != 429


def _knock(client: httpx2.Client, door: str, username: str, password: str) -> httpx2.Response:
    if door == "api":
        body = {"username": username, "password": password}
        return client.post("/api/auth/login", json=body)
    page = client.get("/admin/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
    assert token is not None
    form = {"username": username, "password": password, "csrfmiddlewaretoken": token[1]}
    return client.post("/admin/login/", data=form)


@pytest.mark.once
@pytest.mark.parametrize("is_trusted", [True, False])
def test_the_address_is_the_clients_own_only_behind_a_trusted_proxy(
    start_server: StartServer, fresh_database_url: str, is_trusted: bool
) -> None:
    trusted = {"trusted_proxies": "127.0.0.1"} if is_trusted else {}
    server = start_server(database_url=fresh_database_url, **trusted)
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        body = {"username": "nobody", "password": "wrong"}
        answers = [
            client.post("/api/auth/login", json=body, headers={"x-forwarded-for": f"192.0.2.{n}"})
            for n in range(7)
        ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [401] * 7 if is_trusted else [401] * 5 + [429] * 2


BAD_KEYS = [
    "nonsense",
    "tvt_aaaaaaaaaaaa_" + "a" * 43,
    "tvt_aaaaaaaaaaaa_" + "a" * 4000,
    "tvt_AAAA_é",
    "two words",
]


def test_a_bad_key_is_401_wherever_it_knocks(shared_town: Town) -> None:
    with shared_town.client() as client:
        for key, path in itertools.product(BAD_KEYS, [ME, "/api/", "/api/nowhere"]):
            headers = [(b"authorization", f"Bearer {key}".encode())]
            response = client.get(path, headers=headers)
            assert response.status_code == 401, (key, path)
            assert response.headers["content-type"] == "application/problem+json"


def test_the_log_holds_neither_the_key_nor_the_cookie_nor_the_password(town: Town) -> None:
    with town.logged_in() as ada, town.client(authorization=f"Bearer {town.key}") as bob:
        ada.get(ME)
        bob.get(f"{ME}?key={town.key}")
        cookie = ada.cookies[town.cookie]
    town.server.stop()
    log = town.server.log_text()
    assert "/api/auth/me" in log
    assert "bob" in log
    for secret in (town.key, cookie, PASSWORD):
        assert secret not in log


def test_a_session_is_known_in_a_process_that_does_not_serve_the_admin(
    start_server: StartServer, peopled_database_url: str
) -> None:
    server = start_server(database_url=peopled_database_url, rooms="api")
    with Town(server, peopled_database_url, "").logged_in() as ada:
        assert ada.get(ME).json()["username"] == "ada"
        assert ada.get("/admin/").status_code == 404


def test_a_superuser_is_told_so_and_which_permissions_there_are(shared_town: Town) -> None:
    with shared_town.logged_in("chief") as chief, shared_town.logged_in("ada") as ada:
        told = chief.get(ME).json()
        assert told["is_superuser"] is True
        assert {"departures.change_flight", "accounts.add_user"} <= set(told["permissions"])
        assert told["permissions"] == sorted(told["permissions"])
        body = {"username": "chief", "password": PASSWORD}
        assert chief.post("/api/auth/login", json=body).json() == chief.get(ME).json()
        assert ada.get(ME).json()["permissions"] == []


def test_two_installations_on_one_host_end_no_session_of_each_other(
    start_server: StartServer, databases: Databases, people: People
) -> None:
    towns = [
        Town(start_server(database_url=databases.copy(people.database_url)), "", "")
        for _ in range(2)
    ]
    body = {"username": "ada", "password": PASSWORD}
    with httpx2.Client(trust_env=False, timeout=30) as browser:  # whose jar knows no ports
        for town in towns:
            assert browser.post(f"{town.server.url}/api/auth/login", json=body).status_code == 200
        assert [browser.get(town.server.url + ME).status_code for town in towns] == [200, 200]
        assert browser.post(f"{towns[0].server.url}/api/auth/logout").status_code == 204
        assert [browser.get(town.server.url + ME).status_code for town in towns] == [401, 200]
