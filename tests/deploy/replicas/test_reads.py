"""Reads come from streaming replicas, and whoever has written reads what it has written."""

import json
from functools import partial
from uuid import uuid4

import httpx2
import pytest
from websockets.sync.client import connect

from tests.deploy.replicas.fleet import (
    DOORS,
    FERRIES,
    HEADER,
    Fleet,
    launch,
    see,
    until,
)

pytestmark = pytest.mark.database("postgresql")


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
    for says in ("is passed over: is paused", "is read from"):
        fleet.server.log_with(f"the replica 127.0.0.1:{late.server.port} {says}")


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


def test_readers_leave_no_error_in_the_log_of_a_replica(fleet: Fleet) -> None:
    with fleet.person() as person:
        for door in DOORS * 2:
            see(person, door)
            person.get(FERRIES)
    for each in fleet.replicas:
        errors = [line for line in each.server.log.read_text().splitlines() if "ERROR" in line]
        assert [line for line in errors if "read-only transaction" not in line] == []
