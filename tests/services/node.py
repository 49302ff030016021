"""Scripts in Node over the npm packages of the tests: unmodified clients, not ours.

A script lies beside its test and imports what it needs by name (`import { Centrifuge } from
"centrifuge"`). Node 20 has no WebSocket of its own: give the client the one of `ws`.
"""

import shutil
import subprocess
from pathlib import Path
from typing import Protocol

import pytest

TESTS = Path(__file__).parent.parent


def node_command(script: Path, *arguments: str) -> list[str]:
    """The command that runs a script. Raises RuntimeError when something is not installed."""
    node = shutil.which("node")
    if node is None:
        raise RuntimeError("These tests need Node 20 or later on the PATH.")
    if not (TESTS / "node_modules").is_dir():
        raise RuntimeError("The npm packages of the tests are not installed: run `make test`.")
    return [node, str(script), *arguments]


class RunNode(Protocol):
    """Runs a script of `tests/` to its end and returns what it printed.

    `script` is a path below `tests/`. Raises RuntimeError, with its stderr, when it fails or
    takes longer than `seconds`.
    """

    def __call__(self, script: str, *arguments: str, seconds: float = 30.0) -> str: ...


class StartNode(Protocol):
    """Starts a script and returns its process, with pipes in text mode. It ends with the test."""

    def __call__(self, script: str, *arguments: str) -> subprocess.Popen[str]: ...


def run_node(script: str, *arguments: str, seconds: float = 30.0) -> str:
    """See RunNode."""
    command = node_command(TESTS / script, *arguments)
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=seconds,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired as late:
        said = f"{late.stdout!r}\n{late.stderr!r}"
        raise RuntimeError(f"{script} took longer than {seconds} s:\n{said}") from late
    if done.returncode != 0:
        raise RuntimeError(f"{script} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return done.stdout


@pytest.fixture(scope="session")
def node() -> RunNode:
    """Runs a script to its end and returns what it printed."""
    return run_node


@pytest.fixture
def start_node(request: pytest.FixtureRequest) -> StartNode:
    """Starts a script that a test talks to while it runs."""

    def start(script: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            node_command(TESTS / script, *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        request.addfinalizer(lambda: _finish(process))
        return process

    return start


def _finish(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()
