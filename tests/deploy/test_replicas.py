"""Reads come from streaming replicas, and whoever has written reads what it has written."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import uuid4

import httpx2
import pytest
from websockets.sync.client import connect

from tests.deploy.fleet import (
    FERRIES,
    PATIENCE,
    Fleet,
    fill_in,
    forget,
    launch,
    running_fleet,
    until,
)
from tests.services.databases import Databases, environment, run_trivet
from tests.services.postgres import Cluster
from tests.services.processes import free_port
from tests.services.server import StartServer
from trivet.data.capture import Capture
from trivet.data.database import Database
from trivet.data.replicas.client import ClientPosition
from trivet.data.replicas.position import WalPosition
from trivet.data.replicas.replica import Replica
from trivet.data.replicas.router import Replicas
from trivet.observation import Observers

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]

DOORS = ("run", "query", "session", "django")
HEADER = "trivet-position"


@pytest.fixture(scope="module")
def fleet(
    postgres_cluster: Cluster, databases: Databases, start_shared_server: StartServer
) -> Iterator[Fleet]:
    with running_fleet(postgres_cluster, databases, start_shared_server) as fleet:
        yield fleet


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


@pytest.mark.parametrize("door", DOORS)
def test_a_reader_of_the_api_reads_from_every_replica_and_never_from_the_primary(
    fleet: Fleet, door: str
) -> None:
    with fleet.client() as client:
        ports = {see(client, door).port for _ in range(12)}
    assert ports == fleet.reading


@pytest.mark.parametrize("with_django", [False, True])
def test_a_browser_sees_what_it_wrote_at_every_door_while_the_replicas_stand_still(
    fleet: Fleet, with_django: bool
) -> None:
    with fleet.paused(*fleet.replicas), fleet.client() as client:
        name = launch(client, with_django=with_django)
        for door in DOORS:
            seen = see(client, door)
            assert name in seen.names
            assert seen.port == fleet.writing


def test_what_counts_is_the_server_behind_the_very_connection_that_reads(fleet: Fleet) -> None:
    """Not the one that an address led to when somebody asked there last."""
    late = fleet.replicas[0]
    fleet.until_read_back()
    with fleet.paused(late), fleet.moved(), fleet.person() as person:
        fleet.until_used(late)
        for door in DOORS * 2:
            until(lambda: fleet.states() == ["is paused", "ok"])  # both workers found the cuts
            name = launch(person)
            assert name in see(person, door).names
            assert name in person.get(FERRIES).text


def test_a_position_that_one_process_told_is_good_for_another_one(fleet: Fleet) -> None:
    with fleet.delayed(60_000), fleet.client() as client:
        answer = client.post("/api/ferries/told")
        told, process = answer.headers[HEADER], answer.json()["process"]
        cookie = client.cookies
        others = 0
        while others < 4:
            # By the header alone, and by the cookie alone.
            with fleet.client() as program, fleet.client() as browser:
                browser.cookies = cookie
                for seen in (see(program, **{HEADER: told}), see(browser)):
                    assert "told" in seen.names
                    others += seen.process != process


def is_seen_on(client: httpx2.Client, door: str, ports: set[int]) -> bool:
    """Launch a ferry and see it, and say whether one of the servers at `ports` has shown it."""
    name = launch(client)
    seen = see(client, door)
    assert name in seen.names
    return seen.port in ports


def test_a_replica_that_is_nearly_there_is_waited_for(fleet: Fleet) -> None:
    fleet.until_read_back()
    with fleet.delayed(150), fleet.client() as client:
        for door in DOORS:
            # A busy machine may keep it waiting in vain, but not for ever.
            until(partial(is_seen_on, client, door, fleet.reading))


def test_who_has_written_nothing_reads_what_a_late_replica_has(fleet: Fleet) -> None:
    """Or nothing here would be read from a replica at all."""
    with fleet.delayed(60_000), fleet.client() as writer, fleet.client() as stranger:
        name = launch(writer)
        for door in DOORS:
            seen = see(stranger, door)
            assert name not in seen.names
            assert seen.port in fleet.reading
        assert name in see(writer).names


def test_of_two_replicas_the_one_that_is_there_is_read_from(fleet: Fleet) -> None:
    late, other = fleet.replicas
    fleet.until_read_back()
    with fleet.paused(late), fleet.client() as client:
        for door in DOORS:
            until(partial(is_seen_on, client, door, {other.server.port}))
        until(lambda: fleet.states() == ["is paused", "ok"])
    until(lambda: fleet.states() == ["ok", "ok"])
    log = fleet.server.log_text()
    for says in ("is passed over: is paused", "is read from"):
        assert f"the replica 127.0.0.1:{late.server.port} {says}" in log


def test_a_replica_that_dies_takes_no_reader_along(fleet: Fleet) -> None:
    dying, other = fleet.replicas
    with fleet.person() as person, fleet.client() as stranger:
        for _ in range(2):
            fleet.until_read_back()
            assert person.get(FERRIES).status_code == 200
            assert {see(stranger).port for _ in range(12)} == fleet.reading
            dying.crash()
            # Who has written nothing is not asked about, and meets a connection that is lost.
            assert {see(stranger).port for _ in range(12)} <= {other.server.port, fleet.writing}
            launched = [launch(person) for _ in range(3)]
            for name, door in zip(launched, ("run", "session", "django"), strict=True):
                assert name in see(person, door).names
            assert launched[-1] in person.get(FERRIES).text
            fleet.until_used(other)
            assert fleet.states() == ["does not answer", "ok"]
            dying.start()
            fleet.until_used(*fleet.replicas)
    assert "Traceback" not in fleet.server.log_text()


def test_without_any_replica_everything_is_read_from_the_primary(fleet: Fleet) -> None:
    with fleet.person() as person:
        for each in fleet.replicas:
            each.crash()
        for door in ("run", "session", "django"):
            assert see(person, door).port == fleet.writing
        assert person.get(FERRIES).status_code == 200
        fleet.until_used()
        assert fleet.states() == ["does not answer", "does not answer"]  # and it is ready
        assert see(person, "query").port == fleet.writing
        for each in fleet.replicas:
            each.start()
        fleet.until_used(*fleet.replicas)


def test_a_change_in_the_admin_is_in_the_list_that_follows_and_in_others_later(
    fleet: Fleet,
) -> None:
    with fleet.delayed(60_000), fleet.person() as editor, fleet.person() as reader:
        saved = fill_in(editor, f"{FERRIES}add/", name="Spirit of Tasmania")
        assert saved.status_code == 302, saved.text
        assert "Spirit of Tasmania" in editor.get(FERRIES).text
        assert "Spirit of Tasmania" in see(editor).names
        assert "Spirit of Tasmania" not in reader.get(FERRIES).text
    with fleet.person() as reader:
        until(lambda: "Spirit of Tasmania" in reader.get(FERRIES).text)


@dataclass(frozen=True)
class PageSeen:
    """What a page of the admin saw, and the ports of the servers that it asked, in order."""

    names: list[str]
    ports: list[int]


def see_page(client: httpx2.Client, **query: str) -> PageSeen:
    answer = client.get(f"{FERRIES}see/", params=query)
    assert answer.status_code == 200, answer.text
    return PageSeen(**answer.json())


@pytest.mark.parametrize("do", ["write", "stamp"])
def test_a_page_of_the_admin_that_writes_goes_on_at_the_primary_and_is_read_back(
    fleet: Fleet, do: str
) -> None:
    with fleet.delayed(60_000), fleet.person() as person:
        before = fleet.names()
        found = see_page(person, do=do, name=f"of {do}")
        (written,) = fleet.names() - before
        assert found.ports[0] in fleet.reading
        assert found.ports[-1] == fleet.writing
        again = see_page(person)
        assert written in again.names
        assert set(again.ports) == {fleet.writing}
        assert fleet.states() == ["ok", "ok"]


def test_rows_that_a_page_has_begun_to_read_go_on_when_it_opens_a_transaction(
    fleet: Fleet,
) -> None:
    fleet.until_read_back()
    with fleet.person() as person:

        def is_begun_on_a_replica() -> bool:
            names = {launch(person) for _ in range(3)}
            found = see_page(person, do="iterate")
            assert names <= set(found.names)
            assert found.names == sorted(found.names)
            assert found.ports[1:] == [fleet.writing] * 2
            return found.ports[0] in fleet.reading

        until(is_begun_on_a_replica)


@pytest.mark.parametrize("with_django", [False, True])
def test_a_service_that_writes_while_it_only_reads_fails_as_it_does_without_replicas(
    fleet: Fleet, with_django: bool
) -> None:
    with fleet.client() as client:
        before = fleet.names()
        for _ in range(4):
            answer = client.get("/api/ferries/by/stamp", params={"with_django": with_django})
            assert answer.status_code == 500
        assert fleet.names() == before
        assert fleet.states() == ["ok", "ok"]
        assert {see(client).port for _ in range(8)} == fleet.reading


def test_a_unit_of_its_own_that_a_reader_opens_is_seen_by_the_reader(fleet: Fleet) -> None:
    with fleet.delayed(60_000), fleet.client() as client:
        assert "visitor" in see(client, "own-unit/visitor").names
        assert "visitor" in see(client).names


def test_who_is_logged_in_is_asked_of_the_primary_alone(fleet: Fleet) -> None:
    with fleet.delayed(60_000), fleet.person() as person:
        # The session is on no replica, and the browser has no position.
        assert person.get("/api/auth/me").json()["username"] == "boss"
        assert person.get(FERRIES).status_code == 200
        found = see_page(person, do="session")
        assert found.ports[0] in fleet.reading
        assert found.names[-1] != "None"
        assert person.get(FERRIES).status_code == 200

        assert person.post("/api/auth/logout").status_code == 204
        forget(person)
        assert person.get("/api/auth/me").status_code == 401


def test_a_program_sends_its_position_back_and_without_it_reads_from_the_primary(
    fleet: Fleet,
) -> None:
    with fleet.delayed(60_000), fleet.client(authorization=f"Bearer {fleet.key}") as program:
        name = launch(program)
        answer = program.post("/api/ferries/of-a-program")
        position = answer.headers[HEADER]
        assert "set-cookie" not in answer.headers
        assert name in see(program).names
        assert "of-a-program" in see(program, **{HEADER: position}).names
        first = see(program, **{HEADER: "0-0"})
        assert first.port in fleet.reading
        assert name not in first.names


POSITIONS = (
    "FFFFFFFF-FFFFFFFFFFFFFFFF",  # of the future
    "1-FFFFFFFFFFFFFFFF",
    "2-1",  # of another timeline
    "none",
    "-",
    "1-",
    "1-g",
    "1-0x10",
    "1-10 x",
    "9" * 4000,
    '"1-10"',
    "1-10, 1-11",
    "\u0661-\u0661".encode().decode("latin-1"),
)


@pytest.mark.parametrize("position", POSITIONS, ids=range(len(POSITIONS)))
def test_an_odd_position_only_sends_its_owner_to_the_primary(fleet: Fleet, position: str) -> None:
    with fleet.client() as client:
        for name, value in ((HEADER, position), ("cookie", f"{fleet.cookie}={position}")):
            headers = {name.encode(): value.encode("latin-1")}
            answer = client.get("/api/ferries/by/run", headers=headers)
            assert answer.status_code == 200
            assert answer.json()["port"] == fleet.writing


def test_of_two_positions_the_later_one_counts_and_other_cookies_are_none(fleet: Fleet) -> None:
    with fleet.delayed(60_000), fleet.client() as client:
        name = launch(client)
        (position,) = (value for key, value in client.cookies.items() if key == fleet.cookie)
        client.cookies.clear()
        for cookie in (
            f"{fleet.cookie}=0-1; {fleet.cookie}={position}",
            f"a=b;{fleet.cookie}={position}; {fleet.cookie}=0-1",
        ):
            assert name in see(client, cookie=cookie).names
        other = see(client, cookie=f"not_{fleet.cookie}={position}; {fleet.cookie}x={position}")
        assert other.port in fleet.reading


def test_what_only_reads_tells_no_position(fleet: Fleet) -> None:
    with fleet.person() as person:
        answers = [
            person.get("/api/ferries/by/run"),
            person.get("/api/ferries/by/django"),
            person.get(FERRIES),
            person.post("/api/auth/login", json={"username": "boss", "password": "wrong"}),
            person.post("/api/ferries/search"),
        ]
    assert [HEADER in answer.headers for answer in answers] == [False] * 5
    assert [each.status_code for each in answers] == [200, 200, 200, 401, 200]


def test_a_page_of_another_origin_may_read_the_position(fleet: Fleet) -> None:
    with fleet.client(origin="http://localhost:5173") as client:
        answer = client.post("/api/ferries/from-elsewhere")
    exposed = answer.headers["access-control-expose-headers"]
    assert HEADER in exposed.lower()
    assert answer.headers[HEADER]
    assert "set-cookie" not in answer.headers


def test_check_says_which_replicas_would_not_be_read_from(fleet: Fleet) -> None:
    late, good = fleet.replicas
    here = fleet.database
    gone = f"postgresql://trivet:geheim@127.0.0.1:{free_port()}/{here}"
    itself = f"{fleet.primary.server.url(here)}?application_name=x"
    with fleet.paused(late):
        listed = (
            late.server.url(here),
            good.server.url("postgres"),
            good.server.url(here),
            itself,
            gone,
        )
        url = fleet.primary.server.url(here)
        done = run_trivet("check", env=environment(url, replica_urls=",".join(listed)))
    lines = [line for line in done.stdout.splitlines() if " replicas: " in line]
    says = ("is paused", "another database", "no standby", "does not answer")
    assert done.returncode == 1
    assert len(lines) == len(says)
    for line, sentence in zip(lines, says, strict=True):
        assert sentence in line
        assert line.startswith("✗" if sentence == "another database" else "!")
        assert "geheim" not in line


def test_a_command_reads_from_the_primary_and_needs_no_replica(fleet: Fleet) -> None:
    url = fleet.primary.server.url(fleet.database)
    gone = f"postgresql://trivet@127.0.0.1:{free_port()}/{fleet.database}"
    done = run_trivet("users", "list", env=environment(url, replica_urls=gone))
    assert done.returncode == 0, done.stderr
    assert "boss" in done.stdout


async def test_a_replica_that_is_too_far_behind_is_read_from_by_nobody(fleet: Fleet) -> None:
    async with watching(fleet, lag_seconds=0.5) as replicas:
        client = ClientPosition()
        await settled(replicas, ["ok", "ok"])
        async with delayed(fleet, 60_000):
            await asyncio.to_thread(fleet.launch)
            await settled(replicas, ["more than 0.5 s behind"] * 2)
            assert await replicas.choose(client) is None
        await settled(replicas, ["ok", "ok"])
        assert await replicas.choose(client) in replicas.replicas


async def test_a_replica_that_was_late_before_a_process_began_is_not_read_from_there(
    fleet: Fleet,
) -> None:
    async with delayed(fleet, 60_000):
        await asyncio.to_thread(fleet.write_through)
        async with watching(fleet) as replicas:
            async with asyncio.timeout(PATIENCE):
                while any(each.position is None for each in replicas.replicas):  # noqa: ASYNC110  # nobody is told
                    await asyncio.sleep(0.05)
            assert replicas.states == ["not asked yet"] * 2
            assert await replicas.choose(ClientPosition()) is None


async def test_a_replica_of_another_database_or_none_is_read_from_by_nobody(fleet: Fleet) -> None:
    wrong = (
        fleet.replicas[0].server.url("postgres"),
        fleet.primary.server.url(fleet.database),
        f"postgresql://trivet@127.0.0.1:{free_port()}/{fleet.database}",
    )
    async with watching(fleet, *wrong) as replicas:
        await settled(
            replicas, ["is a replica of another database", "is no standby", "does not answer"]
        )
        assert await replicas.choose(ClientPosition()) is None


def test_what_a_socket_has_written_is_on_every_replica_when_it_is_answered(fleet: Fleet) -> None:
    fleet.until_read_back()
    address = f"ws://127.0.0.1:{fleet.server.port}/ws"
    with fleet.delayed(150), fleet.client() as client, connect(address) as socket:
        socket.send('{"id":1,"connect":{}}')
        assert '"connect"' in socket.recv()

        def is_everywhere() -> bool:
            name = str(uuid4())
            call = {"method": "ferries:launch", "data": name}
            socket.send(json.dumps({"id": 2, "rpc": call}))
            assert json.loads(socket.recv())["rpc"] == {"data": name}
            seen = [see(client) for _ in range(6)]
            assert {each.port for each in seen} == fleet.reading
            return all(name in each.names for each in seen)

        until(is_everywhere)  # a busy machine may not be waited for


async def test_of_all_who_wait_in_vain_for_the_same_only_the_first_waits(fleet: Fleet) -> None:
    async with delayed(fleet, 60_000), watching(fleet) as replicas:
        await settled(replicas, ["ok", "ok"])
        newest = [await asyncio.to_thread(written, fleet) for _ in range(3)]
        assert await replicas.choose(ClientPosition(newest[1])) is None
        for position in newest[1:]:
            with pytest.raises(StopIteration) as ended:
                replicas.choose(ClientPosition(position)).send(None)
            assert ended.value.value is None
        earlier = replicas.choose(ClientPosition(newest[0]))
        assert earlier.send(None) is not None  # it waits
        earlier.close()


def written(fleet: Fleet) -> WalPosition:
    with fleet.client() as client:
        return WalPosition.parse(client.post(f"/api/ferries/{uuid4()}").headers[HEADER])


def test_a_row_of_djangos_own_that_a_page_writes_without_a_transaction_is_told_too(
    fleet: Fleet,
) -> None:
    with fleet.person() as person:
        answer = person.get(f"{FERRIES}see/", params={"do": "touch"})
        assert answer.json()["ports"][-1] == fleet.writing
        assert answer.headers[HEADER]


def test_readers_leave_no_error_in_the_log_of_a_replica(fleet: Fleet) -> None:
    with fleet.person() as person:
        for door in DOORS * 2:
            see(person, door)
            person.get(FERRIES)
    for each in fleet.replicas:
        errors = [line for line in each.server.log.read_text().splitlines() if "ERROR" in line]
        assert [line for line in errors if "read-only transaction" not in line] == []


def test_a_replica_that_is_promoted_is_one_no_longer(fleet: Fleet) -> None:
    promoted, other = fleet.replicas
    with fleet.person() as person:
        promoted.promote()
        name = launch(person)
        for door in DOORS:
            assert name in see(person, door).names
        assert name in person.get(FERRIES).text
        fleet.until_used(other)
        assert fleet.states() == ["is no standby", "ok"]
        promoted.follow_again(fleet.primary)
        fleet.until_used(*fleet.replicas)


@asynccontextmanager
async def delayed(fleet: Fleet, milliseconds: int) -> AsyncIterator[None]:
    delay = fleet.delayed(milliseconds)
    await asyncio.to_thread(delay.__enter__)
    try:
        yield
    finally:
        await asyncio.to_thread(delay.__exit__, None, None, None)


@asynccontextmanager
async def watching(
    fleet: Fleet, *addresses: str, lag_seconds: float = 600
) -> AsyncIterator[Replicas]:
    """The replicas as a process of its own settings sees them."""
    database = Database(fleet.primary.server.url(fleet.database), capture=Capture())
    urls = addresses or [each.server.url(fleet.database) for each in fleet.replicas]
    listed = [
        Replica(each, connections=2, observers=Observers(), pooler="none", statement_seconds=None)
        for each in urls
    ]
    replicas = Replicas(listed, database, wait_seconds=0.1, lag_seconds=lag_seconds)
    await replicas.start()
    try:
        yield replicas
    finally:
        await replicas.stop()
        await database.close()


async def settled(replicas: Replicas, states: list[str]) -> None:
    async with asyncio.timeout(PATIENCE):
        while replicas.states != states:  # noqa: ASYNC110  # nobody is told
            await asyncio.sleep(0.05)
