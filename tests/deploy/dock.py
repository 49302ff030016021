"""A server with the feature `crates`, and its database seen from outside: for tests of faults.

Every write of a crate passes a gate, which a test can shut: what comes meanwhile waits inside its
transaction, with its connection, for as long as the test likes and no clock has a say in it.
"""

import asyncio
import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2
import psycopg
import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine

from tests.admin.forms import read_page
from tests.deploy.crates.models import Crate
from tests.services.people import PASSWORD
from tests.services.server import Server, StartServer
from trivet.data.engine import async_url

PATIENCE = 30.0
"""Seconds in which a slow machine gets to what a fast one does at once. No claim rests on it."""
ROOT = str(Path(__file__).parents[2])
"""What PYTHONPATH has to name for a server to find the feature."""
SEE_CRATES = "/admin/crates/crate/"

SWAMP = "swamp"
"""The dock in which whoever puts down a crate waits for ever. The gate is no use where a server
stops: it opens as soon as our own connection is ended, which may be before the others are."""

_GATE = """
CREATE FUNCTION pass_gate() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_advisory_xact_lock_shared(1); RETURN NULL; END';
CREATE TRIGGER gate BEFORE INSERT OR UPDATE ON crates_crate
    FOR EACH STATEMENT EXECUTE FUNCTION pass_gate();
CREATE FUNCTION sink() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(600); RETURN NULL; END';
CREATE TRIGGER swamp BEFORE INSERT ON crates_crate
    FOR EACH ROW WHEN (NEW.dock = 'swamp') EXECUTE FUNCTION sink();
"""
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)  # as in the product
_OURS = "trivet-tests"
_OTHERS = f"datname = current_database() AND application_name <> '{_OURS}'"


def add_superuser(database_url: str, username: str) -> None:
    """A user with `PASSWORD`, in a hundredth of the time that the command line takes for one."""
    row: dict[str, object] = {"username": username, "password": "argon2" + _HASHER.hash(PASSWORD)}
    row |= dict.fromkeys(("first_name", "last_name", "email"), "")
    row |= dict.fromkeys(("is_superuser", "is_staff", "is_active"), True)
    query = f"INSERT INTO accounts_user ({', '.join(row)}, date_joined) VALUES "
    query += f"({', '.join(['%s'] * len(row))}, now())"
    with psycopg.connect(database_url) as connection:
        connection.execute(query.encode(), list(row.values()))


@dataclass(frozen=True)
class Watch:
    """A PostgreSQL database, looked at and meddled with by somebody who is not the server."""

    url: str

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True, application_name=_OURS)

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(query.encode(), values).fetchall()

    def execute(self, statement: str) -> None:
        with self.connect() as connection:
            connection.execute(statement.encode())

    def count(
        self, condition: str = "true", connection: psycopg.Connection[Any] | None = None
    ) -> int:
        """How many connections of the server fulfil `condition`, of pg_stat_activity."""
        query = f"SELECT count(*) FROM pg_stat_activity WHERE {_OTHERS} AND {condition}"
        if connection is None:
            ((count,),) = self.rows(query)
        else:
            ((count,),) = connection.execute(query.encode()).fetchall()
        return int(count)

    def waiting(self) -> int:
        """How many of them stand at the gate, or behind somebody who does, or in the swamp."""
        return self.count("(wait_event_type = 'Lock' OR wait_event = 'PgSleep')")

    def transactions(self) -> set[tuple[int, dt.datetime]]:
        """The transactions that are open, each by its process and its beginning."""
        query = f"SELECT pid, xact_start FROM pg_stat_activity WHERE {_OTHERS}"
        return {(pid, begun) for pid, begun in self.rows(query) if begun is not None}

    def cut(self) -> None:
        """End every connection of the server, and return when they are ended."""
        self.execute(
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE {_OTHERS}"
        )

    @contextmanager
    def gate_shut(self) -> Iterator[None]:
        """Whoever writes a crate meanwhile waits."""
        # Closed by hand: the end of a connection's own block would fail when its server is gone.
        with closing(self.connect()) as connection:
            connection.execute("SELECT pg_advisory_lock(1)")
            yield

    def labels(self, dock: str) -> list[str]:
        query = "SELECT label FROM crates_crate WHERE dock = %s ORDER BY id"
        return [label for (label,) in self.rows(query, dock)]

    def told(self, dock: str) -> list[str]:
        """The labels that were published, in the order of their offsets."""
        query = (
            "SELECT data::jsonb ->> 'label', \"offset\" FROM trivet_publication "
            'WHERE channel = %s ORDER BY "offset"'
        )
        rows = self.rows(query, f"crates:{dock}")
        assert [offset for _, offset in rows] == list(range(1, len(rows) + 1))
        return [label for label, _ in rows]


