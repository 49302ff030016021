"""A server on a database that is behind, and what `trivet dev` says of mistakes: a line each."""

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.services.databases import environment, migrate, run_trivet
from tests.services.forks import Fork
from tests.services.people import PASSWORD, make_user
from tests.services.processes import Process, end, free_port, leashed, wait_until
from tests.services.server import START_SECONDS, STOP_SECONDS, start_from_nothing

MODELS = """
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model


class Tool(Model):
    __tablename__ = "shed_tool"

    id: Mapped[int] = mapped_column(primary_key=True)
"""


class Running:
    """A server that may well not be ready, with what it has said so far."""

    def __init__(self, process: Process, port: int, log: Path) -> None:
        self.process, self.url, self.log = process, f"http://127.0.0.1:{port}", log

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def get(self, path: str) -> httpx2.Response:
        return httpx2.get(self.url + path, trust_env=False, verify=False, timeout=30)

    def until(self, ready: Callable[[], bool]) -> None:
        wait_until(ready, self.process, self.log, START_SECONDS)

    def is_alive(self) -> bool:
        try:
            return self.get("/healthz").status_code == 200
        except httpx2.TransportError:
            return False

    def lines_with(self, words: str) -> list[str]:
        return [line for line in self.text().splitlines() if words in line]


@contextmanager
def running(
    command: str, url: str, directory: Path, *options: str, **variables: str
) -> Iterator[Running]:
    """`trivet` `command` in `directory`; `dev`, which starts itself again, from nothing."""
    port, log = free_port(), directory / "server.log"
    env: Mapping[str, str] = environment(
        url, **{"public_url": f"http://127.0.0.1:{port}", **variables}
    )
    start = start_from_nothing if command == "dev" else Fork
    arguments = (command, "--port", str(port), *options)
    process: Process = start(arguments, env=env, cwd=directory, output=log)
    with leashed(process, signal.SIGTERM):
        try:
            yield Running(process, port, log)
        finally:
            end(process, signal.SIGTERM, STOP_SECONDS)


@pytest.mark.parametrize("command", ["serve", "dev"])
def test_a_server_on_a_database_without_tables_says_so_once_and_comes_to_life(
    command: str, empty_database_url: str, tmp_path: Path
) -> None:
    with running(command, empty_database_url, tmp_path) as server:
        server.until(server.is_alive)
        before = server.get("/readyz")
        told = server.lines_with("`trivet migrate`")
        migrate(empty_database_url)
        server.until(lambda: server.get("/readyz").status_code == 200)

        assert before.status_code == 503
        assert "trivet migrate" in before.json()["checks"]["migrations"]
        assert len(told) == 1
        assert "Traceback" not in server.text()


@pytest.mark.once
def test_every_worker_together_says_it_once(empty_database_url: str, tmp_path: Path) -> None:
    two = ("--workers", "2")
    with running("serve", empty_database_url, tmp_path, *two, broker="memory") as server:
        server.until(lambda: len(server.lines_with("Application startup complete")) == 2)

        assert len(server.lines_with("`trivet migrate`")) == 1


@pytest.mark.once
def test_dev_tells_what_a_changed_file_gets_wrong_and_goes_on(
    fresh_database_url: str, tmp_path: Path
) -> None:
    """A syntax error from the start, a model without a migration, a syntax error that comes later,
    and the cure of all, file by file."""
    package = tmp_path / "shed"
    package.mkdir()
    (package / "__init__.py").touch()
    (models := package / "models.py").write_text(MODELS.replace("class Tool", "clas Tool"))
    features = {"features": "departures,shed"}
    env = environment(fresh_database_url, **features)
    with running("dev", fresh_database_url, tmp_path, **features) as server:
        server.until(lambda: bool(server.lines_with("shed/models.py:7: ")))
        models.write_text(MODELS)
        server.until(server.is_alive)
        unready = server.get("/readyz").json()["checks"]["migrations"]
        server.until(lambda: bool(server.lines_with("Models and database differ")))

        models.write_text(MODELS.replace("(Model)", "(Model"))
        server.until(lambda: len(server.lines_with("shed/models.py:7: ")) >= 2)
        models.write_text(MODELS)
        server.until(lambda: len(server.lines_with("Application startup complete")) >= 2)
        for command in (("--make", "shed", "-m", "tools"), ()):
            assert run_trivet("migrate", *command, env=env, cwd=tmp_path).returncode == 0
        server.until(lambda: server.is_alive() and server.get("/readyz").status_code == 200)

        assert "the table shed_tool is in the models" in unready
        assert "trivet migrate --make shed" in unready
        (first, *_) = server.lines_with("Models and database differ")
        assert "trivet migrate --make shed" in first
        assert "Traceback" not in server.text()


@pytest.mark.once
def test_dev_logs_a_refusal_of_the_admin_without_a_traceback(
    fresh_database_url: str, tmp_path: Path
) -> None:
    make_user(fresh_database_url, "ada", "--staff")
    with running("dev", fresh_database_url, tmp_path) as server:
        server.until(server.is_alive)
        with httpx2.Client(
            base_url=server.url, trust_env=False, verify=False, timeout=60
        ) as client:
            body = {"username": "ada", "password": PASSWORD}
            assert client.post("/api/auth/login", json=body).status_code == 200
            refused = client.get("/admin/accounts/user/", timeout=30)

        assert refused.status_code == 403
        assert server.lines_with("Forbidden")
        assert "Traceback" not in server.text()
