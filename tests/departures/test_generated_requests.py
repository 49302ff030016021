"""Generated requests at the API of the departures, with a key and with a session."""

from pathlib import Path

import pytest

from tests.departures.house import Desk, add_flights
from tests.services.generated_requests import SECONDS, judge_answers
from tests.services.people import People
from tests.services.server import Server, StartServer


@pytest.fixture
def fresh_database_url(peopled_database_url: str) -> str:
    """In this module, also the desk's database has people."""
    return peopled_database_url


@pytest.fixture
def served(desk: Desk, fresh_database_url: str, start_server: StartServer) -> Server:
    with desk.unit() as db:
        add_flights(db, 6)
    return start_server(database_url=fresh_database_url)


@pytest.mark.timeout(SECONDS + 200)  # a few hundred requests, beside other tests
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
    judge_answers(served, people, tmp_path, credential)
