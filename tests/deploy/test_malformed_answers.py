"""Applications whose answers could not be sent: what their clients and the log are told."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from tests.deploy.kept import Kept
from tests.deploy.mishaps import bare_app
from tests.deploy.mishaps.models import Mishap
from tests.services.databases import Databases
from tests.services.people import People
from tests.services.server import Server, StartServer

pytestmark = pytest.mark.once
ROOT = str(Path(__file__).parents[2])
API = "/api/mishaps"
JSON = {"content-type": "application/json"}
NAME = b'{"name": "ada"}'


@pytest.fixture(scope="module")
def server(
    start_shared_server: StartServer, databases: Databases, people: People
) -> Iterator[Server]:
    """A server whose log can be read line by line."""
    url = databases.copy(people.database_url)
    engine = create_engine(url)
    Mishap.metadata.tables[Mishap.__tablename__].create(engine)
    engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)
        yield start_shared_server(
            database_url=url,
            features="departures,tests.deploy.mishaps",
            log_format="json",
            extra_mounts=json.dumps({"/old/bare": "asgi:tests.deploy.mishaps.bare_app:app"}),
        )


def test_an_answer_that_cannot_be_sent_is_a_500_and_the_log_says_why(server: Server) -> None:
    with closing(Kept(server)) as kept:
        for name in bare_app.REFUSED:
            path = f"/old/bare/{name}"
            answered, content = kept.ask("GET", path, {})
            assert (answered, b"internal" in content) == (500, True), name
            kept.require_alive(path)
            assert status_in_log(server, path) == 500
        for name in bare_app.KEPT:
            assert kept.ask("GET", f"/old/bare/{name}", {}) == (200, b"sent")
            kept.require_alive(name)
    log = server.log_text()
    for sentence in (
        "the value of the header b'x-bare' has a line break",
        "the value of the header b'x-bare' is str and no bytes",
        "'x-bare' is no name of a header (ASGI takes bytes)",
        "b'x bare' is no name of a header",
        "one of its headers is no pair of name and value",
        "99 is no status of a response",
        "'200' is no status of a response",
        "its content-length is not one number",
        "a body came before the start of the response",
        "the application returned without an answer",
        "the response was started already",
    ):
        assert sentence in log
    assert "Exception in ASGI application" not in log


@pytest.mark.parametrize("name", bare_app.BROKEN)
def test_the_line_of_an_answer_that_was_broken_off_says_so(server: Server, name: str) -> None:
    path = f"/old/bare/{name}"
    with closing(Kept(server)) as kept, pytest.raises((IncompleteRead, ConnectionError)):
        kept.ask("GET", path, {})
    assert line_of(server, path)["broken_off"] is True
    assert "ASGI callable returned" not in server.log_text()


def test_nothing_is_committed_for_an_answer_that_cannot_be_sent(server: Server) -> None:
    with closing(Kept(server)) as kept:
        for _ in range(2):  # a second one of the name would be a conflict
            assert kept.ask("POST", f"{API}/names/unsendable", JSON, NAME)[0] == 500


def line_of(server: Server, path: str) -> Mapping[str, Any]:
    """The line that the log has for the request of `path`."""
    text = server.log_with(f'"path":"{path}"')
    (line,) = (line for line in text.splitlines() if f'"path":"{path}"' in line)
    found: Mapping[str, Any] = json.loads(line)
    return found


def status_in_log(server: Server, path: str) -> int:
    return int(line_of(server, path)["status"])
