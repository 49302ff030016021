"""Generated requests at resources of every kind, with a key and with a session."""

from pathlib import Path

import pytest

from tests.api.resource.lending.models import make_tables
from tests.services.generated_requests import SECONDS, judge_answers
from tests.services.node import TESTS
from tests.services.people import People
from tests.services.server import Server, StartServer


@pytest.fixture
def served(
    peopled_database_url: str, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> Server:
    make_tables(peopled_database_url)
    monkeypatch.setenv("PYTHONPATH", str(TESTS.parent))
    features = "departures,tests.api.resource.lending"  # the database is migrated for the first
    return start_server(database_url=peopled_database_url, features=features)


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
    judge_answers(
        served,
        people,
        tmp_path,
        credential,
        # Every filter is a parameter, and each would be covered by itself.
        few=4,
        phases="fuzzing,stateful",
        paths="^/(lending|batch)",
    )
