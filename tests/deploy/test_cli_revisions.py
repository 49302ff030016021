"""Revisions of several features, applied: plans, histories, ways back, SQL."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.installation import Installation, execute, same_features
from tests.deploy.written import MANY, PORTS, Write


def test_a_plan_and_a_history_need_no_database_file(
    empty: Installation, database_kind: str, tmp_path: Path
) -> None:
    fresh = Installation(f"sqlite:///{tmp_path / 'none' / 'fresh.db'}")
    installation = fresh if database_kind == "sqlite" else empty
    planned = installation.json("migrate", "--plan")
    assert planned == installation.json("migrate", "--history")
    assert {"auth", "trivet", "departures"} <= {each["owner"] for each in planned}
    assert not any(each["is_applied"] for each in planned)
    assert not (tmp_path / "none").exists()


def test_a_way_back_on_which_nothing_is_lost_asks_for_no_word(
    installed: Installation, write: Write
) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    nothing: dict[str, list[str]] = {"applied": [], "taken_back": []}
    assert installed.json("migrate", "--to", "ports@base") == nothing
    installed.run("migrate")
    assert installed.json("migrate", "--to", "ports@0001") == nothing
    refused = installed.run("migrate", "--to", "ports@base", code=2).stderr
    assert "0001_create_ports_port would be undone" in refused


def test_of_processes_that_migrate_at_once_one_does_and_the_others_wait(
    empty: Installation,
) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: empty.json("migrate"), range(3)))
    nothing: dict[str, list[str]] = {"django": [], "alembic": []}
    assert sorted(each == nothing for each in done) == [False, True, True]


CONCURRENTLY = """\
    with op.get_context().autocommit_block():
        op.execute("SET lock_timeout = '30s'")
        op.create_index("ports_name", "ports_port", ["name"], postgresql_concurrently=True)


def downgrade"""


@pytest.mark.database("postgresql")
def test_a_revision_may_build_an_index_concurrently(
    installed: Installation, write: Write, tmp_path: Path
) -> None:
    """Outside any transaction, which is what an index of a large table needs."""
    write(ports=PORTS)
    installed.run("makemigrations")
    (revision,) = (tmp_path / "ports" / "migrations").glob("0001_*.py")
    source = revision.read_text()
    revision.write_text(source.replace("def downgrade", CONCURRENTLY, 1))
    assert len(installed.json("migrate")["alembic"]) == 1
    assert installed.json("migrate", "--plan") == []


def test_a_plan_changes_nothing_and_a_way_back_is_taken_by_name(
    installed: Installation, write: Write
) -> None:
    write(gauges=MANY)
    installed.run("makemigrations", "-m", "gauges")
    write(gauges=MANY + "    depth: Mapped[int | None]\n")
    planned = installed.json("migrate", "--plan")
    assert [(each["owner"], each["name"]) for each in planned] == [("gauges", "0001_gauges")]
    assert planned == installed.json("migrate", "--plan")

    installed.run("migrate")
    installed.run("makemigrations", "-m", "depth")
    installed.run("migrate")
    history = installed.json("migrate", "--history")
    assert [each["name"] for each in history if each["owner"] == "gauges"] == [
        "0001_gauges",
        "0002_depth",
    ]
    assert all(each["is_applied"] for each in history)

    refused = installed.run("migrate", "--to", "gauges@0001", code=2).stderr
    assert "--yes" in refused
    assert installed.json("migrate", "--plan") == []
    back = installed.json("migrate", "--to", "gauges@0001", "--yes")
    assert len(back["taken_back"]) == 1
    assert [each["name"] for each in installed.json("migrate", "--plan")] == ["0002_depth"]

    installed.run("migrate", "--to", "gauges@base", "--yes")
    installed.run("migrate", "--to", "gauges@0001")
    assert [each["name"] for each in installed.json("migrate", "--plan")] == ["0002_depth"]
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ("gauges@0007", "begins the name of no single revision of gauges: none"),
        ("gauge@0001", "is none of FEATURE@REVISION. The features are: trivet, departures"),
        ("gauges", "is none of FEATURE@REVISION"),
    ],
)
def test_a_revision_that_is_not_there_is_refused(
    installed: Installation, write: Write, wanted: str, says: str
) -> None:
    write(gauges="")
    refused = installed.run("migrate", "--to", wanted, code=3).stderr
    assert says in " ".join(refused.split())


def test_the_sql_of_what_waits_is_what_a_migration_would_do(
    installed: Installation, write: Write, database_kind: str
) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    if database_kind == "sqlite":
        assert "On SQLite" in installed.run("migrate", "--sql", code=3).stderr
        return
    script = installed.run("migrate", "--sql").stdout
    assert script.count("CREATE TABLE") == 1
    assert len(installed.json("migrate", "--plan")) == 1
    for statement in script.replace("BEGIN;", "").replace("COMMIT;", "").split(";"):
        if statement.strip():
            execute(installed.url, statement)
    assert installed.json("migrate", "--plan") == []
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


TEAMS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column
from trivet import Model


class Boss(Model):
    __tablename__ = "teams_boss"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(ForeignKey("teams_team.id"), index=True)
    above_id: Mapped[int | None] = mapped_column(
        ForeignKey("teams_boss.id", use_alter=True, name="above"), index=True
    )


class Team(Model):
    __tablename__ = "teams_team"
    id: Mapped[int] = mapped_column(primary_key=True)
    boss_id: Mapped[int | None] = mapped_column(ForeignKey("teams_boss.id"), index=True)
"""


