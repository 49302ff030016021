"""Commands and servers of Trivet as processes, without the settings of the developer's shell."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

COMMAND_SECONDS = 100.0
START_SECONDS = 60.0
STOP_SECONDS = 40.0
LINES = 60
"""The number of lines of a log that an error shows."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that is ready. The fixture `trivet_server` starts and stops it.

    Attributes:
        url: The address of the server, without a slash at the end.
        log: The file of its standard output and standard error.
        process: The process.
    """

    url: str
    log: Path
    process: "subprocess.Popen[bytes]"

    def stop(self) -> int:
        """Send SIGTERM to the server as a supervisor does, and wait for its end.

        Returns:
            The exit code. A server that does not stop within 40 seconds is killed.
        """
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def log_text(self) -> str:
        """The log of the server up to now."""
        return self.log.read_text(errors="replace")


class StartServer(Protocol):
    """The function that the fixture `trivet_server` gives: it starts a server."""

    def __call__(self, *, features: tuple[str, ...] = ..., **variables: Any) -> Server:
        """Start a server on a new database, and wait until it is ready.

        Args:
            features: The feature packages; by default those of the test session.
            **variables: Settings by their names without ``TRIVET_``.

        Returns:
            The server. It is stopped at the end of the test.

        Raises:
            RuntimeError: The server does not become ready; the message shows its log.
        """
        ...


def run_command(command: Sequence[str], variables: Mapping[str, str], folder: Path) -> None:
    """Run a command to its end. Raises RuntimeError, with its output, if it fails."""
    done = subprocess.run(  # noqa: S603  # our own command line
        command,
        env=environment(variables),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        told = " ".join(command[3:])
        raise RuntimeError(f"`trivet {told}` failed:\n{done.stdout}\n{done.stderr}")


def start_server(
    command: Sequence[str], url: str, variables: Mapping[str, str], folder: Path
) -> Server:
    """Start a server, and return when /readyz says that it is ready.

    Raises RuntimeError, with its log, if it ends or is not ready in time.
    """
    log = folder / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # as above
            command,
            env=environment({**variables, "TRIVET_PUBLIC_URL": url}),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    server = Server(url, log, process)
    deadline = time.monotonic() + START_SECONDS
    while not _is_ready(url):
        if process.poll() is not None or time.monotonic() > deadline:
            server.stop()
            text = "\n".join(server.log_text().splitlines()[-LINES:])
            raise RuntimeError(f"`trivet {' '.join(command[3:])}` did not become ready:\n{text}")
        time.sleep(0.05)
    return server


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment and import path of this process, with `variables` as the only settings."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("TRIVET_")}
    # The features lie where pytest put them on the import path.
    path = os.pathsep.join(filter(None, sys.path))
    return {**inherited, "PYTHONPATH": path, **variables}


def free_port() -> int:
    """A port of the loopback interface that nobody listens on at this moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _is_ready(url: str) -> bool:
    opener = build_opener(ProxyHandler({}))  # the loopback interface, whatever proxy there is
    try:
        with opener.open(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
