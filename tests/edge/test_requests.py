"""Every request of the table is answered as the standards say, and costs nobody a connection."""

import json
from collections.abc import Mapping

import pytest

from tests.deploy.refused_requests import FAULTS, REFUSALS
from tests.edge.conftest import Way
from tests.edge.raw import Answer, RawConnection, connect
from tests.edge.requests import (
    BODY,
    BROKEN,
    CHUNKED,
    CLEAN,
    END,
    HOST,
    JSON,
    LENGTH,
    POST,
    Row,
    chunk,
    get,
)
from tests.services.people import PASSWORD, People

pytestmark = pytest.mark.once
ALIVE = get(b"/healthz")


def require_alive(connection: RawConnection, after: object) -> None:
    answer = connection.ask(ALIVE)
    assert (answer.status, answer.body) == (200, b'{"status":"ok"}'), after
    assert not answer.announces_close, after


@pytest.mark.parametrize("row", CLEAN, ids=lambda row: row.name)
def test_a_request_with_an_end_leaves_the_connection_open(way: Way, row: Row) -> None:
    with connect(way.address) as connection:
        answer = connection.ask(row.request)
        by_proxy = way.is_proxied and row.proxied is not None
        expected = row.proxied if by_proxy else row.status
        assert answer.status == expected, answer
        if by_proxy:
            return
        assert not answer.announces_close
        assert row.body in answer.body
        if row.allow:
            assert answer.get("allow") == row.allow
        require_alive(connection, row.name)


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row.name)
def test_a_request_without_an_end_ends_the_connection_and_is_told_so(way: Way, row: Row) -> None:
    with connect(way.address) as connection:
        answer = connection.ask(row.request)
        statuses = {row.status, row.proxied} if way.is_proxied else {row.status}
        assert answer.status in statuses, answer
        assert answer.announces_close or way.is_proxied
        if not way.is_proxied:
            assert connection.is_closed()
    with connect(way.address) as connection:
        require_alive(connection, "the next one")


def test_every_refusal_and_every_fault_leaves_the_connection_open(way: Way, people: People) -> None:
    with connect(way.address) as connection:
        for status, method, path, given, body in REFUSALS:
            if status == 413:
                continue
            named = {name: text.format(key=people.keys["bob"]) for name, text in given.items()}
            answer = connection.ask(_request(method, path, named, body))
            assert answer.status == status, (path, answer)
            assert not answer.announces_close, path
            require_alive(connection, path)
        cookie = _log_in(connection)
        for method, path, _, body in FAULTS:
            more = {"content-type": "application/json"} if body else {}
            answer = connection.ask(_request(method, path, {"cookie": cookie, **more}, body))
            assert (answer.status, answer.announces_close) == (500, False), (path, answer)
            require_alive(connection, path)


