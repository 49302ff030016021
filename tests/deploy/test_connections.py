"""Live connections in the admin and on the command line, of a real server with two workers."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import psycopg
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.admin.forms import Page, read_page
from tests.deploy.installation import Installation
from tests.services.databases import Databases, run_trivet
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

SECONDS = 60.0
"""For what has to come, on a slow machine. No claim rests on it."""
PAGE = "/admin/trivet/connection/"
JFK = "departures:JFK"
SERVER_KEY = "a-key-of-the-server-api-that-opens-nothing"


@dataclass(frozen=True)
class Harbour:
    """A server of two workers, and people who connect to it."""

    server: Server
    people: People
    installation: Installation

    @asynccontextmanager
    async def socket(self, name: str = "") -> AsyncIterator["Socket"]:
        """A socket of somebody with a key, or of nobody, that is subscribed to the board of JFK."""
        headers = {"authorization": f"Bearer {self.people.keys[name]}"} if name else {}
        url = self.server.url.replace("http", "ws") + "/ws"
        async with connect(url, additional_headers=headers, proxy=None) as connection:
            socket = Socket(connection)
            await socket.begin()
            yield socket

    @asynccontextmanager
    async def crowd(self, *names: str) -> AsyncIterator[list["Socket"]]:
        """Sockets of `names`, and of as many others as it takes until both workers have some."""
        async with AsyncExitStack() as stack:
            found = [await stack.enter_async_context(self.socket(name)) for name in names]
            async with asyncio.timeout(SECONDS):
                while not await asyncio.to_thread(self.has_shared_them_out):
                    await stack.enter_async_context(self.socket("chief"))
            yield found

    def has_shared_them_out(self) -> bool:
        answer = httpx2.post(
            f"{self.server.url}/ws/api/info",
            json={},
            headers={"x-api-key": SERVER_KEY},
            trust_env=False,
            timeout=SECONDS,
        )
        clients = [each["num_clients"] for each in answer.json()["result"]["nodes"]]
        return len(clients) == 2 and all(clients)

    async def run(self, *command: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a command that ends with `code`, once every process answers in time."""
        async with asyncio.timeout(SECONDS):
            while True:
                done = await asyncio.to_thread(run_trivet, *command, env=self.installation.env)
                if done.returncode == code:
                    return done
                assert "answer" in done.stderr, done

    async def json(self, *command: str) -> Any:
        return json.loads((await self.run(*command, "--json")).stdout)

    async def processes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.json("realtime", "info"))["processes"]
        assert len(found) == 2
        return found

    @contextmanager
    def visitor(self, username: str) -> Iterator[httpx2.Client]:
        """A browser without a screen in which somebody has logged in. Each request may come to
        either worker."""
        limits = httpx2.Limits(max_keepalive_connections=0)
        with httpx2.Client(
            base_url=self.server.url, trust_env=False, verify=False, limits=limits, timeout=SECONDS
        ) as client:
            body = {"username": username, "password": PASSWORD}
            answer = client.post("/api/auth/login", json=body)
            assert answer.status_code == 200, answer.text
            yield client

    async def read(self, path: str, username: str = "chief") -> Page:
        return await asyncio.to_thread(self._read, path, username)

    async def read_whole(self, path: str, answered: str = "All 2 processes answered.") -> Page:
        """The page, once every process answers in time that can."""
        async with asyncio.timeout(SECONDS):
            while answered not in (page := await self.read(path)).words:
                assert "2 processes answered" in page.words, page.text
        return page

    def _read(self, path: str, username: str) -> Page:
        with self.visitor(username) as visitor:
            return read_page(visitor.get(path))

    async def confirm(self, path: str) -> Page:
        """Open the page that asks, and say yes."""
        await self.read_whole(path)
        return await asyncio.to_thread(self._confirm, path)

    def _confirm(self, path: str) -> Page:
        with self.visitor("chief") as visitor:
            page = read_page(visitor.get(path))
            assert page.status == 200, page.text
            return read_page(visitor.post(path, data=page.form, follow_redirects=True))

    async def number_of(self, username: str) -> int:
        (row,) = await self.rows("SELECT id FROM accounts_user WHERE username = %s", username)
        return int(row[0])

    async def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        url = self.installation.url
        async with await psycopg.AsyncConnection.connect(url) as connection:
            found = await connection.execute(query.encode(), values)
            return await found.fetchall()


