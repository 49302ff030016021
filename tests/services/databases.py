"""Databases for the tests, on the kind that `TRIVET_TEST_DATABASE` names.

The schema is made once a run, by `trivet migrate` in a process of its own as an operator would
run it, and every test gets a copy of the result, which costs milliseconds.

| fixture | what it gives |
|---|---|
| `database_url` | a migrated database without rows, always at the same address in one process |
| `fresh_database_url` | a migrated database at an address of its own, for a server process |
| `empty_database_url` | a database without a table |
| `databases` | the maker of all these, for a test that needs more than one |

The makers are those of `trivet.testing`, and its plugin gets the same ones: `trivet` works in these
tests as in a stranger's, at the one address of the process.

The one address is what in-process tests of Django need, which can be configured only once. A test
that asks for any of these is marked `data` by itself, and so runs on both databases; unless it is
marked `once`, because it needs a server, which needs a database, and promises nothing about data.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.services.environment import DATABASE_KIND
from tests.services.forks import Fork
from tests.services.memory import memory_directory
from tests.services.postgres import PostgresServer
from trivet.testing.databases import Databases, PostgresDatabases, SqliteDatabases

__all__ = ["SECRET_KEY", "Databases", "environment", "migrate", "run_trivet"]

FIXTURES = frozenset(
    {"databases", "database_url", "fresh_database_url", "empty_database_url", "trivet"}
)
COMMAND_SECONDS = 100.0
SECRET_KEY = "a-secret-of-the-tests-that-guards-nothing-at-all"


def environment(database_url: str, **variables: str) -> dict[str, str]:
    """The environment of a process of Trivet on this database; `variables` lack the prefix.

    `environment(url, features="departures")` sets TRIVET_FEATURES.
    """
    given = {"database_url": database_url, "secret_key": SECRET_KEY, "features": "departures"}
    given |= variables
    return {**os.environ, **{f"TRIVET_{name.upper()}": value for name, value in given.items()}}


def run_trivet(
    *arguments: str, env: Mapping[str, str], cwd: Path | None = None, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command line of Trivet in a process and return its output and exit code.

    `given` is what it reads from stdin.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        stdin, stdout, stderr = (directory / stream for stream in ("stdin", "stdout", "stderr"))
        stdin.write_text(given)
        fork = Fork(arguments, env=env, cwd=cwd, output=stdout, errors=stderr, given=stdin)
        try:
            code = fork.wait(COMMAND_SECONDS)
        except subprocess.TimeoutExpired:
            fork.kill()
            raise
        return subprocess.CompletedProcess(arguments, code, stdout.read_text(), stderr.read_text())


def migrate(url: str) -> None:
    """Bring a database to the present schema. Raises RuntimeError, with the output, if it fails."""
    done = run_trivet("migrate", env=environment(url))
    if done.returncode != 0:
        raise RuntimeError(f"`trivet migrate` failed:\n{done.stdout}\n{done.stderr}")


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, database_kind: str) -> Iterator[Databases]:
    """The maker of databases of this run's kind."""
    if database_kind == "sqlite":
        with memory_directory("trivet-sqlite-") as directory:
            yield SqliteDatabases(Path(directory), migrate)
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    yield PostgresDatabases(server.url("postgres"), migrate)


@pytest.fixture(scope="session")
def process_database_url(databases: Databases) -> str:
    """The address of `database_url`, whatever is there at this moment."""
    return databases.create_empty()


@pytest.fixture(scope="session")
def trivet_databases(databases: Databases) -> Databases:
    """The plugin's databases are those of all these tests."""
    return databases


@pytest.fixture(scope="session")
def trivet_address(process_database_url: str) -> str:
    """The plugin's one address is that of all these tests, because Django has one."""
    return process_database_url


@pytest.fixture(scope="session")
def trivet_features() -> tuple[str, ...]:
    """The features with which Django is configured in this process."""
    return ("departures",)


@pytest.fixture(scope="session")
def trivet_variables() -> dict[str, str]:
    """The settings of this process that Django knows of."""
    return {"public_url": "http://localhost:8000"}


@pytest.fixture
def database_url(databases: Databases, process_database_url: str) -> str:
    """A migrated database without rows, always at the same address in one process."""
    databases.restore(process_database_url)
    return process_database_url


@pytest.fixture
def fresh_database_url(databases: Databases) -> Iterator[str]:
    """A migrated database without rows at an address of its own."""
    url = databases.create()
    yield url
    databases.drop(url)


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database without a table."""
    url = databases.create_empty()
    yield url
    databases.drop(url)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses by the mark
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what depends on the database; nobody can forget it then, and who thinks otherwise says
    so by `once`. What has no meaning on this run's database is left to the other run."""
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        is_once = item.get_closest_marker("once") is not None
        asks = isinstance(item, pytest.Function) and not FIXTURES.isdisjoint(item.fixturenames)
        if asks and not is_once:
            item.add_marker(pytest.mark.data)
        only = item.get_closest_marker("database")
        is_ours = only is None or only.args == (config.stash[DATABASE_KIND],)
        (kept if is_ours else left).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=left)
