"""Free ports, and processes that end when their test does."""

import contextlib
import functools
import itertools
import os
import random
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol


class Process(Protocol):
    """What is asked of a process, however it was started; see `subprocess.Popen`."""

    @property
    def pid(self) -> int: ...
    @property
    def returncode(self) -> int | None: ...
    def poll(self) -> int | None: ...
    def wait(self, timeout: float | None = None) -> int: ...
    def send_signal(self, sig: int) -> None: ...
    def kill(self) -> None: ...


FIRST_PORT, LAST_PORT = 10_081, 32_767
"""Below those that a system gives to whoever asks for any, be it to listen or to connect; and above
the last one that browsers refuse."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment.

    Whoever asked for it begins to listen seconds later. Until then nobody else is given it: not by
    the system, and not in the processes that share the tests of a run.
    """
    for port in _own_ports():
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise AssertionError("the ports have no end")


@functools.cache
def _own_ports() -> Iterator[int]:
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = range(FIRST_PORT + worker, LAST_PORT + 1, workers)
    first = random.randrange(len(own))  # another run on this machine begins elsewhere
    return itertools.cycle([*own[first:], *own[:first]])


def wait_until(ready: Callable[[], bool], process: Process, log: Path, seconds: float) -> None:
    """Return as soon as `ready` says so. Raises RuntimeError, with the log, if it never does."""
    deadline = time.monotonic() + seconds
    while not ready():
        if process.poll() is not None:
            raise RuntimeError(f"ended with {process.returncode} at its start:\n{tail(log)}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"was not ready within {seconds} s:\n{tail(log)}")
        time.sleep(0.05)


def end(process: Process, sign: signal.Signals, seconds: float) -> int:
    """Ask a process to end, insist after `seconds`, and return its exit code."""
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(sign)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextlib.contextmanager
def leashed(process: Process, sign: signal.Signals, remains: Path | None = None) -> Iterator[None]:
    """Send `sign` to a process if this one is gone before the block ends, even if it was killed.

    The directory `remains` is removed then, when the process has ended.

    A companion reads from a pipe that nobody writes to, and that closes with whoever holds it.
    """
    script = f"read -r _; kill -{sign.value} {process.pid}"
    if remains is not None:
        gone = f"while kill -0 {process.pid} 2>/dev/null; do sleep 0.1; done"
        script += f"; {gone}; rm -rf {shlex.quote(str(remains))}"
    with subprocess.Popen(
        ["/bin/sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as companion:
        try:
            yield
        finally:
            companion.kill()  # before its pipe closes, or it would take that for our end


def tail(log: Path, lines: int = 60) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
