"""An answered error ends there: the connection goes on, and the log has it once or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import closing
from http.client import IncompleteRead
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests.deploy.dock import log_in
from tests.deploy.kept import Kept
from tests.deploy.mishaps.models import Mishap
from tests.deploy.refused_requests import API, FAULTS, JSON, REFUSALS
from tests.services.databases import Databases
from tests.services.people import People
from tests.services.server import Server, StartServer

ROOT = str(Path(__file__).parents[2])


@pytest.fixture(scope="module", params=["serve", "dev"])
def server(
    request: pytest.FixtureRequest,
    start_shared_server: StartServer,
    databases: Databases,
    people: People,
) -> Iterator[Server]:
    """Under Gunicorn, and as a developer starts it."""
    url = databases.copy(people.database_url)
    engine = create_engine(url)
    Mishap.metadata.tables[Mishap.__tablename__].create(engine)
    engine.dispose()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", ROOT, prepend=os.pathsep)
        yield _start(start_shared_server, request.param, url)


def _start(start: StartServer, command: str, url: str) -> Server:
    return start(
        command,
        database_url=url,
        features="departures,tests.deploy.mishaps",
        extra_mounts=json.dumps(
            {
                "/old/flask": "wsgi:tests.deploy.mishaps.flask_app:app",
                "/old/starlette": "asgi:tests.deploy.mishaps.starlette_app:app",
                "/old/fastapi": "asgi:tests.deploy.mishaps.starlette_app:of_fastapi",
            }
        ),
    )


@pytest.mark.once
def test_no_answer_costs_the_connection_or_more_of_the_log_than_it_is_worth(
    server: Server, people: People
) -> None:
    before = len(server.log_text())  # other tests have faults on purpose
    with closing(Kept(server)) as kept:
        for status, method, path, given, body in REFUSALS:
            headers = {name: value.format(key=people.keys["bob"]) for name, value in given.items()}
            answered, content = kept.ask(method, path, headers, body)
            assert answered == status, (method, path, content)
            kept.require_alive((status, method, path))
        assert "Traceback" not in server.log_text()[before:]

        cookie = log_in(server, "chief")
        for method, path, _, body in FAULTS:
            headers = {**(JSON if body else {}), "cookie": cookie}
            assert kept.ask(method, path, headers, body)[0] == 500, path
            kept.require_alive(path)
        for path, answer in (("afterwards", b'"done"'), ("behind", b'"early"')):
            assert kept.ask("GET", f"{API}/lost/{path}", {}) == (200, answer)
            kept.require_alive(path)

    # What is lost behind an answer is written behind it.
    lost = [f"LookupError: {message}\n" for *_, message, _ in FAULTS]
    for line in (*lost, "lost in the background\n", "lost behind an endpoint\n"):
        assert server.log_with(line).count(line) == 1
    assert "Exception in ASGI application" not in server.log_text()


@pytest.mark.once
@pytest.mark.parametrize(
    ("path", "message"),
    [
        (f"{API}/stream", "lost in a stream"),
        ("/old/flask/stream", "lost in a stream of Flask"),
        ("/old/starlette/stream", "lost in a stream of Starlette"),
    ],
)
def test_a_body_that_breaks_off_is_not_ended_as_if_it_were_whole(
    server: Server, path: str, message: str
) -> None:
    with closing(Kept(server)) as kept, pytest.raises((IncompleteRead, ConnectionError)):
        kept.ask("GET", path, {})
    line = f"LookupError: {message}\n"
    assert server.log_with(line).count(line) == 1
    assert "Exception in ASGI application" not in server.log_text()
