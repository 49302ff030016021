"""What a client has written goes with it as a position, by a cookie or a header."""

import pytest

from tests.deploy.replicas.fleet import (
    FERRIES,
    HEADER,
    Fleet,
    launch,
    see,
)

pytestmark = pytest.mark.database("postgresql")


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
