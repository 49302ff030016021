"""Keys that are given once on both databases, from the revision to the API."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.installation import Installation, execute, same_features
from tests.deploy.new_projects import ENV, new
from tests.deploy.schemas import look
from tests.deploy.written import PORTS, Write
from tests.services.databases import run_trivet

OPTION = "sqlite_autoincrement=True"
WIDER = PORTS.replace("String(20)", "String(40)")
"""SQLite copies the table for it."""
KINDS = """
import uuid

from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


class Numbered(Base):
    __tablename__ = "kinds_numbered"

    id: Mapped[int] = mapped_column(primary_key=True)


class Chosen(Model):
    __tablename__ = "kinds_chosen"
    __table_args__ = {"sqlite_autoincrement": False}

    id: Mapped[int] = mapped_column(primary_key=True)


class Named(Model):
    __tablename__ = "kinds_named"

    name: Mapped[str] = mapped_column(String(9), primary_key=True)


class Token(Model):
    __tablename__ = "kinds_token"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)


class Pair(Model):
    __tablename__ = "kinds_pair"

    one: Mapped[int] = mapped_column(primary_key=True)
    two: Mapped[int] = mapped_column(primary_key=True)


class Part(Model):
    __tablename__ = "kinds_part"

    id: Mapped[int] = mapped_column(ForeignKey("kinds_chosen.id"), primary_key=True)
"""
AGAIN = """
from trivet.testing import Application

MEMBERS = "/api/members/members"
EVERY = [f"members.{action}_member" for action in ("view", "add", "change", "delete")]


def test_again(trivet: Application) -> None:
    with trivet.client(user=trivet.make_user("ada", permissions=EVERY)) as client:
        old = client.post(MEMBERS, json={"name": "A"})
        assert client.delete(f"{MEMBERS}/{old.json()['id']}").status_code == 204
        new = client.post(MEMBERS, json={"name": "A"})
        assert new.headers["etag"] == old.headers["etag"]
        assert new.json()["id"] > old.json()["id"]
        tag = {"If-Match": old.headers["etag"]}
        gone = client.patch(f"{MEMBERS}/{old.json()['id']}", json={"name": "B"}, headers=tag)
        assert gone.status_code == 404
        seen = [(each.kind, each.key) for each in trivet.audited("members_member")]
        assert len(seen) == len(set(seen)) == 3
"""


def made(installation: Installation) -> str:
    (revision,) = installation.json("makemigrations")
    return Path(revision["path"]).read_text()


def newest_after_a_deletion(installation: Installation) -> int:
    """The key of a row that was added when the newest one was gone."""
    for statement in (
        "DELETE FROM ports_port WHERE id = (SELECT max(id) FROM ports_port)",
        "INSERT INTO ports_port (name) VALUES ('Bergen')",
    ):
        execute(installation.url, statement)
    return newest(installation)


def newest(installation: Installation) -> int:
    question = "SELECT max(id) FROM ports_port"
    found = look(installation.url, lambda connection: connection.exec_driver_sql(question).scalar())
    return int(found)


def test_tables_whose_keys_the_database_numbers_give_each_once(
    installed: Installation, write: Write, other_kind_url: str
) -> None:
    write(kinds=KINDS)

    tables = made(installed).split("def downgrade")[0].split("op.create_table(")[1:]

    said = {each.split('"')[1]: OPTION in each for each in tables}
    assert said.pop("kinds_numbered")
    assert len(said) == 5
    assert not any(said.values())
    for installation in (installed, same_features(installed, other_kind_url)):
        installation.run("migrate")
        assert installation.json("migrate", "--check") == {"django": [], "alembic": []}


def test_a_key_is_given_once_through_revisions_that_copy_the_table(
    installed: Installation, write: Write
) -> None:
    write(ports=PORTS)
    made(installed)
    installed.run("migrate")
    execute(installed.url, "INSERT INTO ports_port (name) VALUES ('Oslo'), ('Narvik')")
    assert newest_after_a_deletion(installed) == 3
    execute(installed.url, "DELETE FROM ports_port WHERE id = 3")
    write(ports=WIDER)
    made(installed)

    installed.run("migrate")

    execute(installed.url, "INSERT INTO ports_port (name) VALUES ('Bodø')")
    assert newest(installed) == 4
    assert newest_after_a_deletion(installed) == 5
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    assert installed.json("makemigrations") == []


def test_a_table_that_was_there_before_is_left_as_it_is(
    installed: Installation, write: Write, database_kind: str
) -> None:
    write(ports=PORTS)
    (revision,) = installed.json("makemigrations")
    text = Path(revision["path"]).read_text()
    assert OPTION in text
    Path(revision["path"]).write_text(text.replace(f"        {OPTION},\n", ""))
    installed.run("migrate")

    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    assert installed.json("makemigrations") == []

    write(ports=WIDER)
    made(installed)
    installed.run("migrate")
    execute(installed.url, "INSERT INTO ports_port (name) VALUES ('Oslo'), ('Narvik')")
    assert newest_after_a_deletion(installed) == (2 if database_kind == "sqlite" else 3)
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


@pytest.mark.timeout(240)  # it runs a test suite
def test_what_is_added_after_a_deletion_is_another_one_in_the_api(tmp_path: Path) -> None:
    new("project", "club", cwd=tmp_path)
    project = tmp_path / "club"
    new("feature", "members", "name:str", cwd=project)
    (project / "tests" / "test_again.py").write_text(AGAIN)
    assert run_trivet("migrate", env=ENV, cwd=project).returncode == 0

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_again.py"],
        cwd=project,
        env={name: value for name, value in ENV.items() if not name.startswith("PYTEST_")},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )

    assert done.returncode == 0, done.stdout
