"""Classes on views, and classes that inherit, in migrations and in `trivet check`."""

from pathlib import Path
from typing import Any

import pytest

from tests.deploy.installation import Installation, execute

MODELS = """
from sqlalchemy import CreateView, ForeignKey, String, func, select
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model


class Hall(Model):
    __tablename__ = "halls_hall"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "hall"}
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))


class Ballroom(Hall):
    __tablename__ = "halls_ballroom"
    __mapper_args__ = {"polymorphic_identity": "ballroom"}
    id: Mapped[int] = mapped_column(ForeignKey("halls_hall.id"), primary_key=True)
    mirrors: Mapped[int]


class Cellar(Hall):
    __mapper_args__ = {"polymorphic_identity": "cellar"}
    depth: Mapped[int | None]


class KindCount(Model):
    __tablename__ = "halls_kind_count"
    __table_args__ = {"info": {"is_view": True}}
    kind: Mapped[str] = mapped_column(String(10), primary_key=True)
    number: Mapped[int]


made = CreateView(select(Hall.id, Hall.kind), "halls_made", metadata=Model.metadata)


class MadeView(Model):
    __table__ = made.table
    __mapper_args__ = {"primary_key": [made.table.c.id]}


class Sensor(Model):
    __tablename__ = "halls_sensor"
    __table_args__ = {"info": {"external": True}}
    id: Mapped[int] = mapped_column(primary_key=True)
    hall_id: Mapped[int] = mapped_column(ForeignKey("halls_hall.id"))
"""


@pytest.fixture
def halls(installed: Installation, tmp_path: Path) -> Installation:
    package = tmp_path / "halls"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "models.py").write_text(MODELS)
    installed.env |= {"TRIVET_FEATURES": "departures,halls", "PYTHONPATH": str(tmp_path)}
    return installed


def findings(installation: Installation, code: int) -> list[str]:
    """What is said of views, and of indexes that none of them can have."""
    found: list[dict[str, Any]] = installation.json("check", code=code)
    return [each["sentence"] for each in found if each["name"] in ("views", "indexes")]


COUNT = "CREATE VIEW halls_kind_count AS SELECT kind, count(*) AS {} FROM halls_hall GROUP BY kind"


def test_migrations_make_no_table_for_a_view_and_check_tells_of_each_that_is_not_there(
    halls: Installation,
) -> None:
    (made,) = halls.json("makemigrations")
    script = Path(made["path"]).read_text()
    assert script.count("op.create_table(") == 2  # of the base and of the joined subclass
    assert [name for name in ("kind_count", "halls_made", "halls_sensor") if name in script] == []
    halls.run("migrate")
    missing = findings(halls, 1)
    assert [each.partition(",")[0] for each in missing] == [
        "KindCount reads the view halls_kind_count",
        "MadeView reads the view halls_made",
        "Sensor reads the table halls_sensor",
    ]
    assert 'op.execute("CREATE VIEW halls_kind_count AS …")' in missing[0]

    execute(halls.url, COUNT.format("amount"))
    execute(halls.url, "CREATE VIEW halls_made AS SELECT id, kind FROM halls_hall")
    execute(halls.url, "CREATE TABLE halls_sensor (id INTEGER PRIMARY KEY, hall_id INTEGER)")
    lacking = "which has no column number: change the one or the other"
    assert findings(halls, 1) == [f"KindCount reads the view halls_kind_count, {lacking}"]
    execute(halls.url, "DROP VIEW halls_kind_count")
    execute(halls.url, COUNT.format("number"))
    assert findings(halls, 0) == []
    assert halls.json("makemigrations", "--check") == []
