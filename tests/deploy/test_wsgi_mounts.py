"""A mounted WSGI application reads every body whole, whatever its framing, and holds none."""

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import httpx2
import pytest

from tests.services.children import children_of, resident_bytes
from tests.services.server import START_SECONDS, Server, StartServer

pytestmark = pytest.mark.once
ROOT = str(Path(__file__).parents[2])
LIMIT = 150 * 2**20
PIECE = bytes(range(256)) * 256
BOUNDARY = {"content-type": "multipart/form-data; boundary=edge"}


@pytest.fixture(scope="module")
def server(start_shared_server: StartServer) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)
        yield start_shared_server(
            extra_mounts=json.dumps({"/legacy": "wsgi:tests.deploy.foreign.flask_app:app"}),
            mount_body_limits=json.dumps({"/legacy": LIMIT}),
        )


def pieces(count: int) -> Iterable[bytes]:
    for _ in range(count):
        yield PIECE


@pytest.mark.parametrize("count", [0, 1, 24])
def test_a_chunked_body_is_read_whole_as_an_announced_one_is(server: Server, count: int) -> None:
    whole = b"".join(pieces(count))
    told = {"bytes": len(whole), "sha256": hashlib.sha256(whole).hexdigest()}
    for body in (whole, pieces(count)):  # announced, and in chunks
        answer = httpx2.post(f"{server.url}/legacy/digest", content=body, timeout=60)
        assert (answer.status_code, answer.json()) == (200, told)
    assert httpx2.post(f"{server.url}/legacy/length", content=pieces(count), timeout=60).json() == {
        "bytes": len(whole)
    }


def test_lines_are_lines_however_the_body_is_cut(server: Server) -> None:
    cut = (b"fi", b"rs", b"t\nsecond\n", b"last")
    answer = httpx2.post(f"{server.url}/legacy/lines", content=iter(cut), timeout=60)
    assert answer.json() == {"first": "firs", "rest": [2, 7, 4]}


def test_a_form_that_is_sent_in_chunks_has_its_fields_and_its_file(server: Server) -> None:
    part = b'--edge\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    cut = (
        *(part % (b"name", b""), b"ada\r\n", part % (b"file", b'; filename="f"')),
        *([b"y" * 50_000] * 6),
        b"\r\n--edge--\r\n",
    )
    answer = httpx2.post(
        f"{server.url}/legacy/form", content=iter(cut), headers=BOUNDARY, timeout=60
    )
    assert answer.json() == {"name": "ada", "bytes": 300_000}


def test_a_large_body_passes_in_both_directions_and_leaves_the_memory_flat(server: Server) -> None:
    [worker] = children_of(server.process.pid)
    httpx2.post(f"{server.url}/legacy/digest", content=pieces(16), timeout=60)
    before = resident_bytes(worker)
    for chunked in (True, False):
        body = pieces(1600) if chunked else b"".join(pieces(1600))
        answer = httpx2.post(f"{server.url}/legacy/digest", content=body, timeout=60)
        assert answer.json()["bytes"] == 1600 * len(PIECE)
        assert resident_bytes(worker) - before < 24 * 2**20
    received = 0
    with httpx2.stream("GET", f"{server.url}/legacy/download/100", timeout=60) as answer:
        for piece in answer.iter_bytes():
            received += len(piece)
    assert received == 100 * 2**20
    assert resident_bytes(worker) - before < 24 * 2**20


def test_each_mount_has_its_bound_and_the_others_keep_theirs(server: Server) -> None:
    for content in (pieces(LIMIT // len(PIECE) + 1), b"x" * (LIMIT + 1)):
        answer = httpx2.post(f"{server.url}/legacy/digest", content=content, timeout=60)
        assert (answer.status_code, answer.json()["limit_bytes"]) == (413, LIMIT)
    answer = httpx2.post(f"{server.url}/api/auth/login", content=b"x" * 3_000_000, timeout=60)
    assert (answer.status_code, answer.json()["limit_bytes"]) == (413, 2 * 2**20)


def test_half_a_body_is_never_taken_for_a_whole_one(server: Server) -> None:
    head = b"POST /legacy/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf"
    before = _requests_of(server, "/legacy/length")
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(head)
    _wait_for(lambda: len(_requests_of(server, "/legacy/length")) > len(before))
    assert "status=200" not in _requests_of(server, "/legacy/length")[-1]
    assert "Traceback" not in server.log_text(), "a client that leaves is no fault of ours"


def test_a_client_that_leaves_ends_the_application_s_answer(server: Server) -> None:
    closed = server.directory / "closed"
    with httpx2.stream("GET", f"{server.url}/legacy/endless", timeout=60) as answer:
        assert next(answer.iter_raw())
    _wait_for(closed.exists)


def test_a_header_with_an_underscore_is_not_taken_for_one_with_a_hyphen(server: Server) -> None:
    sent = {"x_forwarded_user": "root", "x-forwarded-user": "ada"}
    answer = httpx2.get(f"{server.url}/legacy/headers", headers=sent, timeout=60)
    assert answer.json()["HTTP_X_FORWARDED_USER"] == "ada"


def _requests_of(server: Server, path: str) -> list[str]:
    return [line for line in server.log_text().splitlines() if f"path={path} " in line]


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.02)
