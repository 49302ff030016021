"""The pytest plugin. `trivet.testing` describes its fixtures and their use."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from trivet.testing.application import Application
from trivet.testing.composition import Composition, find_composition
from trivet.testing.databases import Databases, PostgresDatabases, SqliteDatabases
from trivet.testing.processes import Server, StartServer, free_port, run_command, start_server
from trivet_settings import Settings, load_settings

SECRET_KEY = "a-secret-of-the-tests-that-guards-nothing-at-all"  # noqa: S105  # as it says
PUBLIC_URL = "http://testserver"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options of the plugin."""
    group = parser.getgroup("trivet")
    group.addoption(
        "--trivet-database",
        default="sqlite",
        help="sqlite, or the URL of a PostgreSQL server on which databases may be made "
        "(postgresql://user:password@host/postgres)",
    )
    parser.addini("trivet_features", "The feature packages that are tested.", type="args")


@pytest.fixture(scope="session")
def trivet_features(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The feature packages that are tested: the option `trivet_features` of pytest."""
    return tuple(request.config.getini("trivet_features"))


@pytest.fixture(scope="session")
def trivet_variables() -> dict[str, Any]:
    """Settings beside those that the plugin gives, by their names without ``TRIVET_``."""
    return {}


@pytest.fixture(scope="session")
def trivet_composition() -> Composition:
    """The composition that is installed."""
    return find_composition()


@pytest.fixture(scope="session")
def trivet_databases(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    trivet_features: tuple[str, ...],
    trivet_variables: Mapping[str, Any],
    trivet_composition: Composition,
) -> Iterator[Databases]:
    """The maker of databases, on the kind that ``--trivet-database`` names."""

    folder = tmp_path_factory.mktemp("trivet")

    failed: list[str] = []

    def migrate(url: str) -> None:
        if failed:  # each test would ask again, and wait for the same answer
            raise RuntimeError(failed[0])
        variables = variables_of(url, trivet_features, trivet_variables)
        try:
            run_command(trivet_composition.command("migrate"), variables, folder)
        except RuntimeError as error:
            failed.append(str(error))
            raise

    where = str(request.config.getoption("--trivet-database"))
    if where == "sqlite":
        yield SqliteDatabases(folder, migrate)
        return
    if not where.startswith("postgresql://"):
        raise pytest.UsageError(
            f"--trivet-database is 'sqlite' or 'postgresql://user:password@host/postgres', and "
            f"not {where!r}."
        )
    databases = PostgresDatabases(where, migrate, prefix=f"trivet_test_{os.getpid()}")
    yield databases
    databases.close()


@pytest.fixture(scope="session")
def trivet_address(trivet_databases: Databases) -> Iterator[str]:
    """The one address of this process at which every test finds its database."""
    url = trivet_databases.create_empty()
    yield url
    trivet_databases.drop(url)


@pytest.fixture
def trivet_database_url(trivet_databases: Databases, trivet_address: str) -> str:
    """The address of a migrated database without rows."""
    trivet_databases.restore(trivet_address)
    return trivet_address


@pytest.fixture
def trivet(
    trivet_database_url: str,
    trivet_features: tuple[str, ...],
    trivet_variables: Mapping[str, Any],
    trivet_composition: Composition,
) -> Iterator[Application]:
    """The application of this test, started, on a database of its own."""
    settings = make_settings(trivet_database_url, trivet_features, trivet_variables)
    with Application(settings, trivet_composition).started() as application:
        yield application


@pytest.fixture
def trivet_server(
    tmp_path_factory: pytest.TempPathFactory,
    trivet_databases: Databases,
    trivet_features: tuple[str, ...],
    trivet_variables: Mapping[str, Any],
    trivet_composition: Composition,
) -> Iterator[StartServer]:
    """Starts servers: processes of their own, each with a database of its own."""
    running: list[tuple[Server, str]] = []

    def start(*, features: tuple[str, ...] = trivet_features, **variables: Any) -> Server:
        url = trivet_databases.create()
        address = f"127.0.0.1:{free_port()}"
        given = variables_of(url, features, {**trivet_variables, **variables})
        command = trivet_composition.command("serve", "--bind", address)
        folder = tmp_path_factory.mktemp("server")
        server = start_server(command, f"http://{address}", given, folder)
        running.append((server, url))
        return server

    yield start
    for server, url in reversed(running):
        server.stop()
        trivet_databases.drop(url)


def variables_of(
    database_url: str, features: tuple[str, ...], variables: Mapping[str, Any]
) -> dict[str, str]:
    """The same settings as `make_settings` gives, as the environment of a process."""
    given = {
        "database_url": database_url,
        "features": ",".join(features),
        "secret_key": SECRET_KEY,
        **variables,
    }
    return {f"TRIVET_{name.upper()}": str(value) for name, value in given.items()}


def make_settings(
    database_url: str, features: tuple[str, ...], variables: Mapping[str, Any]
) -> Settings:
    """The settings of a test, independent of the shell and the folder of the developer."""
    given = {
        "database_url": database_url,
        "features": features,
        "secret_key": SECRET_KEY,
        "public_url": PUBLIC_URL,
        "log_level": "warning",
        "broker": "memory",  # the application is one process; a server of a test is another matter
        **variables,
    }
    with _no_variables():
        return load_settings(env_file=None, **given)


@contextmanager
def _no_variables() -> Iterator[None]:
    hidden = {name: value for name, value in os.environ.items() if name.startswith("TRIVET_")}
    for name in hidden:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(hidden)