def start_two_workers(
    start_server: StartServer,
    database_url: str,
    monkeypatch: pytest.MonkeyPatch,
    **variables: str,
) -> Server:
    """A server with two workers, and no gate in its database."""
    create_crates(database_url)
    monkeypatch.setenv("PYTHONPATH", ROOT)
    features = "departures,tests.deploy.crates"
    return start_server(
        "serve", "--workers=2", database_url=database_url, features=features, **variables
    )


def create_crates(database_url: str) -> None:
    engine = create_engine(async_url(database_url))
    table: Any = Crate.__table__
    table.create(engine)
    engine.dispose()


def log_in(server: Server, username: str) -> str:
    """The Cookie header of a new session, from the API's door."""
    body = {"username": username, "password": PASSWORD}
    answer = httpx2.post(f"{server.url}/api/auth/login", json=body, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.headers["set-cookie"].partition(";")[0]


@dataclass(frozen=True)
class Form:
    """A form of the admin as a browser would send it, ready for whatever client."""

    url: str
    headers: Mapping[str, str]
    body: bytes


def fill_form(server: Server, path: str, cookie: str, **values: str) -> Form:
    """The form at `path` with `values` in place of what it holds."""
    answer = httpx2.get(server.url + path, headers={"cookie": cookie}, trust_env=False, timeout=60)
    assert answer.status_code == 200, answer.text
    token = answer.headers["set-cookie"].partition(";")[0]
    headers = {
        "cookie": f"{cookie}; {token}",
        "content-type": "application/x-www-form-urlencoded",
    }
    given = read_page(answer).form | values
    return Form(server.url + path, headers, urlencode(given, doseq=True).encode())


CONNECTIONS = 3
THREADS = 2
BOUND = CONNECTIONS + THREADS + 2 + 1
"""What docs/unit-of-work.md promises a process: the API's pool, Django's threads, two logins, and
the broker."""


@dataclass(frozen=True)
class Port:
    """A server with few connections, so that all of them are easily taken, and a session of a
    superuser's."""

    server: Server
    watch: Watch
    cookie: str

    @classmethod
    def open(cls, start: StartServer, database_url: str) -> "Port":
        """Start it on a migrated database."""
        engine = create_engine(async_url(database_url))
        table: Any = Crate.__table__
        table.create(engine)
        engine.dispose()
        add_superuser(database_url, "boss")
        watch = Watch(database_url)
        watch.execute(_GATE)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PYTHONPATH", ROOT)
            server = start(
                database_url=database_url,
                features="departures,tests.deploy.crates",
                database_connections=str(CONNECTIONS),
                django_threads=str(THREADS),
                log_level="warning",
            )
        return cls(server, watch, log_in(server, "boss"))

    async def until_waiting(self, count: int) -> None:
        """Return as soon as so many stand at the gate, or behind somebody who does."""
        await until(lambda: self.watch.waiting() == count)

    def put(self, dock: str, label: str = "new", *, with_django: bool = False) -> httpx2.Request:
        query = "?with_django=1" if with_django else ""
        return httpx2.Request("POST", f"{self.server.url}/api/crates/{dock}/{label}{query}")

    def relabel(self, dock: str, label: str, *, with_django: bool = False) -> httpx2.Request:
        query = "?with_django=1" if with_django else ""
        return httpx2.Request("PUT", f"{self.server.url}/api/crates/{dock}/{label}{query}")

    def edit(self, path: str, **values: str) -> httpx2.Request:
        form = fill_form(self.server, path, self.cookie, **values)
        return httpx2.Request("POST", form.url, headers=dict(form.headers), content=form.body)

    def anonymous(self, path: str) -> httpx2.Request:
        return httpx2.Request("GET", self.server.url + path)

    def get(self, path: str) -> httpx2.Request:
        return httpx2.Request("GET", self.server.url + path, headers={"cookie": self.cookie})


class Crowd:
    """Requests that are all under way at once, each on a connection of its own."""

    def __init__(self) -> None:
        # None is kept: one that is idle may be closed by the server just as it is used again.
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
        self._client = httpx2.AsyncClient(trust_env=False, verify=False, timeout=60, limits=limits)

    async def __aenter__(self) -> "Crowd":
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    def send(self, *requests: httpx2.Request) -> "list[asyncio.Task[httpx2.Response]]":
        return [asyncio.create_task(self._client.send(each)) for each in requests]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what is bound to come."""
    async with asyncio.timeout(PATIENCE):
        while not await asyncio.to_thread(condition):  # noqa: ASYNC110  # PostgreSQL tells nobody
            await asyncio.sleep(0.02)


def is_told_to_come_back(answer: httpx2.Response) -> bool:
    return answer.status_code == 503 and int(answer.headers["retry-after"]) > 0
