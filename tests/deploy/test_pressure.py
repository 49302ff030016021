"""More than a server has connections for, writers who collide, clients who leave: a real Gunicorn
on a real PostgreSQL."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from tests.deploy.dock import (
    BOUND,
    CONNECTIONS,
    SEE_CRATES,
    THREADS,
    Crowd,
    Port,
    Watch,
    is_told_to_come_back,
    until,
)
from tests.services.databases import Databases
from tests.services.server import Server, StartServer

pytestmark = pytest.mark.database("postgresql")  # SQLite has no connections to run out of


@pytest.fixture(scope="module")
def port(start_shared_server: StartServer, databases: Databases) -> Iterator[Port]:
    url = databases.create()
    port = Port.open(start_shared_server, url)
    yield port
    port.server.stop()
    databases.drop(url)


class Count:
    """The most connections that were seen at once, until it is told that all is over."""

    def __init__(self, watch: Watch) -> None:
        self.most = 0
        self._over = threading.Event()
        self._counting = asyncio.create_task(asyncio.to_thread(self._look, watch))

    async def end(self) -> int:
        self._over.set()
        await self._counting
        return self.most

    def _look(self, watch: Watch) -> None:
        with watch.connect() as connection:
            while not self._over.wait(0.005):
                self.most = max(self.most, watch.count(connection=connection))


@pytest.mark.anyio
async def test_a_hundred_of_the_admin_and_a_hundred_of_the_api_stay_within_the_bound(
    port: Port,
) -> None:
    pages = [port.get(SEE_CRATES), port.get("/admin/"), port.get(f"{SEE_CRATES}add/")]
    async with Crowd() as crowd:
        connections = Count(port.watch)
        admin = crowd.send(*(pages[number % 3] for number in range(100)))
        api = crowd.send(*(port.put("crowd", f"c{n}", with_django=n % 4 == 0) for n in range(100)))
        alive = await asyncio.gather(*crowd.send(*[port.anonymous("/healthz")] * 5))
        seen, put = await asyncio.gather(*admin), await asyncio.gather(*api)
        most = await connections.end()
    assert {answer.status_code for answer in alive} == {200}
    assert 1 < most <= BOUND
    for answers, success in ((seen, 200), (put, 201)):
        succeeded = [answer for answer in answers if answer.status_code == success]
        assert succeeded
        assert all(is_told_to_come_back(a) for a in answers if a not in succeeded)
    stored = await asyncio.to_thread(port.watch.labels, "crowd")
    assert len(stored) == len([answer for answer in put if answer.status_code == 201])
    assert sorted(await asyncio.to_thread(port.watch.told, "crowd")) == sorted(stored)


@pytest.mark.anyio
async def test_who_finds_no_connection_is_told_to_come_back_and_the_server_is_alive_meanwhile(
    port: Port,
) -> None:
    """Both pools are held until the test lets go, so no clock decides who finds nothing."""
    edit = await asyncio.to_thread(port.edit, f"{SEE_CRATES}add/", dock="full", label="admin")
    look = port.get(SEE_CRATES)
    async with Crowd() as crowd:
        with port.watch.gate_shut():
            held = crowd.send(edit, port.put("full", "django", with_django=True))
            await port.until_waiting(THREADS)
            held += crowd.send(*[port.put("full", "api")] * CONNECTIONS)
            await port.until_waiting(THREADS + CONNECTIONS)
            late = crowd.send(
                *[look, port.put("full", "late"), port.put("full", "late", with_django=True)] * 30
            )
            alive = await asyncio.gather(*crowd.send(*[port.anonymous("/healthz")] * 20))
            assert not any(task.done() for task in held)
            ready = await crowd.send(port.anonymous("/readyz"))[0]
            refused = await asyncio.gather(*late)
            taken = await asyncio.to_thread(port.watch.count)
        answered = [answer.status_code for answer in await asyncio.gather(*held)]
        again = await asyncio.gather(*crowd.send(look, port.put("full", "after")))
    assert {answer.status_code for answer in alive} == {200}
    assert ready.status_code == 503
    assert all(is_told_to_come_back(answer) for answer in refused)
    assert CONNECTIONS + THREADS <= taken <= BOUND
    assert answered == [302, 201, *[201] * CONNECTIONS]
    assert [answer.status_code for answer in again] == [200, 201]
    assert sorted(await asyncio.to_thread(port.watch.labels, "full")) == [
        "admin",
        "after",
        *["api"] * CONNECTIONS,
        "django",
    ]


@pytest.fixture
def serializable_admin(port: Port) -> Iterator[None]:
    """The admin's transactions are SERIALIZABLE: by default, since no request of it says so."""
    database = port.watch.url.rpartition("/")[2]
    name = f'ALTER DATABASE "{database}"'
    port.watch.execute(f"{name} SET default_transaction_isolation = 'serializable'")
    connect_anew(port)
    yield
    port.watch.execute(f"{name} RESET default_transaction_isolation")
    connect_anew(port)


