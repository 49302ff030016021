"""`trivet adopt` on what people have beside plain tables, with classes that SQLAlchemy's automap
makes of it. A fresh database is built like it, as far as that goes, and the rest is told."""

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.installation import Installation, execute, same_features
from trivet.migrations.differences import describe

AUTOMAP = """
import os

from sqlalchemy import create_engine
from sqlalchemy.ext.automap import automap_base

Base = automap_base()
engine = create_engine(os.environ["LEGACY"].replace("postgresql:", "postgresql+psycopg:"))
Base.metadata.reflect(engine, only=lambda name, _: name.startswith("old_"))
Base.metadata.reflect(engine, schema=os.environ.get("LEGACY_SCHEMA"), only=["old_order"])
Base.prepare()
globals().update(Base.classes)
"""
CYCLE = (
    "CREATE TABLE old_order (id integer PRIMARY KEY)",
    "CREATE TABLE old_boss (id integer PRIMARY KEY, team_id integer REFERENCES old_team (id))",
    "CREATE TABLE old_team (id integer PRIMARY KEY, boss_id integer REFERENCES old_boss (id))",
)
ON_POSTGRESQL = (
    "CREATE TABLE old_boss (id integer PRIMARY KEY, team_id integer)",
    "CREATE TABLE old_team (id integer PRIMARY KEY, boss_id integer REFERENCES old_boss (id))",
    "ALTER TABLE old_boss ADD CONSTRAINT leads FOREIGN KEY (team_id) REFERENCES old_team (id) "
    "DEFERRABLE INITIALLY DEFERRED",
    'CREATE SCHEMA "Old Sales"',
    "CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",
    """CREATE TYPE "Old Sales".size AS ENUM ('s', 'l')""",
    'CREATE TABLE "Old Sales".old_order '
    '(id integer PRIMARY KEY, pieces positive, place point, size "Old Sales".size)',
    "CREATE TABLE old_z_parent (id integer PRIMARY KEY, pieces positive)",
    "CREATE TABLE old_child (more text, PRIMARY KEY (id)) INHERITS (old_z_parent)",
    "CREATE TABLE old_day (day date PRIMARY KEY) PARTITION BY RANGE (day)",
)


@pytest.fixture
def legacy(empty: Installation, tmp_path: Path, database_kind: str) -> Installation:
    """A database of somebody's, and a feature that takes what automap makes of it."""
    theirs = tmp_path / "theirs.py"
    theirs.write_text(AUTOMAP)
    feature = tmp_path / "legacy"
    feature.mkdir()
    (feature / "__init__.py").touch()
    (feature / "models.py").write_text('taken_from = "theirs"\n')
    empty.env |= {
        "TRIVET_FEATURES": "legacy",
        "PYTHONPATH": str(tmp_path),
        "PYTHONWARNINGS": "ignore",
        "LEGACY": empty.url,
    }
    if database_kind == "postgresql":
        empty.env["LEGACY_SCHEMA"] = "Old Sales"
    else:
        Path(empty.url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    for statement in ON_POSTGRESQL if database_kind == "postgresql" else CYCLE:
        execute(empty.url, statement)
    return empty


def test_a_baseline_builds_what_it_was_made_of_and_can_be_taken_back(
    legacy: Installation, databases: Any
) -> None:
    legacy.run("adopt", "legacy", "--yes")
    assert legacy.json("migrate", "--check")["alembic"] == []

    fresh = same_features(legacy, databases.create_empty())
    fresh.run("migrate")
    assert fresh.json("migrate", "--check")["alembic"] == []
    fresh.run("migrate", "--to", "legacy@base", "--yes")
    fresh.run("migrate")
    checked = fresh.json("check")
    wrong = [e for e in checked if e["state"] == "failed" or "cannot show" in e["sentence"]]
    assert wrong == []
    databases.drop(fresh.url)


def test_what_a_baseline_cannot_say_is_told(legacy: Installation, database_kind: str) -> None:
    if database_kind != "postgresql":
        pytest.skip("SQLite has no partitions")
    shown = " ".join(legacy.run("adopt", "legacy", code=1).stdout.split())
    assert "old_day is partitioned by RANGE (day), and becomes one table" in shown


def test_the_cure_for_what_no_revision_can_say_is_none_that_is_generated() -> None:
    by_hand, *_ = describe([], [], [("old_order", "the constraint apart is in the database only")])
    assert "by hand" in by_hand.cure
    assert "--make" not in by_hand.cure


WHOLE = """
import os

from sqlalchemy import Column, Integer, create_engine
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    pass


class Box(Base):
    __tablename__ = "old_box"
    id = Column(Integer, primary_key=True)


Base.metadata.reflect(
    create_engine(os.environ["LEGACY"].replace("postgresql:", "postgresql+psycopg:"))
)
"""


def test_a_whole_database_that_is_reflected_has_tables_that_are_not_adopted(
    legacy: Installation,
) -> None:
    execute(legacy.url, "CREATE TABLE old_box (id integer PRIMARY KEY)")
    path = Path(legacy.env["PYTHONPATH"])
    (path / "legacy" / "models.py").write_text("")
    with_nothing = {**legacy.env, "TRIVET_FEATURES": ""}
    legacy.env, given = with_nothing, legacy.env
    legacy.run("migrate")
    legacy.env = given
    (path / "legacy" / "models.py").write_text(WHOLE)
    legacy.run("adopt", "legacy", "--yes")
    (baseline,) = (path / "legacy" / "migrations").glob("*baseline.py")
    made = baseline.read_text()
    assert "'old_box'" in made
    assert "django_" not in made
    assert "'trivet_" not in made
    assert legacy.json("migrate", "--check")["alembic"] == []