def test_tables_of_one_feature_that_refer_to_each_other_are_built_anew_and_taken_back(
    installed: Installation, write: Write, databases: Any
) -> None:
    """Of their keys one comes behind both tables: PostgreSQL wants the table there."""
    write(teams=TEAMS)
    made = installed.run("makemigrations")
    assert "Warning" not in made.stderr
    fresh = same_features(installed, databases.create_empty())
    agreed: dict[str, list[str]] = {"django": [], "alembic": []}
    fresh.run("migrate")
    assert fresh.json("migrate", "--check") == agreed
    fresh.run("migrate", "--to", "teams@base", "--yes")
    fresh.run("migrate")
    assert fresh.json("migrate", "--check") == agreed
    databases.drop(fresh.url)


NUMBERED = """
from sqlalchemy import Sequence
from sqlalchemy.orm import Mapped, mapped_column
from trivet import Model

class Port(Model):
    __tablename__ = "port"
    __table_args__ = {"schema": "The Docks"}
    id: Mapped[int] = mapped_column(Sequence("ports_number", start=100), primary_key=True)
"""


@pytest.mark.database("postgresql")
def test_a_revision_makes_the_schema_and_the_sequence_that_its_table_needs(
    installed: Installation, write: Write
) -> None:
    write(ports=NUMBERED)
    installed.run("makemigrations")
    installed.run("migrate")
    execute(installed.url, "SELECT nextval('ports_number')")
    installed.run("migrate", "--to", "ports@base", "--yes")
    installed.run("migrate")
    assert installed.json("migrate", "--check")["alembic"] == []


NESTED = """
from sqlalchemy import Enum, String
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, HSTORE
from sqlalchemy.orm import Mapped, mapped_column
from trivet import Model

class Port(Model):
    __tablename__ = "port"
    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[list[str]] = mapped_column(ARRAY(String(5)))
    moods: Mapped[list[str]] = mapped_column(ARRAY(ENUM("a", name="mood")))
    pairs: Mapped[dict[str, str]] = mapped_column(HSTORE)
"""


def test_a_type_within_a_type_is_written_with_its_module_whatever_the_database(
    installed: Installation, write: Write, tmp_path: Path
) -> None:
    write(ports=NESTED)
    installed.run("makemigrations", "ports")
    (revision,) = tmp_path.rglob("ports/migrations/*.py")
    written = revision.read_text()
    assert "postgresql.ARRAY(sa.String(length=5))" in written
    assert 'postgresql.ARRAY(postgresql.ENUM("a", name="mood"))' in written
    assert "postgresql.HSTORE(text_type=sa.Text())" in written
