"""The servers that are measured: each under Gunicorn with one worker, as in production.

They run on one core and everything else (the load, PostgreSQL) on the others, so that
neither a server's figures contain the load nor the load's the server's.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2

from benchmarks.database import FEATURE, SharedDatabase
from benchmarks.peers.keys import POOL
from tests.services.databases import environment
from tests.services.processes import end, free_port, wait_until

START_SECONDS = 60
TICKS = os.sysconf("SC_CLK_TCK")
ASGI_WORKER = ("--worker-class", "uvicorn_worker.UvicornWorker")
THREADS = ("--worker-class", "gthread", "--threads", str(POOL))
LOGGED = ("--access-logfile", "-")


@dataclass(frozen=True, slots=True)
class Program:
    """A server's name in the table, and how it is started.

    `arguments` go to Gunicorn behind the interpreter; empty means `trivet serve`.
    """

    name: str
    arguments: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)

    def command(self, port: int) -> list[str]:
        bind = ["--bind", f"127.0.0.1:{port}"]
        if not self.arguments:
            return [sys.executable, "-m", "trivet_deploy.cli", "serve", *bind]
        quiet = ["--no-control-socket", "--log-level", "warning"]
        return [sys.executable, "-m", "gunicorn", *bind, *quiet, *self.arguments]


def trivet(name: str = "Trivet", **variables: str) -> Program:
    """`trivet serve`, with settings of its own."""
    return Program(name, (), {f"TRIVET_{k.upper()}": v for k, v in variables.items()})


def asgi(name: str, target: str, *options: str, **variables: str) -> Program:
    """An ASGI peer on uvicorn's worker, with uvloop and httptools."""
    return Program(name, (*ASGI_WORKER, *options, f"benchmarks.peers.{target}:app"), variables)


def threaded(name: str, target: str, *options: str) -> Program:
    """A WSGI peer in Gunicorn's threads, as many as the others have connections."""
    return Program(name, (*THREADS, *options, f"benchmarks.peers.{target}:app"))


@dataclass(frozen=True, slots=True)
class RunningServer:
    """A server that answers on `port`."""

    name: str
    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def cpu_seconds(self) -> float:
        """What it has computed so far, in all its processes and threads."""
        return sum(_cpu_seconds(pid) for pid in _family(self.process.pid))

    def memory_bytes(self) -> int:
        """What all its processes have in memory."""
        return sum(_memory_bytes(pid) for pid in _family(self.process.pid))

    def files(self) -> int:
        """How many files, which sockets are too, all its processes have open."""
        return sum(len(list(Path(f"/proc/{p}/fd").iterdir())) for p in _family(self.process.pid))


@contextlib.contextmanager
def running(
    programs: Sequence[Program], database: SharedDatabase, cores: set[int] | None = None
) -> Iterator[dict[str, RunningServer]]:
    """All `programs` at once, each idle until it is its turn; they end with the block. They run on
    `cores`, by default those of servers."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trivet-bench-")))
        servers = {}
        for number, program in enumerate(programs):
            log = directory / f"{number}.log"
            servers[program.name] = stack.enter_context(_started(program, database, log))
        for server in servers.values():
            wait_until(partial(_answers, server.port), server.process, server.log, START_SECONDS)
            # Only now, because starting is quicker on all cores.
            for pid in _family(server.process.pid):
                pin(pid, cores or server_cores())
        yield servers


@contextlib.contextmanager
def _started(program: Program, database: SharedDatabase, log: Path) -> Iterator[RunningServer]:
    port = free_port()
    variables = {"features": FEATURE, "log_format": "json", "database_connections": str(POOL)}
    env = environment(database.url, **variables) | {"BENCHMARK_DATABASE_URL": database.url}
    # What logs, logs by its own means to where the others do: a file that nobody reads.
    with log.open("ab") as output:
        process = subprocess.Popen(
            program.command(port), env={**env, **program.variables}, stdout=output, stderr=output
        )
    try:
        pin(process.pid, set(CORES))
        yield RunningServer(program.name, port, process, log)
    finally:
        end(process, signal.SIGTERM, seconds=15)


def _answers(port: int) -> bool:
    try:
        return httpx2.get(f"http://localhost:{port}/", trust_env=False).status_code < 500
    except httpx2.HTTPError:
        return False


CORES = sorted(os.sched_getaffinity(0))


def server_cores() -> set[int]:
    """Where servers run: the first core, if there is another for the rest."""
    return set(CORES[:1])


def load_cores() -> set[int]:
    """Where everything else runs."""
    return set(CORES[1:] or CORES)


def pin(pid: int, cores: set[int]) -> None:
    """Keep a process with its threads on `cores`; what it starts from now on stays there too."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _family(int(child)))]


def _cpu_seconds(pid: int) -> float:
    # The name in brackets may hold spaces; user and system time are the 14th and 15th field.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _memory_bytes(pid: int) -> int:
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
