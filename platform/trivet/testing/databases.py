"""Databases for tests: the schema is made once, and every test gets a copy of the result.

A copy costs milliseconds where a migration costs seconds.
"""

import itertools
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from psycopg import Connection

Migrate = Callable[[str], None]
"""Brings the database at an URL to the present schema, in a process of its own."""


class Databases(Protocol):
    """Makes databases and drops them. A database is known by its URL."""

    def create(self) -> str:
        """A new, migrated database without rows."""
        ...

    def create_empty(self) -> str:
        """A new database without a table."""
        ...

    def copy(self, url: str) -> str:
        """A new copy of a database that nobody uses at this moment."""
        ...

    def restore(self, url: str, template: str | None = None) -> None:
        """Bring a database back to the state of a migrated one, or of `template`, which nobody
        uses at this moment. Ends connections to it."""
        ...

    def drop(self, url: str) -> None:
        """Drop a database. Ends connections to it."""
        ...


class SqliteDatabases:
    """Files in one directory; the migrated one is copied."""

    def __init__(self, directory: Path, migrate: Migrate) -> None:
        self._directory = directory
        self._migrate = migrate
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
            template = self.create_empty()
            self._migrate(template)
            _leave_write_ahead_log(_path(template))
            self._template = _path(template)
        return self._template


class PostgresDatabases:
    """Databases of one server; the migrated one is the template of the others.

    `server` is the URL of a database on it whose user may create databases. Names begin with
    `prefix`, so that runs beside each other do not meet.
    """

    def __init__(self, server: str, migrate: Migrate, *, prefix: str = "trivet") -> None:
        self._server = server
        self._migrate = migrate
        self._prefix = prefix
        self._numbers = itertools.count(1)
        self._template: str | None = None

    def create(self) -> str:
        return self._create(self._name(), self._migrated())

    def create_empty(self) -> str:
        return self._create(self._name())

    def copy(self, url: str) -> str:
        return self._create(self._name(), _database(url))

    def restore(self, url: str, template: str | None = None) -> None:
        source = self._migrated() if template is None else _database(template)
        with self._connected() as connection:
            _drop(connection, _database(url))
            _create(connection, _database(url), source)

    def drop(self, url: str) -> None:
        with self._connected() as connection:
            _drop(connection, _database(url))

    def close(self) -> None:
        """Drop the template; the code that made the other databases drops them."""
        if self._template is not None:
            self.drop(self._url(self._template))

    def _create(self, name: str, template: str = "template0") -> str:
        with self._connected() as connection:
            _create(connection, name, template)
        return self._url(name)

    def _url(self, name: str) -> str:
        address, question, options = self._server.partition("?")
        return f"{address.rpartition('/')[0]}/{name}{question}{options}"

    def _name(self) -> str:
        return f"{self._prefix}_{next(self._numbers)}"

    def _migrated(self) -> str:
        if self._template is None:
            template = self.create_empty()
            self._migrate(template)
            self._template = _database(template)
        return self._template

    def _connected(self) -> "Connection[Any]":
        # Outside of a transaction, as CREATE DATABASE needs it.
        import psycopg

        return psycopg.connect(self._server, autocommit=True)


def _drop(connection: "Connection[Any]", name: str) -> None:
    connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'.encode())


def _create(connection: "Connection[Any]", name: str, template: str) -> None:
    # A server that waits for no disk copies files at half the cost of writing each page to its log
    # too. With `fsync` the copy would wait for two checkpoints.
    asked = connection.execute(
        "SELECT current_setting('fsync') = 'off'"
        " AND current_setting('server_version_num')::int >= 150000"
    )
    strategy = " STRATEGY file_copy" if asked.fetchone() == (True,) else ""
    statement = f'CREATE DATABASE "{name}" TEMPLATE "{template}"{strategy}'
    connection.execute(statement.encode())


def _path(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def _database(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def _leave_write_ahead_log(path: Path) -> None:
    # A copy of the file is complete only if nothing is left in the write-ahead log.
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
