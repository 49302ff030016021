"""Databases for the tests, on the kind that `TRIVET_TEST_DATABASE` names.

The schema is made once a run, by `trivet migrate` in a process of its own as an operator would
run it, and every test gets a copy of the result, which costs milliseconds.

| fixture | what it gives |
|---|---|
| `database_url` | a migrated database without rows, always at the same address in one process |
| `fresh_database_url` | a migrated database at an address of its own, for a server process |
| `empty_database_url` | a database without a table |
| `databases` | the maker of all these, for a test that needs more than one |

The one address is what in-process tests of Django need, which can be configured only once. A test
that asks for any of these is marked `data` by itself, and so runs on both databases; unless it is
marked `once`, because it needs a server, which needs a database, and promises nothing about data.
"""

import itertools
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import pytest

from tests.services.environment import DATABASE_KIND
from tests.services.forks import Fork
from tests.services.postgres import PostgresServer

FIXTURES = frozenset({"databases", "database_url", "fresh_database_url", "empty_database_url"})
COMMAND_SECONDS = 100.0
SECRET_KEY = "a-secret-of-the-tests-that-guards-nothing-at-all"


class Databases(Protocol):
    """Makes databases and throws them away."""

    def create(self) -> str:
        """The URL of a new, migrated database without rows."""

    def create_empty(self) -> str:
        """The URL of a new database without a table."""

    def copy(self, url: str) -> str:
        """The URL of a new copy of a database that nobody uses at this moment."""

    def restore(self, url: str, template: str | None = None) -> None:
        """Bring a database back to the state of a migrated one, or of `template`, which nobody
        uses at this moment. Ends connections to it."""

    def drop(self, url: str) -> None:
        """Throw a database away. Ends connections to it."""


class SqliteDatabases:
    """Files in one directory; the migrated one is copied."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count(1)
        self._template: Path | None = None

    def create(self) -> str:
        url = self.create_empty()
        self.restore(url)
        return url

    def create_empty(self) -> str:
        return f"sqlite:///{self._directory / f'trivet-{next(self._numbers)}.sqlite3'}"

    def copy(self, url: str) -> str:
        _leave_write_ahead_log(_path(url))
        shutil.copyfile(_path(url), _path(copy := self.create_empty()))
        return copy

    def restore(self, url: str, template: str | None = None) -> None:
        source = self._migrated() if template is None else _path(template)
        self.drop(url)
        shutil.copyfile(source, _path(url))

    def drop(self, url: str) -> None:
        path = _path(url)
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def _migrated(self) -> Path:
        if self._template is None:
            self._template = _path(template := self.create_empty())
            migrate(template)
            _leave_write_ahead_log(self._template)
        return self._template


class PostgresDatabases:
    """Databases of one server; the migrated one is the template of the others."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._numbers = itertools.count(1)
        self._template: str | None = None

    def create(self) -> str:
        return self._server.create_database(self._name(), self._migrated())

    def create_empty(self) -> str:
        return self._server.create_database(self._name())

    def copy(self, url: str) -> str:
        return self._server.create_database(self._name(), _name(url))

    def restore(self, url: str, template: str | None = None) -> None:
        source = self._migrated() if template is None else _name(template)
        self.drop(url)
        self._server.create_database(_name(url), source)

    def drop(self, url: str) -> None:
        self._server.drop_database(_name(url))

    def _name(self) -> str:
        return f"trivet_{next(self._numbers)}"

    def _migrated(self) -> str:
        if self._template is None:
            migrate(url := self.create_empty())
            self._template = _name(url)
        return self._template


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


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _name(url: str) -> str:
    return url.rpartition("/")[2]


def _leave_write_ahead_log(path: Path) -> None:
    # A copy of the file alone is whole only when nothing of it still stands in the log.
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, database_kind: str) -> Databases:
    """The maker of databases of this run's kind."""
    if database_kind == "sqlite":
        factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
        return SqliteDatabases(factory.mktemp("databases"))
    return PostgresDatabases(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def process_database_url(databases: Databases) -> str:
    """The address of `database_url`, whatever is there at this moment."""
    return databases.create_empty()


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
