"""What an address of PostgreSQL says, both ORMs do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.admin.asking import ask_django
from tests.admin.house import make_settings
from tests.services.processes import free_port
from trivet.data.engine import async_url
from trivet.features import Feature
from trivet_settings.database_url import DatabaseUrl

pytestmark = pytest.mark.database("postgresql")


@dataclass(frozen=True)
class Scenario:
    """An address, made of the parts of the one that the test has, and what a connection says."""

    name: str
    address: Callable[[DatabaseUrl], str]
    query: str
    answer: str


def _closed() -> str:
    return f"127.0.0.1:{free_port()}"


SCENARIOS = (
    Scenario(
        "hosts of which the first is down",
        lambda at: (
            f"postgresql://{at.user}:{at.password}@{_closed()},{at.host}:{at.port}/{at.name}"
            "?target_session_attrs=read-write"
        ),
        "SELECT 'here'",
        "here",
    ),
    Scenario(
        "hosts as options",
        lambda at: (
            f"postgresql:///{at.name}?host=127.0.0.1,{at.host}&port={free_port()},{at.port}"
            f"&user={at.user}&password={at.password}"
        ),
        "SELECT 'here'",
        "here",
    ),
    Scenario(
        "one port for all",
        lambda at: f"postgresql://{at.user}@/{at.name}?host={at.host},{at.host}&port={at.port}",
        "SELECT 'here'",
        "here",
    ),
    Scenario(
        "an address beside the name",
        lambda at: (
            f"postgres://{at.user}:{at.password}@nowhere.invalid:{at.port}/{at.name}"
            f"?hostaddr={at.host}"
        ),
        "SELECT 'here'",
        "here",
    ),
    Scenario(
        "addresses alone",
        lambda at: (
            f"postgresql://{at.user}@/{at.name}?hostaddr=127.0.0.1,{at.host}"
            f"&port={free_port()},{at.port}"
        ),
        "SELECT 'here'",
        "here",
    ),
    Scenario(
        "settings of the server",
        lambda at: (
            f"postgresql://{at.user}:{at.password}@{at.host}:{at.port}/{at.name}"
            "?options=-c%20lock_timeout%3D4711"
        ),
        "SHOW lock_timeout",
        "4711ms",
    ),
    Scenario(
        "a name in the server's list",
        lambda at: (
            f"postgresql://{at.user}:{at.password}@{at.host}:{at.port}/{at.name}"
            "?application_name=the%20board&keepalives_idle=7&connect_timeout=9"
        ),
        "SHOW application_name",
        "the board",
    ),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
def test_both_orms_connect_where_and_how_the_address_says(
    scenario: Scenario, stock: tuple[Feature, ...], database_url: str
) -> None:
    url = scenario.address(DatabaseUrl.parse(database_url))
    assert ask_sqlalchemy(url, scenario.query) == scenario.answer
    assert ask_django(make_settings(url), scenario.query) == scenario.answer


def ask_sqlalchemy(url: str, query: str) -> Any:
    engine = create_engine(async_url(url))
    with engine.connect() as connection:
        answer = connection.scalar(text(query))
    engine.dispose()
    return answer
