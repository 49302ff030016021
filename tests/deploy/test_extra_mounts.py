"""Applications of other frameworks live under a prefix, behind a proxy's prefix, as at home."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.services.people import People
from tests.services.server import Server, StartServer
from trivet.errors import ConfigurationError
from trivet_deploy.mounts.extra import mount_extras
from trivet_settings import load_settings

FRAMEWORKS = ("flask", "quart", "sanic", "blacksheep", "litestar", "starlette")
WITH_LIFESPAN = FRAMEWORKS[1:]
LETS_ERRORS_OUT = ("starlette", "flask", "quart")
"""The last two by `PROPAGATE_EXCEPTIONS`; the others answer every exception themselves."""
OUTER = "/outer"
MOUNTS = {
    f"/old/{name}": f"{'wsgi' if name == 'flask' else 'asgi'}:tests.deploy.foreign.{name}_app:app"
    for name in FRAMEWORKS
}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Server processes find the package `tests`."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)


@dataclass(frozen=True)
class Foreign:
    """A server with every framework mounted behind an outer prefix, and an API key for it."""

    server: Server
    key: str

    def get(self, path: str) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx2.get(f"{self.server.url}{path}", headers=headers, timeout=60)


@pytest.fixture
def foreign(
    start_server: StartServer, peopled_database_url: str, people: People, importable: None
) -> Foreign:
    server = start_server(
        database_url=peopled_database_url,
        extra_mounts=json.dumps(MOUNTS),
        public_url="http://localhost/outer",
    )
    return Foreign(server, people.keys["bob"])


@pytest.mark.once
def test_every_framework_lives_under_a_prefix_behind_a_prefix(foreign: Foreign) -> None:
    for name in FRAMEWORKS:
        home = foreign.get(f"/old/{name}/")
        assert (home.status_code, home.json()) == (200, {"home": True}), name
        assert home.headers["x-request-id"], name

        asked = foreign.get(f"/old/{name}/who/caf%C3%A9%20noir").json()
        assert asked["user"] == "bob", name
        assert asked["name"] == "caf\u00e9 noir", name
        assert urlsplit(asked["url"]).path == f"/outer/old/{name}/who/x", name

        posted = httpx2.post(
            f"{foreign.server.url}/old/{name}/length", content=b"x" * 70_000, timeout=60
        )
        assert (posted.status_code, posted.json()) == (200, {"bytes": 70_000}), name
        assert foreign.get(f"/old/{name}/nowhere").status_code == 404, name
        refused = foreign.get(f"/old/{name}/taken")
        if name in LETS_ERRORS_OUT:
            assert (refused.status_code, refused.json()["code"]) == (409, "taken"), name
        else:
            assert refused.status_code == 500, name
        bare = httpx2.get(f"{foreign.server.url}/old/{name}", follow_redirects=False, timeout=60)
        assert bare.status_code == 200 or bare.headers["location"].endswith(f"/old/{name}/"), name


@pytest.mark.once
def test_a_socket_of_a_mounted_application_meets_the_same_identity(foreign: Foreign) -> None:
    url = foreign.server.url.replace("http", "ws") + "/old/quart/echo"
    with connect(url, additional_headers={"authorization": f"Bearer {foreign.key}"}) as socket:
        socket.send("hello")

        assert socket.recv() == "bob: hello"

    with pytest.raises(InvalidStatus), connect(url.replace("quart", "flask")):
        pass


@pytest.mark.once
def test_applications_start_and_stop_with_the_house_and_do_not_seize_its_log(
    foreign: Foreign,
) -> None:
    foreign.get("/old/litestar/who/once-only")
    assert foreign.server.stop() == 0

    lines = foreign.server.log_text().splitlines()
    for name in WITH_LIFESPAN:
        assert lines.count(f"{name} started") == 1
        assert lines.count(f"{name} stopped") == 1
    # Litestar and Sanic bring log handlers along, which would repeat every line.
    assert len([line for line in lines if "once-only" in line]) == 1
    assert len([line for line in lines if "Sanic v" in line]) == 1


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("asgi:no_such_module:app", "No module named 'no_such_module'"),
        ("asgi:json:no_such_name", "no_such_name"),
        ("wsgi:json:__name__", "is no application"),
        (
            "asgi:tests.deploy.foreign.flask_app:app",
            "Write wsgi:tests.deploy.foreign.flask_app:app",
        ),
        (
            "wsgi:tests.deploy.foreign.quart_app:app",
            "Write asgi:tests.deploy.foreign.quart_app:app",
        ),
        ("asgi:starlette.applications:Starlette", "Name the application, and no factory."),
    ],
)
def test_a_target_that_cannot_be_mounted_is_said_before_anything_starts(
    target: str, says: str
) -> None:
    settings = load_settings(secret_key="k" * 40, extra_mounts={"/old": target})

    with pytest.raises(ConfigurationError) as caught:
        mount_extras(settings)

    assert "/old of TRIVET_EXTRA_MOUNTS" in caught.value.detail
    assert says in caught.value.detail


def test_a_policy_of_a_mount_that_is_not_there_is_said_before_anything_starts() -> None:
    settings = load_settings(
        secret_key="k" * 40,
        extra_mounts={"/legacy": "asgi:tests.deploy.foreign.starlette_app:app"},
        mount_policies={"/legacy": "staff", "/legcay": "staff"},
    )

    with pytest.raises(ConfigurationError) as caught:
        mount_extras(settings)

    says = "TRIVET_MOUNT_POLICIES names /legcay, which TRIVET_EXTRA_MOUNTS does not mount."
    assert caught.value.detail.startswith(says)


def test_refusals_of_a_mount_are_outcomes_where_a_setting_says_so() -> None:
    target = "asgi:tests.deploy.foreign.starlette_app:app"
    settings = load_settings(
        secret_key="k" * 40,
        extra_mounts={"/auth": target, "/legacy": target},
        mount_commits_on={"/auth": [409, 401]},
    )

    kept, other = mount_extras(settings)[::-1]
    assert (kept.prefix, kept.commits_on) == ("/auth", frozenset({401, 409}))
    assert (other.prefix, other.commits_on) == ("/legacy", frozenset())
    assert [route.commits_on for route in kept.list_routes()] == [{401, 409}]
    with pytest.raises(ConfigurationError, match="TRIVET_MOUNT_COMMITS_ON names /auth"):
        mount_extras(settings.model_copy(update={"extra_mounts": {"/legacy": target}}))


def test_the_closer_prefix_comes_first() -> None:
    target = "asgi:tests.deploy.foreign.starlette_app:app"
    settings = load_settings(
        secret_key="k" * 40, extra_mounts={"/a": target, "/a/b/c": target, "/a/b": target}
    )

    assert [mounted.prefix for mounted in mount_extras(settings)] == ["/a/b/c", "/a/b", "/a"]
