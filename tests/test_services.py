"""The services that other tests stand on do what their modules promise."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import psycopg
import pytest
from blockbuster import BlockingError
from coverage import CoverageData
from playwright.sync_api import Page

from tests.services.browser import serving_page
from tests.services.environment import DATABASE_VARIABLE
from tests.services.node import RunNode
from tests.services.postgres import PostgresServer
from tests.services.processes import LAST_PORT, free_port


@pytest.fixture
def greeting() -> Iterator[str]:
    """The address of a page that says something."""

    with serving_page("<title>t</title><h1>Gate B22</h1>") as port:
        yield f"http://127.0.0.1:{port}/"


def test_the_browser_draws_text(page: Page, greeting: str, tmp_path: Path) -> None:
    page.goto(greeting)
    assert page.inner_text("h1") == "Gate B22"
    blank = page.screenshot(clip={"x": 0, "y": 300, "width": 200, "height": 60})
    drawn = page.screenshot(clip={"x": 0, "y": 0, "width": 200, "height": 60})
    assert len(drawn) > len(blank) + 200  # letters compress worse than a white area


def test_processes_that_share_the_tests_know_the_database_of_their_run(tmp_path: Path) -> None:
    test = "def test_it(database_kind): assert database_kind == 'postgresql'"
    (tmp_path / "test_it.py").write_text(test)
    plugins = ("-p", "xdist.plugin", "-p", "tests.services.environment")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, "-n", "1", "test_it.py"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            DATABASE_VARIABLE: "postgresql",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_lines_that_a_worker_ran_are_kept_when_it_is_killed_at_its_end(tmp_path: Path) -> None:
    texts = {
        "test_it.py": "import atexit, time\natexit.register(time.sleep, 600)\ndef test_it(): pass",
        "conftest.py": "from xdist.workermanage import NodeManager\nNodeManager.EXIT_TIMEOUT = 0.1",
        ".coveragerc": "[run]\npatch = subprocess\nparallel = true\nsource = .",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    plugins = ("-p", "xdist.plugin", "-p", "tests.services.covered_lines")
    around = {name: os.environ[name] for name in os.environ if not name.startswith("COVERAGE_")}
    done = subprocess.run(
        [sys.executable, "-m", "coverage", "run", "-m", "pytest", *plugins, "-n", "1"],
        cwd=tmp_path,
        env={
            **around,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    seen: set[str] = set()
    for file in tmp_path.glob(".coverage.*"):
        kept = CoverageData(str(file))
        kept.read()
        seen |= {Path(each).name for each in kept.measured_files() if kept.lines(each)}
    assert "test_it.py" in seen


def test_a_port_is_given_once_and_is_none_that_the_system_gives() -> None:
    given = [free_port() for _ in range(20)]
    assert len(set(given)) == len(given)
    for _ in range(20):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            assert listener.getsockname()[1] > LAST_PORT


def test_postgres_makes_a_copy_of_a_database_and_drops_it(postgres: PostgresServer) -> None:
    url = postgres.create_database("original")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE gate (name text)")
    copy = postgres.create_database("copy", template="original")
    with psycopg.connect(copy) as connection:
        assert connection.execute("SELECT count(*) FROM gate").fetchone() == (0,)
        postgres.drop_database("copy")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(copy)


def test_node_runs_the_client_of_the_socket_protocol(node: RunNode) -> None:
    assert node("services/clients.mjs") == "Centrifuge WebSocket\n"


def test_a_script_that_fails_says_why(node: RunNode) -> None:
    with pytest.raises(RuntimeError, match="Cannot find module"):
        node("services/no-such-script.mjs")


def test_a_leashed_process_ends_with_a_test_run_that_is_killed() -> None:
    run = """
import signal, subprocess, time
from tests.services.processes import leashed
with leashed(subprocess.Popen(["sleep", "60"]), signal.SIGTERM):
    print("started", flush=True)
    time.sleep(60)
"""
    command, root = [sys.executable, "-c", run], Path(__file__).parent.parent
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"started\n"
        process.kill()
        begun = time.monotonic()
        assert process.stdout.read() == b""  # which comes when the child, too, has let go of it
        assert time.monotonic() - begun < 20


@pytest.mark.anyio
async def test_a_blocking_call_on_the_loop_fails() -> None:
    with pytest.raises(BlockingError):
        time.sleep(0.01)  # noqa: ASYNC251


@pytest.mark.anyio
async def test_a_blocking_call_on_a_thread_is_fine() -> None:
    await anyio.to_thread.run_sync(time.sleep, 0.01)
