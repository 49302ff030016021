"""Requests that another project has collected: none is taken for more requests than it is.

A request is sent on a connection of its own, and a good one behind it. Whatever the first one is,
the good one has its own answer, or the connection is closed and says so. Behind a proxy, which
keeps its connections to us for everybody, the good one comes from somebody else.
"""

import json
import re
from pathlib import Path

import pytest

from tests.edge.conftest import Way
from tests.edge.raw import Answer, Closed, RawConnection, connect
from tests.edge.requests import get

pytestmark = pytest.mark.once

FILE = Path(__file__).parent / "corpus" / "gunicorn.json"
CORPUS: dict[str, bytes] = {
    name: request.encode("latin-1") for name, request in json.loads(FILE.read_text()).items()
}
OK = b'{"status":"ok"}'
SECOND = ("valid/018", "valid/023")
"""They are two requests."""
UNENDED = "invalid/rfc9112_chunked_missing_final_crlf_01"
"""nginx waits for its end, which is right: more bytes could make it a request."""

REFUSED_HERE = {
    "valid/009": "it has a Transfer-Encoding and a Content-Length",
    "valid/013": "blanks in the extensions of a chunk, which llhttp does not take",
    "valid/027": "bytes above ASCII in a path",
    "valid/028": "a blank before a colon",
    "valid/031": "an unknown method",
    "valid/031compat": "an unknown method",
    "valid/031compat2": "an unknown method",
    "valid/compat_obs_fold": "a folded line",
    "valid/compat_obs_fold_huge": "a folded line",
    "valid/pp_01": "the proxy protocol",
    "valid/pp_02": "the proxy protocol",
    "valid/pp_04": "the proxy protocol",
    "valid/pp_05": "the proxy protocol",
    "valid/rfc9112_target_absolute_01": "the target names another host than the header",
    "valid/rfc9112_target_absolute_https_01": "as above",
    "valid/rfc9112_target_absolute_userinfo_01": "a password in a target",
    "valid/rfc9112_target_authority_connect_01": "nobody tunnels here",
    "valid/rfc9112_target_authority_ipv6_01": "nobody tunnels here",
}
TAKEN_HERE = {
    **dict.fromkeys(
        (
            "invalid/006",
            "invalid/007",
            "invalid/008",
            "invalid/009",
            "invalid/010",
            "invalid/011",
            "invalid/012",
            "invalid/017",
            "invalid/limit_header_default_01",
        ),
        "it is longer than a bound that Gunicorn sets, and shorter than ours",
    ),
    "invalid/019": "two headers of proxies that contradict each other, from nobody who is trusted",
    "invalid/040": "Transfer_Encoding and Content_Length are headers like any others",
    "invalid/041": "two content types, of a request without content",
    "invalid/042": "two hosts: the application refuses it, and the connection goes on",
    "invalid/chunked_05": "chunks of HTTP/1.0: the connection ends behind the answer",
    "invalid/chunked_07": "Transfer_Encoding again",
    "invalid/rfc9110_trailer_forbidden_host_01": "trailers are read and dropped",
    "invalid/rfc9112_target_asterisk_non_options_01": "the application answers with 404",
}


def sent(name: str) -> bytes:
    """The request, to a host that is ours, or every answer would be that the host is unknown."""
    request = re.sub(
        rb"(?im)^(host: *)[a-z0-9.:_-]+(?=\r$)", rb"\1localhost", CORPUS[name], count=1
    )
    if b"\nhost" not in request.lower():
        request = request.replace(b"\r\n", b"\r\nHost: localhost\r\n", 1)
    return request


def answers_to(connection: RawConnection, request: bytes) -> list[Answer]:
    """All answers to `request` and to a good one behind it."""
    answers: list[Answer] = []
    try:
        # In one piece: a request that only the next one shows to be malformed may be answered else.
        connection.send(request + get(b"/healthz", b"Connection: close\r\n"))
        while True:
            answers.append(connection.answer())
    except (Closed, ConnectionError):
        return answers


def is_refused_for(name: str) -> bool:
    """Whether it has no answer but that it is malformed, and ends its connection."""
    is_valid = name.startswith("valid/")
    return name in REFUSED_HERE if is_valid else name not in TAKEN_HERE


@pytest.mark.parametrize("name", CORPUS)
def test_a_request_of_the_corpus_is_one_request_or_none(ways: dict[str, Way], name: str) -> None:
    # Not the unix socket: what nobody has read there when it is closed takes the answer along.
    with connect(ways["tcp"].address) as connection:
        answers = answers_to(connection, sent(name))
    assert all(each.status < 500 or each.status == 505 for each in answers), answers
    assert answers[-1].announces_close
    if is_refused_for(name):
        assert [each.body for each in answers] == [b""]
        assert answers[0].status in (400, 505)
    else:
        assert len(answers) == 1 + (answers[-1].body == OK) + SECOND.count(name)
        assert answers[0].body not in (b"", OK) or answers[0].status == 204


@pytest.mark.parametrize("name", [name for name in CORPUS if name != UNENDED])
def test_a_request_of_the_corpus_behind_a_proxy_harms_nobody_else(
    ways: dict[str, Way], name: str
) -> None:
    address = ways["nginx-unix"].address
    with connect(address) as connection:
        answers = answers_to(connection, sent(name))
    assert all(each.status < 500 or each.status in (501, 505) for each in answers), answers
    assert len(answers) <= 2 + SECOND.count(name)
    for _ in range(2):  # the proxy has connections to both workers
        with connect(address) as connection:
            answer = connection.ask(get(b"/healthz"))
        assert (answer.status, answer.body) == (200, OK)
