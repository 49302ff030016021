"""`trivet dev`: work on a feature without restarting by hand."""

import signal
from pathlib import Path

import httpx2
import pytest
from uvicorn import Config

from tests.services.databases import environment
from tests.services.processes import end, free_port, leashed, wait_until
from tests.services.server import StartServer, start_from_nothing
from trivet_deploy.server.reloading import ProjectReload

BROKEN = """
from trivet.web import page, public

routes = [page("/", lambda request: 1 / 0, policy=public)]
"""


@pytest.mark.once
def test_a_database_is_migrated_and_a_changed_file_starts_the_application_again(
    start_server: StartServer, empty_database_url: str
) -> None:
    server = start_server("dev", "--migrate", database_url=empty_database_url)
    said = server.log_with("Application startup complete")
    assert "departures 0001_" in said  # what waited, by name
    assert "Nobody can log in yet: trivet users create" in said

    (server.directory / "changed.py").write_text("ANSWER = 41\n")
    said = server.log_with("Application startup complete", times=2)
    assert "'changed.py'" in said
    assert "stopping " not in said  # steps of which nothing has to be known
    assert "server process" not in said

    (server.directory / ".env").write_text("TRIVET_NAME=Renamed\n")
    server.log_with("Application startup complete", times=3)
    assert "<title>Renamed</title>" in httpx2.get(server.url).text
    assert server.stop() == 0


@pytest.mark.once
@pytest.mark.parametrize(("line", "is_told"), [("", True), ("TRIVET_DEBUG=false", False)])
def test_debugging_is_on_unless_the_file_of_settings_says_otherwise(
    tmp_path: Path, empty_database_url: str, line: str, is_told: bool
) -> None:
    write(tmp_path / ".env", line)
    write(tmp_path / "broken/__init__.py", "")
    write(tmp_path / "broken/web.py", BROKEN)
    port, log = free_port(), tmp_path / "server.log"
    env = environment(empty_database_url, features="broken")
    process = start_from_nothing(("dev", "--port", str(port)), env=env, cwd=tmp_path, output=log)
    with leashed(process, signal.SIGTERM):
        wait_until(lambda: "startup complete" in log.read_text(), process, log, 60)
        answer = httpx2.get(f"http://127.0.0.1:{port}/broken/")
        end(process, signal.SIGTERM, 40)
    assert answer.status_code == 500
    assert ("ZeroDivisionError" in answer.text) is is_told, answer.text


def test_what_is_nobodys_source_is_not_watched(tmp_path: Path) -> None:
    theirs = (".venv/site.py", "env/lib/site.py", "node_modules/gyp.py", "shop/__pycache__/a.py")
    folder, installed = tmp_path / "project", tmp_path / "project/.venv/lib/theirs"
    for each in (*theirs, "shop/api.py", "shop/page.html", ".venv/lib/theirs/models.py"):
        write(folder / each, "1")
    write(folder / "env/pyvenv.cfg", "")
    watching = ProjectReload(
        Config("asgi:app", reload_delay=0), lambda _sockets: None, [], [folder, installed]
    )

    def changed_by(name: str, text: str) -> list[str]:
        write(folder / name, text)
        return [str(each.relative_to(folder)) for each in watching.should_restart() or []]

    for each in (*theirs, "shop/page.html"):
        assert changed_by(each, "22") == [], each
    for each in ("shop/api.py", ".env", "shop/new.py", ".venv/lib/theirs/models.py"):
        assert changed_by(each, "22") == [each]
        assert changed_by(each, "22") == []
    (folder / "shop/new.py").unlink()
    assert changed_by("shop/page.html", "1") == ["shop/new.py"]


def write(path: Path, text: str) -> None:
    """Write a file, unless it says this already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
