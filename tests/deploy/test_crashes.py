"""Real servers that die."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import create_engine

from tests.deploy.crates.models import Crate
from tests.realtime.sdk import sdk
from tests.services.people import make_key, make_user
from tests.services.server import Server, StartServer

DOCK = "crates:north"


@pytest.fixture
def crates(
    start_server: StartServer, fresh_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Server]:
    """A real Gunicorn with one worker that polls often, for bells are what gets lost here."""
    engine = create_engine(fresh_database_url.replace("postgresql:", "postgresql+psycopg:"))
    table: Any = Crate.__table__
    table.create(engine)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))  # the feature is a test's
    yield start_server(
        features="departures,tests.deploy.crates", poll_seconds="0.2", log_level="warning"
    )
    engine.dispose()


@pytest.fixture
def adas_key(fresh_database_url: str) -> str:
    make_user(fresh_database_url, "ada")
    return make_key(fresh_database_url, "ada")


async def put(server: Server, label: str) -> int:
    """The status of putting a crate down; 0 if the server is gone."""
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as client:
        try:
            url = f"{server.url}/api/crates/north/{label}"
            return (await client.post(url)).status_code
        except httpx2.TransportError:
            return 0


async def labels(client: Any, last: str) -> list[str]:
    return [label for _, label in await client.publications(last)]


@pytest.mark.anyio
async def test_what_was_committed_when_the_process_was_killed_is_delivered_once(
    crates: Server,
) -> None:
    """kill -9 between commit and bell; Gunicorn starts another worker, the client recovers."""
    url = crates.url.replace("http", "ws") + "/ws"
    async with sdk(url, DOCK) as client:
        await client.next("subscribed")
        for number in range(5):
            assert await put(crates, f"a{number}") == 201
        assert await put(crates, "fatal") == 0
        async with asyncio.timeout(60):
            while await put(crates, "b0") != 201:  # noqa: ASYNC110  # the new worker rings no bell of ours
                await asyncio.sleep(0.1)
        assert await put(crates, "last") == 201
        heard = await client.publications("last")
    assert [label for _, label in heard] == [*(f"a{n}" for n in range(5)), "fatal", "b0", "last"]
    assert [offset for offset, _ in heard] == list(range(1, 9))


@pytest.mark.anyio
async def test_a_retry_after_a_kill_between_commit_and_answer_gets_the_answer(
    crates: Server, adas_key: str
) -> None:
    """kill -9 between commit and answer; what is asked again under the same key is not done again,
    and says what the first attempt would have said."""
    headers = {"authorization": f"Bearer {adas_key}", "idempotency-key": "one-crate"}
    async with httpx2.AsyncClient(trust_env=False, verify=False, timeout=60) as client:

        async def attempt() -> Any:
            try:
                return await client.post(f"{crates.url}/api/crates/south/fatal", headers=headers)
            except httpx2.TransportError:
                return None

        assert await attempt() is None
        async with asyncio.timeout(60):
            while (answer := await attempt()) is None:  # noqa: ASYNC110  # nobody tells when the next worker is there
                await asyncio.sleep(0.1)
        assert answer.status_code == 201, answer.text
        assert answer.headers["idempotent-replayed"] == "true"
        found = (await client.get(f"{crates.url}/api/crates/south")).json()
    assert (found["labels"], found["offset"]) == (["fatal"], 1)


@pytest.mark.anyio
async def test_a_relay_killed_in_mid_batch_loses_nothing_and_repeats_nothing(
    crates: Server, fresh_database_url: str
) -> None:
    """A hundred publications in many transactions, and the worker dies while it relays them."""
    url = crates.url.replace("http", "ws") + "/ws"
    async with sdk(url, DOCK) as client:
        await client.next("subscribed")
        writing = asyncio.create_task(put_many(crates, 100))
        await client.publications("n30")
        await asyncio.to_thread(kill_worker, crates)
        confirmed = await writing
        assert await put(crates, "last") == 201
        heard = await client.publications("last")
    offsets = [offset for offset, _ in heard]
    # Those up to n30 were read above; what follows goes on exactly there.
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets)))
    told = [label for _, label in heard]
    assert len(set(told)) == len(told)
    assert [label for label in confirmed if int(label[1:]) > 30 and label not in told] == []


@pytest.mark.once
def test_workers_whose_master_was_killed_stop_and_leave_the_port(start_server: StartServer) -> None:
    server = start_server("serve", "--workers", "2")
    server.process.kill()
    until = time.monotonic() + 30
    while server.log_text().count("this process is stopped") < 2:
        assert time.monotonic() < until, "they go on serving"
        time.sleep(0.1)
    assert server.log_text().count("the master of this process is gone") == 2
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


async def put_many(server: Server, count: int) -> list[str]:
    """Labels that were confirmed; one that was not is tried no more."""
    done = []
    for number in range(1, count + 1):
        label, status = f"n{number}", 0
        status = await put(server, label)
        if status == 201:
            done.append(label)
        else:
            await asyncio.sleep(0.2)
    return done


def kill_worker(server: Server) -> None:
    """kill -9 of Gunicorn's only child."""
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text()
    for pid in children.split():
        os.kill(int(pid), signal.SIGKILL)