def _log_in(connection: RawConnection) -> str:
    body = json.dumps({"username": "chief", "password": PASSWORD}).encode()
    head = b"POST /api/auth/login HTTP/1.1\r\n" + HOST + JSON
    answer = connection.ask(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    assert answer.status == 200
    return answer.get("set-cookie").partition(";")[0]


def _request(method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    lines = {"host": "localhost", **headers}
    if body is not None:
        lines["content-length"] = str(len(body))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_request_that_comes_in_pieces_is_one_request(way: Way, size: int) -> None:
    request = POST + CHUNKED + chunk(BODY[:5]) + chunk(BODY[5:]) + b"0\r\n\r\n"
    with connect(way.address) as connection:
        connection.send(*(request[at : at + size] for at in range(0, len(request), size)))
        assert connection.answer().status == 409
        require_alive(connection, "pieces")


def test_requests_that_come_together_are_answered_in_their_order(way: Way) -> None:
    requests = [get(b"/healthz"), POST + LENGTH + BODY, get(b"/nowhere")]
    with connect(way.address) as connection:
        for _ in range(3):
            connection.send(b"".join(requests))
            assert [connection.answer().status for _ in requests] == [200, 409, 404]
        require_alive(connection, "three times three")


def test_what_is_no_request_waits_for_the_answer_before_it(direct_way: Way) -> None:
    with connect(direct_way.address) as connection:
        connection.send(POST + LENGTH + BODY + b"\x00\x01 nonsense\r\n\r\n")
        answer = connection.answer()
        assert (answer.status, answer.get("content-type")) == (409, "application/problem+json")
        rest = [] if connection.is_closed() else [connection.answer()]
        assert [each.status for each in rest] in ([], [400])


def test_a_client_that_asks_first_is_told_to_go_on_or_refused(direct_way: Way) -> None:
    head = b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n"
    with connect(direct_way.address) as connection:
        connection.send(POST + head % len(BODY))
        assert connection.interim() == 100
        connection.send(BODY)
        assert connection.answer().status == 409
        require_alive(connection, "100-continue")
    with connect(direct_way.address) as connection:
        connection.send(POST + head % 9_000_000)
        assert connection.interim() == 413, "without a word to go on"


@pytest.mark.parametrize("more", [b"", b"Connection: keep-alive\r\n"])
def test_an_old_client_gets_an_answer_that_it_can_read(direct_way: Way, more: bytes) -> None:
    for path, status in ((b"/healthz", 200), (b"/api/mishaps/whole", 200), (b"/nowhere", 404)):
        with connect(direct_way.address) as connection:
            connection.send(b"GET " + path + b" HTTP/1.0\r\n" + HOST + more + END)
            answer = connection.answer()
            assert answer.status == status
            assert "transfer-encoding" not in dict(answer.headers)
            if path.endswith(b"whole"):
                assert answer.body == b"first,second,third"
            assert connection.is_closed()


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://localhost/healthz", b"localhost", 200),
        (b"http://LOCALHOST:80/healthz", b"localhost", 200),
        (b"https://localhost/healthz?x=1", b"localhost:443", 200),
        (b"http://evil.example/healthz", b"localhost", 400),
        (b"http://localhost/healthz", b"evil.example", 400),
        (b"http://localhost@evil.example/healthz", b"localhost", 400),
        (b"http://me:word@localhost/healthz", b"localhost", 400),
        (b"http://localhost:1/healthz", b"localhost", 400),
        (b"/healthz?next=http://evil.example/", b"localhost", 200),
    ],
)
def test_an_address_in_the_target_names_the_host_of_the_header(
    direct_way: Way, target: bytes, host: bytes, status: int
) -> None:
    with connect(direct_way.address) as connection:
        request = b"GET " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n"
        answer = connection.ask(request)
        assert (answer.status, answer.announces_close) == (status, status == 400)


def test_a_head_is_bounded_and_a_body_beside_it_does_not_count(direct_way: Way) -> None:
    body = b'{"name":[' + b"1," * 60_000 + b"1]}"
    first = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with connect(direct_way.address) as connection:
        connection.send(first + ALIVE[:20])
        assert connection.answer().status == 422
        connection.send(ALIVE[20:])
        assert connection.answer().status == 200


def test_the_date_and_the_version_stand_in_every_answer(direct_way: Way) -> None:
    with connect(direct_way.address) as connection:
        answers: list[Answer] = [connection.ask(row.request) for row in CLEAN[:20]]
    assert all(answer.get("date") and answer.version == b"HTTP/1.1" for answer in answers)


def test_a_path_cannot_write_to_the_terminal_of_who_reads_the_log(direct_way: Way) -> None:
    with connect(direct_way.address) as connection:
        assert connection.ask(get(b"/api/%1b%5B31mred%07%C2%9B")).status == 404
    log = direct_way.server.log_with("\\x1b[31mred\\x07\\x9b")
    assert not {"\x1b", "\x07", "\x9b"} & set(log)
