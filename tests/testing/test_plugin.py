"""The plugin in a stranger's project: found by pytest, on both databases, with a clear word."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.databases import environment, run_trivet

FEATURE = {
    "lounge/__init__.py": '"""Who is in the lounge."""\n',
    "lounge/models.py": """
from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column
from trivet import Model


class Guest(Model):
    __tablename__ = "lounge_guest"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)
""",
    "pyproject.toml": """
[tool.pytest.ini_options]
trivet_features = ["lounge"]
pythonpath = ["."]
filterwarnings = ["error"]
""",
    "test_lounge.py": """
import os

import httpx2
import pytest

from lounge.models import Guest


def add(db, name):
    db.add(Guest(name=name))


@pytest.mark.parametrize("name", ["Ada", "Bob"])
def test_a_guest_is_audited_in_a_database_of_its_own(trivet, name):
    trivet.run(add, name)
    (entry,) = trivet.audited("lounge_guest")
    assert entry.changes["name"] == {"to": name}


def test_a_second_application_has_another_database(trivet, trivet_server):
    trivet.run(add, "Ada")
    user = trivet.make_user("ada")
    server = trivet_server()
    given = {"username": user.username, "password": user.password}
    assert httpx2.post(server.url + "/api/auth/login", json=given).status_code == 401
    with trivet.client(user=user) as client:
        assert client.get("/api/auth/me").status_code == 200


def test_the_shell_of_the_developer_is_not_read(trivet):
    assert os.environ["TRIVET_LOG_LEVEL"] == "no-such-level"
    assert "precious" not in trivet.settings.database_url
""",
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in FEATURE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    url = f"sqlite:///{tmp_path / 'work.sqlite3'}"
    env = environment(url, features="lounge") | {"PYTHONPATH": str(tmp_path)}
    for command in (["migrate"], ["migrate", "--make", "lounge", "-m", "guests"]):
        done = run_trivet(*command, env=env, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    return tmp_path


def run_pytest(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "TRIVET_DATABASE_URL": "postgresql://precious@127.0.0.1:1/precious",
        "TRIVET_LOG_LEVEL": "no-such-level",
        "PYTHONPATH": "",
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=project,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_feature_is_tested_on_the_database_that_is_named(
    request: pytest.FixtureRequest, project: Path, database_kind: str, databases: object
) -> None:
    where = "sqlite"
    if database_kind == "postgresql":
        where = request.getfixturevalue("postgres").url("postgres")
    done = run_pytest(project, f"--trivet-database={where}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout


@pytest.mark.once
def test_what_is_wrong_is_said_with_the_way_out(project: Path, databases: object) -> None:
    done = run_pytest(project, "--trivet-database=mysql://here")
    assert "'sqlite' or 'postgresql://user:password@host/postgres'" in done.stdout + done.stderr
    tries = project / "tries"
    (project / "lounge" / "events.py").write_text(
        f"open({str(tries)!r}, 'a').write('x')\nimport no_such_module\n"
    )
    done = run_pytest(project)
    assert tries.read_text() == "x", "every test waits for the same failure"
    assert "`trivet migrate` failed" in done.stdout
    assert "no_such_module" in done.stdout
