"""A primary, two streaming replicas and a server of two workers that reads from them.

`Fleet` has what the tests of replicas do with the three. The feature `ferries` tells which of them
has answered.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx2
import psycopg
import pytest
from sqlalchemy import create_engine

from tests.admin.forms import read_page
from tests.deploy.dock import ROOT, add_superuser
from tests.deploy.replicas.ferries.models import Ferry
from tests.services.databases import Databases
from tests.services.forwarder import Forwarder, forwarding
from tests.services.people import PASSWORD, make_key
from tests.services.postgres import Cluster, running_cluster
from tests.services.server import Server, StartServer
from trivet.data.engine import async_url

PATIENCE = 60.0
"""Seconds for what is bound to come. No claim rests on it."""
WAIT_SECONDS = 1.0
"""The server's, longer than the delay of a replica that is waited for, on a slow machine too."""
FERRIES = "/admin/ferries/ferry/"
COOKIE = "trivet_position"
HEADER = "trivet-position"
DOORS = ("run", "query", "session", "django")

_STAMP = """
CREATE FUNCTION stamp(given text) RETURNS text LANGUAGE plpgsql AS
    'BEGIN INSERT INTO ferries_ferry (name) VALUES (given || txid_current()); RETURN given; END'
"""


@dataclass(frozen=True)
class Fleet:
    """The three servers of PostgreSQL, and one of ours. The address of the second replica is that
    of `forwarder`, which leads there."""

    primary: Cluster
    replicas: tuple[Cluster, Cluster]
    database: str
    server: Server
    key: str
    forwarder: Forwarder

    @property
    def cookie(self) -> str:
        """The name of the position's cookie."""
        return f"{COOKIE}_{self.server.port}"

    @property
    def writing(self) -> int:
        return self.primary.server.port

    @property
    def reading(self) -> set[int]:
        return {each.server.port for each in self.replicas}

    @contextmanager
    def client(self, **headers: str) -> Iterator[httpx2.Client]:
        """A client with cookies of its own. Each request is on a new connection, so that either
        worker may get it."""
        limits = httpx2.Limits(max_keepalive_connections=0)
        url = self.server.url
        with httpx2.Client(
            base_url=url, headers=headers, trust_env=False, verify=False, limits=limits, timeout=60
        ) as client:
            yield client

    @contextmanager
    def person(self) -> Iterator[httpx2.Client]:
        """A browser in which a superuser has logged in, whose position is forgotten."""
        with self.client() as client:
            body = {"username": "boss", "password": PASSWORD}
            answer = client.post("/api/auth/login", json=body)
            assert answer.status_code == 200, answer.text
            forget(client)
            yield client

    def launch(self) -> str:
        """Launch a ferry by a client that is never seen again."""
        with self.client() as client:
            return launch(client)

    def write_through(self) -> None:
        """Launch a ferry, and return when the log is on the disk, so that replicas can get it: the
        server of the tests confirms before that."""
        url = self.primary.server.url(self.database)
        with psycopg.connect(url, options="-c synchronous_commit=on") as connection:
            connection.execute(
                "INSERT INTO ferries_ferry (name) VALUES (%s)", [os.urandom(6).hex()]
            )

    def states(self) -> list[str]:
        """What `/readyz` says of the replicas. The process that answers is any of them."""
        with self.client() as client:
            answer = client.get("/readyz")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["replicas"])

    def until_used(self, *used: Cluster) -> None:
        """Return when reads come from these and no other replica, in both workers."""
        wanted = [each.server.port for each in used] or [self.writing]
        found: dict[int, list[int]] = {}

        def settled() -> bool:
            with self.client() as client:
                for _ in range(8):
                    seen = client.get("/api/ferries/by/run").json()
                    found.setdefault(seen["process"], []).append(seen["port"])
            recent = [set(ports[-4:]) for ports in found.values()]
            return len(found) == 2 and all(each == set(wanted) for each in recent)

        try:
            until(settled)
        except AssertionError:
            recent = {process: ports[-8:] for process, ports in found.items()}
            raise AssertionError(f"{wanted} wanted, {recent} read: {self.states()}") from None

    def until_read_back(self) -> None:
        """Return when both workers read from replicas what somebody has just written: they do not
        wait for a replica that was late a moment ago."""
        with self.client() as client:
            launch(client)
            processes: set[int] = set()

            def settled() -> bool:
                seen = client.get("/api/ferries/by/run").json()
                if seen["port"] in self.reading:
                    processes.add(seen["process"])
                return len(processes) == 2

            until(settled)

    @contextmanager
    def paused(self, *replicas: Cluster) -> Iterator[None]:
        """They replay nothing during the block."""
        try:
            for each in replicas:
                each.server.execute("SELECT pg_wal_replay_pause()")
                until(partial(_says, each, "SELECT pg_get_wal_replay_pause_state()", "paused"))
            yield
        finally:
            for each in replicas:
                each.server.execute("SELECT pg_wal_replay_resume()")
            self.until_used(*self.replicas)

    @contextmanager
    def delayed(self, milliseconds: int) -> Iterator[None]:
        """The replicas replay every commit so much later during the block."""
        try:
            self._delay(milliseconds)
            yield
        finally:
            self._delay(0)
            self.until_used(*self.replicas)

    def _delay(self, milliseconds: int) -> None:
        for each in self.replicas:
            each.server.execute(f"ALTER SYSTEM SET recovery_min_apply_delay = {milliseconds}")
            each.server.execute("SELECT pg_reload_conf()")
            until(partial(_says, each, _DELAY, str(milliseconds)))

    @contextmanager
    def moved(self) -> Iterator[None]:
        """During the block, the address of the second replica leads readers to the first one. The
        looks at it still see the second."""
        self.forwarder.target = self.replicas[0].server.port
        try:
            cut(self.replicas[1], self.database, "query NOT LIKE '%pg_control_system%'")
            yield
        finally:
            self.forwarder.target = self.replicas[1].server.port
            cut(self.replicas[0], self.database)

    def names(self) -> set[str]:
        """The ferries that the primary has."""
        with psycopg.connect(self.primary.server.url(self.database)) as connection:
            return {name for (name,) in connection.execute("SELECT name FROM ferries_ferry")}


