"""Requests that nobody thought of: schemathesis, over the whole API, with a key and with a session.

It reads the OpenAPI document that the server gives, sends what fits it and what does not, follows
what was made from one request to the next, and judges every answer by the document.

Here it does so for a short time, with the same requests in every run. `make fuzz` gives it more
examples and new ones each time; what fails is printed with its seed, which repeats it.
"""

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from tests.departures.house import Desk, add_flights
from tests.services.people import PASSWORD, People
from tests.services.server import Server, StartServer

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "use_after_free",
    "ignored_auth",
)
"""All but two: that a valid request is accepted, and that what was made is there. A flight has
rules, which no schema can say."""
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))
SEED = int(os.environ.get("FUZZ_SEED", "20130204"))
SECONDS = 12.0 * EXAMPLES
"""A bound for a machine that is busy."""


@pytest.fixture
def fresh_database_url(peopled_database_url: str) -> str:
    """In this module, also the desk's database has people."""
    return peopled_database_url


@pytest.fixture
def served(desk: Desk, fresh_database_url: str, start_server: StartServer) -> Server:
    with desk.unit() as db:
        add_flights(db, 6)
    return start_server(database_url=fresh_database_url)


def log_in(server: Server) -> str:
    """The Cookie header of a session of the user who may do everything."""
    body = {"username": "chief", "password": PASSWORD}
    with httpx2.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        assert client.post("/api/auth/login", json=body).status_code == 200
        return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


@pytest.mark.timeout(SECONDS + 60)  # a few hundred requests, beside other tests
# Another credential sends no other data, so each has one database.
@pytest.mark.parametrize(
    "credential",
    [
        pytest.param("key", marks=pytest.mark.database("postgresql")),
        pytest.param("session", marks=pytest.mark.once),
    ],
)
def test_every_answer_is_one_that_the_document_announces(
    served: Server, people: People, tmp_path: Path, credential: str
) -> None:
    header = (
        f"Authorization: Bearer {people.keys['chief']}"
        if credential == "key"
        else f"Cookie: {log_in(served)}"
    )
    # A logout in the middle would make a stranger of everybody who comes after it.
    done = subprocess.run(
        [
            Path(sys.executable).parent / "schemathesis",
            *("run", f"{served.url}/api/openapi.json", "--no-color"),
            *("--header", header, "--exclude-path", "/auth/logout"),
            *("--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES)),
            *("--seed", str(SEED), "--generation-database", "none"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Stateful" in done.stdout, done.stdout