class Socket:
    """A client of the protocol."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.client = ""

    async def begin(self) -> None:
        await self._connection.send('{"id":1,"connect":{}}')
        self.client = (await self._receive())["connect"]["client"]
        await self._connection.send(f'{{"id":2,"subscribe":{{"channel":"{JFK}"}}}}')
        assert "subscribe" in await self._receive()

    async def _receive(self) -> Any:
        while True:
            text = await asyncio.wait_for(self._connection.recv(decode=True), SECONDS)
            if text != "{}":
                return json.loads(text)
            await self._connection.send("{}")

    async def is_open(self) -> bool:
        await self._connection.send('{"id":9,"ping":{}}')
        return bool(await self._receive() == {"id": 9, "ping": {}})

    async def publication(self) -> Any:
        return (await self._receive())["push"]["pub"]

    async def closing(self) -> tuple[int | None, str | None]:
        try:
            while True:
                await asyncio.wait_for(self._connection.recv(), SECONDS)
        except ConnectionClosed:
            return self._connection.close_code, self._connection.close_reason


@pytest.fixture(scope="module")
def harbour(start_shared_server: StartServer, databases: Databases, people: People) -> Harbour:
    url = databases.copy(people.database_url)
    server = start_shared_server(
        "serve", "--workers", "2", database_url=url, server_api_keys=SERVER_KEY
    )
    return Harbour(server, people, Installation(url))


async def test_staff_see_the_connections_of_every_process(harbour: Harbour) -> None:
    async with harbour.crowd("bob", "bob", "") as (one, other, stranger):
        page = await harbour.read_whole(PAGE)
        processes = await harbour.processes()
        filtered = await harbour.read_whole(f"{PAGE}?user=bob")
        nowhere = await harbour.read_whole(f"{PAGE}?channel=departures:L*")
        detail = await harbour.read_whole(f"{PAGE}{stranger.client}/")

    for process in processes:
        assert f"{process['host']}:{process['pid']}" in page.words
        assert process["broker"] == "postgresql"
        assert process["broker_is_connected"] is True
    for socket in (one, other, stranger):
        assert socket.client in page.text
    total = sum(each["connections"] for each in processes)
    assert f"{JFK} {total} 0" in page.words
    assert one.client in filtered.text
    assert other.client in filtered.text
    assert stranger.client not in filtered.text
    assert "None matches." in nowhere.words
    assert "User nobody" in detail.words
    assert JFK in detail.words


async def test_the_pages_are_for_those_who_may_see_them(harbour: Harbour) -> None:
    page = await harbour.read(PAGE, "ada")
    overview = await harbour.read("/admin/", "ada")
    assert page.status == 403
    assert "trivet.view_connection (Can view live connection)" in page.words
    assert "Live connections" not in overview.words


async def test_all_connections_of_a_user_are_ended_in_every_process(harbour: Harbour) -> None:
    number = await harbour.number_of("bob")
    async with harbour.crowd("bob", "chief", "bob", "bob") as (one, stays, *others):
        path = f"{PAGE}user/{number}/disconnect/"
        asked = await harbour.read(path)
        done = await harbour.confirm(path)
        for socket in (one, *others):
            assert await socket.closing() == (3503, "force disconnect")
        assert await stays.is_open()
    assert "Disconnect all connections of bob?" in asked.words
    assert done.path == PAGE
    assert "All connections of the user were told to end, in every process." in done.words
    entries = await harbour.json("audit", "list", "--table", "trivet_socket")
    assert (entries[0]["actor"], entries[0]["origin"]) == ("chief", "admin")
    assert entries[0]["row_key"] == str(number)
    assert json.loads(entries[0]["changes"]["disconnect"]["to"]) == {"user": str(number)}


async def test_one_connection_is_ended_in_whatever_process_it_is(harbour: Harbour) -> None:
    async with harbour.crowd("", "", "bob", "bob") as (nobody, other_nobody, bob, other_bob):
        for socket in (nobody, bob):
            await harbour.confirm(f"{PAGE}{socket.client}/disconnect/")
            assert await socket.closing() == (3503, "force disconnect")
        for socket in (other_nobody, other_bob):
            assert await socket.is_open()
        gone = await harbour.read_whole(f"{PAGE}{bob.client}/disconnect/")
    assert gone.status == 404
    assert "No connection of this id is open" in gone.words


async def test_a_process_that_does_not_answer_is_named(harbour: Harbour) -> None:
    async with harbour.crowd():
        frozen, _ = await harbour.processes()
        os.kill(frozen["pid"], signal.SIGSTOP)
        try:
            page = await harbour.read_whole(PAGE, "1 of 2 processes answered.")
            command = await harbour.run("realtime", "info", code=1)
        finally:
            os.kill(frozen["pid"], signal.SIGCONT)
        assert page.status == 200
        assert "One did not answer within a second" in page.words
        assert frozen["node"] in page.words
        assert f"{frozen['host']}:{frozen['pid']}" not in page.words
        assert "1 of 2 processes answered" in command.stderr
        assert frozen["node"] in command.stderr
        async with asyncio.timeout(SECONDS):
            while not await asyncio.to_thread(harbour.has_shared_them_out):
                pass


async def test_commands_see_connections_and_end_them(harbour: Harbour) -> None:
    async with harbour.crowd("bob", "", "bob") as (one, nobody, other):
        table = await harbour.run("realtime", "info")
        processes = await harbour.processes()
        await harbour.run("realtime", "disconnect", "--client", nobody.client)
        assert await nobody.closing() == (3503, "force disconnect")
        assert await one.is_open()
        await harbour.run("realtime", "disconnect", "bob")
        for socket in (one, other):
            assert await socket.closing() == (3503, "force disconnect")
        unknown = await harbour.run("realtime", "disconnect", "bop", code=1)
        gone = await harbour.run("realtime", "disconnect", "--client", one.client, code=1)
        await harbour.run("realtime", "disconnect", code=2)
    for process in processes:
        assert f"{process['host']}:{process['pid']}" in table.stdout
    assert "There is no user bop." in unknown.stderr
    assert f"There is no connection {one.client}." in gone.stderr
    entries = await harbour.json("audit", "list", "--table", "trivet_socket", "--limit", "2")
    number = str(await harbour.number_of("bob"))
    assert [entry["row_key"] for entry in entries] == [number, nobody.client]
    assert {(entry["actor"], entry["origin"]) for entry in entries} == {("cli", "cli")}


async def test_what_a_command_publishes_arrives_in_every_process(harbour: Harbour) -> None:
    async with harbour.crowd("bob", "", "bob", "") as sockets:
        done = await harbour.run("events", "publish", JFK, '{"gate":\n "B7"}')
        for socket in sockets:
            assert (await socket.publication())["data"] == {"gate": "B7"}
    epoch, offset = done.stdout.strip().split(":")
    query = 'SELECT data FROM trivet_publication WHERE channel = %s AND "offset" = %s'
    assert await harbour.rows(query, JFK, int(offset)) == [('{"gate":"B7"}',)]
    assert epoch
