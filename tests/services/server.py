"""Trivet as a process: a real server on a free port, with its log shown when a test fails.

    def test_answers(server: Server) -> None:
        assert httpx2.get(server.url + "/healthz").status_code == 200

`start_server` starts as many as a test needs, with settings and commands of its own.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx2
import pytest

from tests.services.databases import Databases, environment
from tests.services.forks import Fork
from tests.services.processes import Process, end, free_port, leashed, tail, wait_until

START_SECONDS = 60.0
STOP_SECONDS = 40.0


@dataclass(frozen=True, slots=True)
class Server:
    """A running process that said on /readyz that it is ready.

    `url` has no slash at its end; where the command binds a `unix_socket`, nobody listens there.
    `directory` is its working directory, in which it finds no
    `.env`.
    """

    url: str
    port: int
    process: Process
    log: Path
    directory: Path
    unix_socket: Path | None = None

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = STOP_SECONDS) -> int:
        """Ask it to end, insist after `seconds`, and return its exit code."""
        return end(self.process, sign, seconds)

    def log_text(self) -> str:
        """Everything that it has written so far, to stdout and stderr."""
        return self.log.read_text(errors="replace")

    def log_with(self, text: str, times: int = 1, seconds: float = START_SECONDS) -> str:
        """What it has written as soon as `text` is there so many times, which may be later than an
        answer: the line of a request is written when the last byte has gone out, and the first
        answer comes before the last worker has started. RuntimeError without it."""
        wait_until(lambda: self.log_text().count(text) >= times, self.process, self.log, seconds)
        return self.log_text()


class StartServer(Protocol):
    """Starts a process of Trivet and returns when it is ready.

    `command` is what follows `trivet` on the command line, without the port; the default serves
    one worker. With ``--bind unix:/path`` it listens there.
    `variables` are settings without their prefix. `database_url` defaults to a fresh, migrated
    database. Raises RuntimeError, with the log, when it does not become ready.
    """

    def __call__(
        self, *command: str, database_url: str | None = None, **variables: str
    ) -> Server: ...


class _Servers:
    def __init__(self, directory: Path, make_database: Callable[[], str]) -> None:
        self._directory = directory
        self._make_database = make_database
        self.running: list[Server] = []
        self.leashes = ExitStack()

    def __call__(self, *command: str, database_url: str | None = None, **variables: str) -> Server:
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        database = database_url or self._make_database()
        # By name, because several workers on SQLite are refused otherwise.
        named = {"broker": "memory"} if database.startswith("sqlite") else {}
        env = environment(database, **{"public_url": url, **named, **variables})
        server = self._spawn(_with_port(command or ("serve",), port), url, port, env)
        self.running.append(server)
        path = server.unix_socket
        wait_until(lambda: is_ready(url, path), server.process, server.log, START_SECONDS)
        return server

    def _spawn(
        self, command: tuple[str, ...], url: str, port: int, env: Mapping[str, str]
    ) -> Server:
        directory = self._directory / f"server-{len(self.running) + 1}"
        directory.mkdir()
        log = directory / "server.log"
        # `trivet dev` starts itself again for every change, and that from nothing.
        start = start_from_nothing if command[0] == "dev" else Fork
        process = start(command, env=env, cwd=directory, output=log)
        self.leashes.enter_context(leashed(process, signal.SIGTERM))
        bound = command[command.index("--bind") + 1] if "--bind" in command else ""
        path = Path(bound.removeprefix("unix:")) if bound.startswith("unix:") else None
        return Server(url, port, process, log, directory, path)


def start_from_nothing(
    arguments: Sequence[str], *, env: Mapping[str, str], cwd: Path, output: Path
) -> subprocess.Popen[bytes]:
    """Start `trivet` with `arguments` as somebody types it, in a process that imports everything
    itself."""
    with output.open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "trivet_deploy.cli", *arguments],
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # an interrupt of the tests ends it through the fixture
        )


def _with_port(command: tuple[str, ...], port: int) -> tuple[str, ...]:
    if "--bind" in command:  # the test says where, with {port} in the place of this one
        return tuple(each.replace("{port}", str(port)) for each in command)
    where = ("--bind", f"127.0.0.1:{port}") if command[0] == "serve" else ("--port", str(port))
    return (*command, *where)


def is_ready(url: str, unix_socket: Path | None = None) -> bool:
    """Whether a server answers on /readyz that it is ready."""
    if unix_socket is not None:
        # A failed connection would leave httpx's socket to the garbage collector.
        if not unix_socket.exists():
            return False
        transport = httpx2.HTTPTransport(uds=str(unix_socket))
        with (
            contextlib.suppress(httpx2.TransportError),
            httpx2.Client(transport=transport) as client,
        ):
            return client.get(url + "/readyz", timeout=5).status_code == 200
        return False
    try:
        # Without `verify` each question would read the certificates of the world first: 30 ms of
        # CPU, twenty times a second, for an address without TLS.
        answer = httpx2.get(url + "/readyz", timeout=5, trust_env=False, verify=False)
        return answer.status_code == 200
    except httpx2.TransportError:
        return False


@pytest.fixture
def start_server(
    request: pytest.FixtureRequest, tmp_path: Path, databases: object
) -> Iterator[StartServer]:
    """A starter of servers. All of them end with the test."""

    def make_database() -> str:
        return str(request.getfixturevalue("fresh_database_url"))

    with _ending(_Servers(tmp_path, make_database)) as servers:
        yield servers


@pytest.fixture(scope="module")
def start_shared_server(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases
) -> Iterator[StartServer]:
    """A starter of servers that the tests of a module share."""
    directory = tmp_path_factory.mktemp("servers")
    with _ending(_Servers(directory, databases.create)) as servers:
        yield servers


@pytest.fixture(scope="session")
def start_session_server(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases
) -> Iterator[StartServer]:
    """A starter of servers that all tests of a run share."""
    directory = tmp_path_factory.mktemp("servers")
    with _ending(_Servers(directory, databases.create)) as servers:
        yield servers


@contextmanager
def _ending(servers: _Servers) -> Iterator[_Servers]:
    try:
        yield servers
    finally:
        for server in reversed(servers.running):
            server.stop()
            # Captured, so pytest shows it exactly when the test failed.
            sys.stdout.write(f"--- log of {server.url} ---{os.linesep}{tail(server.log, 200)}\n")
        servers.leashes.close()


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """One server with one worker on a fresh, migrated database."""
    return start_server()
