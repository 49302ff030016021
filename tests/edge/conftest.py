"""Trivet as operators run it: by Gunicorn over TCP and a unix socket, and behind nginx."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.deploy.mishaps.models import Mishap
from tests.edge.raw import Address
from tests.services.databases import Databases
from tests.services.nginx import running_nginx
from tests.services.people import People
from tests.services.server import Server, StartServer

ROOT = str(Path(__file__).parents[2])
FEATURES = "departures,tests.deploy.mishaps"
MOUNTS = {
    "/old/flask": "wsgi:tests.deploy.mishaps.flask_app:app",
    "/old/starlette": "asgi:tests.deploy.mishaps.starlette_app:app",
    "/old/fastapi": "asgi:tests.deploy.mishaps.starlette_app:of_fastapi",
}


@dataclass(frozen=True, slots=True)
class Way:
    """A way to the server: an `address`, and whether a proxy stands there."""

    name: str
    address: Address
    is_proxied: bool
    server: Server


@pytest.fixture(scope="session")
def ways(
    tmp_path_factory: pytest.TempPathFactory,
    start_session_server: StartServer,
    databases: Databases,
    people: People,
) -> Iterator[dict[str, Way]]:
    """Each way by its name; both servers have two workers and one database."""
    directory = tmp_path_factory.mktemp("edge")
    unix_socket = directory / "trivet.socket"
    database = databases.copy(people.database_url)
    engine = create_engine(database)
    Mishap.metadata.tables[Mishap.__tablename__].create(engine)
    engine.dispose()
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)
        settings = {
            "database_url": database,
            "features": FEATURES,
            "extra_mounts": json.dumps(MOUNTS),
            "public_url": "http://localhost",
        }
        tcp = start_session_server("serve", "--workers=2", **settings)
        unix = start_session_server(
            "serve", "--workers=2", "--bind", f"unix:{unix_socket}", **settings
        )
        proxies = {
            name: stack.enter_context(running_nginx(directory / name, upstream=upstream))
            for name, upstream in (
                ("nginx-tcp", f"127.0.0.1:{tcp.port}"),
                ("nginx-unix", f"unix:{unix_socket}"),
            )
        }
        yield {
            "tcp": Way("tcp", ("127.0.0.1", tcp.port), False, tcp),
            "unix": Way("unix", unix_socket, False, unix),
            "nginx-tcp": Way("nginx-tcp", ("127.0.0.1", proxies["nginx-tcp"].port), True, tcp),
            "nginx-unix": Way("nginx-unix", ("127.0.0.1", proxies["nginx-unix"].port), True, unix),
        }


@pytest.fixture(params=["tcp", "unix", "nginx-tcp", "nginx-unix"])
def way(request: pytest.FixtureRequest, ways: dict[str, Way]) -> Way:
    """Each way in turn."""
    return ways[request.param]


@pytest.fixture(params=["tcp", "unix"])
def direct_way(request: pytest.FixtureRequest, ways: dict[str, Way]) -> Way:
    """Each way without a proxy."""
    return ways[request.param]