_DELAY = "SELECT setting FROM pg_settings WHERE name = 'recovery_min_apply_delay'"


def _says(cluster: Cluster, question: str, answer: str) -> bool:
    with psycopg.connect(cluster.server.url("postgres"), autocommit=True) as connection:
        return connection.execute(question.encode()).fetchone() == (answer,)


def cut(replica: Cluster, database: str, condition: str = "true") -> None:
    """End the connections to a replica that fulfil `condition`, of pg_stat_activity."""
    query = (
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        f"WHERE datname = current_database() AND pid <> pg_backend_pid() AND {condition}"
    )
    with psycopg.connect(replica.server.url(database), autocommit=True) as connection:
        connection.execute(query.encode())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "this should have come long ago"
        time.sleep(0.02)


def forget(client: httpx2.Client) -> None:
    """Let a browser lose its position, and nothing else."""
    (name,) = [name for name in client.cookies if name.startswith(COOKIE)]
    client.cookies.delete(name)


def launch(client: httpx2.Client, **query: Any) -> str:
    """Launch a ferry of a new name, and return the name."""
    name = os.urandom(6).hex()
    answer = client.post(f"/api/ferries/{name}", params=query)
    assert answer.status_code == 201, answer.text
    return name


@dataclass(frozen=True)
class Seen:
    """What an endpoint saw, and the port of the server that it asked."""

    names: list[str]
    port: int
    process: int


def see(client: httpx2.Client, door: str = "run", **headers: str) -> Seen:
    answer = client.get(f"/api/ferries/by/{door}", headers=headers)
    assert answer.status_code == 200, answer.text
    return Seen(**answer.json())


def fill_in(client: httpx2.Client, path: str, **values: str) -> httpx2.Response:
    """Send the form at `path` with `values` in place of what it holds."""
    page = client.get(path)
    assert page.status_code == 200, page.text
    return client.post(path, data=read_page(page).form | values)


def start_fleet(
    primary: Cluster,
    replicas: tuple[Cluster, Cluster],
    forwarder: Forwarder,
    database: str,
    start: StartServer,
) -> Fleet:
    """Start a server on three servers of PostgreSQL that have the database."""
    url = primary.server.url(database)
    engine = create_engine(async_url(url))
    table: Any = Ferry.__table__
    table.create(engine)
    engine.dispose()
    add_superuser(url, "boss")
    key = make_key(url, "boss")
    with psycopg.connect(url) as connection:
        connection.execute(_STAMP)
    other = replicas[1].server.url(database)
    other = other.replace(str(replicas[1].server.port), str(forwarder.port))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT)
        server = start(
            "serve",
            "--workers",
            "2",
            database_url=url,
            replica_urls=f"{replicas[0].server.url(database)},{other}",
            replica_wait_seconds=str(WAIT_SECONDS),
            replica_lag_seconds="600",
            features="departures,tests.deploy.replicas.ferries",
            allowed_origins="http://localhost:5173",
            database_connections="4",
            django_threads="4",
            log_level="info",
        )
    fleet = Fleet(primary, replicas, database, server, key, forwarder)
    fleet.until_used(*replicas)
    return fleet


@contextmanager
def running_fleet(primary: Cluster, databases: Databases, start: StartServer) -> Iterator[Fleet]:
    """Two replicas of `primary` and a server, for the block."""
    url = databases.create()
    with (
        running_cluster(standby_of=primary) as one,
        running_cluster(standby_of=primary) as other,
        forwarding(other.server.port) as forwarder,
    ):
        database = url.rpartition("/")[2]
        fleet = start_fleet(primary, (one, other), forwarder, database, start)
        yield fleet
        fleet.server.stop()
    databases.drop(url)
