"""What the settings say of a pooler is compared with what answers, and migrations go past it."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.services.databases import Databases, environment, run_trivet
from tests.services.pooler import pooler_for
from tests.services.processes import free_port
from trivet_admin.configuration import project
from trivet_settings import load_settings

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]


@dataclass(frozen=True)
class Scenario:
    """Where the two addresses lead, what the settings name, and what `trivet check` finds."""

    name: str
    pooler: str
    at: str
    direct: str
    mark: str
    says: str
    code: int = 0


SCENARIOS = (
    Scenario("named", "transaction", "pooler", "server", "✓", "for each transaction"),
    Scenario("unnamed", "none", "pooler", "", "!", "let TRIVET_DATABASE_POOLER name"),
    Scenario("session", "session", "pooler", "", "✓", "for each session"),
    Scenario("not there", "transaction", "server", "again", "!", "no pooler answers"),
    Scenario("twice", "transaction", "pooler", "pooler", "✗", "name the server itself", 1),
    Scenario("another", "transaction", "pooler", "another", "✗", "different databases", 1),
    Scenario("away", "transaction", "pooler", "closed", "✗", "does not answer", 1),
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.name)
async def test_check_compares_what_is_named_with_what_answers(
    scenario: Scenario, databases: Databases, fresh_database_url: str
) -> None:
    server = make_url(fresh_database_url)
    async with pooler_for(server.host, server.port) as port:
        pooled = server.set(port=port).render_as_string(hide_password=False)
        addresses = {
            "pooler": pooled,
            "server": fresh_database_url,
            "again": f"{fresh_database_url}?application_name=x",
            "closed": server.set(port=free_port()).render_as_string(hide_password=False),
            "": "",
        }
        if scenario.direct == "another":
            addresses["another"] = await asyncio.to_thread(databases.create_empty)
        if scenario.direct == "pooler":
            addresses["pooler"] += "?application_name=x"
        direct = addresses[scenario.direct]
        named = {"database_pooler": scenario.pooler, "direct_database_url": direct}
        env = environment(pooled if scenario.at == "pooler" else fresh_database_url, **named)
        checked = await asyncio.to_thread(run_trivet, "check", env=env)
    (line,) = [line for line in checked.stdout.splitlines() if " pooler: " in line]
    assert line.startswith(scenario.mark)
    assert scenario.says in line
    assert checked.returncode == scenario.code


async def test_migrations_go_past_the_pooler(empty_database_url: str) -> None:
    pooler = f"postgresql://trivet@127.0.0.1:{free_port()}/nobody"
    named = {"database_pooler": "transaction", "direct_database_url": empty_database_url}
    env = environment(pooler, **named)
    migrated = await asyncio.to_thread(run_trivet, "migrate", env=env)
    assert migrated.returncode == 0, migrated.stderr
    clean = await asyncio.to_thread(run_trivet, "migrate", "--check", env=env)
    assert clean.returncode == 0, clean.stderr


def test_django_leaves_no_cursor_open_behind_a_pooler_for_transactions() -> None:
    """It would be looked for on another connection of the server."""
    given: dict[str, Any] = {
        "secret_key": "a-secret-of-the-tests-that-guards-nothing-at-all",
        "database_url": "postgresql://pooler/board",
        "direct_database_url": "postgresql://server/board",
    }
    settings = load_settings(env_file=None, **given, database_pooler="transaction")
    database = project(settings, ())["DATABASES"]["default"]
    assert database["DISABLE_SERVER_SIDE_CURSORS"]
    assert not project(settings.direct, ())["DATABASES"]["default"]["DISABLE_SERVER_SIDE_CURSORS"]
    assert settings.direct.database.host == "server"