def connect_anew(port: Port) -> None:
    """Cut all connections, and have the server notice."""
    port.watch.cut()
    served = 0  # one that was in use just now is found dead by whoever uses it next
    while served < 2 * CONNECTIONS:
        answer = httpx2.get(f"{port.server.url}/departures/", trust_env=False, timeout=60)
        served = 0 if answer.status_code == 503 else served + 1


def serializable(request: httpx2.Request) -> httpx2.Request:
    """The same request, in whose transaction the service says so itself."""
    url = request.url.copy_merge_params({"isolation": "serializable"})
    return httpx2.Request(request.method, url)


DOORS = ("api", "both-orms", "admin")


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
async def test_of_two_that_change_the_same_rows_one_is_told_to_come_back(
    port: Port, door: str, serializable_admin: None
) -> None:
    """PostgreSQL refuses the second while it is at work (40001)."""
    dock = f"same-{door}"
    async with Crowd() as crowd:
        for _ in range(2):
            await crowd.send(port.put(dock, "old"))[0]

        def change(label: str) -> httpx2.Request:
            if door == "admin":
                ((crate, _), _) = port.watch.rows(CRATES, dock)
                return port.edit(f"{SEE_CRATES}{crate}/change/", label=label)
            return serializable(port.relabel(dock, label, with_django=door == "both-orms"))

        winner = await collide(port, crowd, change)
    changed = [winner] if door == "admin" else [winner, winner]
    assert await asyncio.to_thread(port.watch.told, dock) == ["old", "old", *changed]
    stored = await asyncio.to_thread(port.watch.labels, dock)
    assert stored == [*changed, *["old"] * (2 - len(changed))]


@pytest.mark.anyio
@pytest.mark.parametrize("door", DOORS)
async def test_of_two_that_tell_the_same_channel_one_is_told_to_come_back(
    port: Port, door: str, serializable_admin: None
) -> None:
    """Both have done their work, their answers are prepared, and PostgreSQL refuses the second
    when it commits (40001)."""
    dock = f"told-{door}"
    async with Crowd() as crowd:
        await crowd.send(port.put(dock, "old"))[0]

        def add(label: str) -> httpx2.Request:
            if door == "admin":
                return port.edit(f"{SEE_CRATES}add/", dock=dock, label=label)
            return serializable(port.put(dock, label, with_django=door == "both-orms"))

        winner = await collide(port, crowd, add)
    assert await asyncio.to_thread(port.watch.labels, dock) == ["old", winner]
    assert await asyncio.to_thread(port.watch.told, dock) == ["old", winner]


CRATES = "SELECT id, label FROM crates_crate WHERE dock = %s ORDER BY id"


async def collide(port: Port, crowd: Crowd, make: Callable[[str], httpx2.Request]) -> str:
    """Send two requests whose snapshots are both taken before either commits. Returns the label
    of the one that succeeded; the other was told to come back, and succeeds when it does."""
    requests = {label: await asyncio.to_thread(make, label) for label in ("a", "b")}
    with port.watch.gate_shut():
        tasks = crowd.send(*requests.values())
        await port.until_waiting(2)
    answers = dict(zip(requests, await asyncio.gather(*tasks), strict=True))
    (refused,) = (label for label, answer in answers.items() if answer.status_code >= 400)
    assert is_told_to_come_back(answers[refused])
    assert "Another request changed the same data" in answers[refused].text
    (winner,) = {"a", "b"} - {refused}
    return winner


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("door", "places"), [("api", CONNECTIONS), ("both-orms", THREADS), ("admin", THREADS)]
)
async def test_who_leaves_in_mid_request_leaves_no_transaction_open(
    port: Port, door: str, places: int
) -> None:
    """As many clients as there are connections, each gone while its request is in mid-transaction;
    then as many again, who stay."""
    dock = f"left-{door}"

    def make(label: str) -> httpx2.Request:
        if door == "admin":
            return port.edit(f"{SEE_CRATES}add/", dock=dock, label=label)
        return port.put(dock, label, with_django=door == "both-orms")

    gone, stays = [await asyncio.to_thread(make, label) for label in ("gone", "stays")]
    with port.watch.gate_shut():
        for number in range(places):
            async with leaving(port.server, gone):
                await port.until_waiting(number + 1)
        left = await asyncio.to_thread(port.watch.transactions)
    await until(lambda: port.watch.transactions().isdisjoint(left))
    # Whole or not at all: what is stored was told, and what was told is stored.
    stored = await asyncio.to_thread(port.watch.labels, dock)
    assert stored == await asyncio.to_thread(port.watch.told, dock)
    async with Crowd() as crowd:
        with port.watch.gate_shut():
            tasks = crowd.send(*[stays] * places)
            await port.until_waiting(places)
        answers = await asyncio.gather(*tasks)
    assert {answer.status_code for answer in answers} <= {201, 302}
    assert await asyncio.to_thread(port.watch.labels, dock) == [*stored, *["stays"] * places]


@asynccontextmanager
async def leaving(server: Server, request: httpx2.Request) -> AsyncIterator[None]:
    """The request is sent, and its client is gone after the block without having read a byte."""
    head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(head.encode() + b"\r\n" + request.read())
        await writer.drain()
        yield
    finally:
        writer.close()
        await writer.wait_closed()
