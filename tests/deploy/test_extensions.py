"""The extensions of PostgreSQL in revisions. A database that has none of them is enough."""

import pytest

from tests.deploy.installation import Installation, execute
from tests.deploy.limited_role import limited_role
from tests.deploy.written import Write

BERTHS = """
from sqlalchemy import Index, Integer
from sqlalchemy.dialects.postgresql import CITEXT, HSTORE, TSRANGE, ExcludeConstraint

class Berth(Model):
    __tablename__ = "berths_berth"
    __table_args__ = (
        Index("ix_name", "name", postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"}),
        ExcludeConstraint(("number", "="), ("time", "&&"), using="gist", name="one_ship"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    number: Mapped[int]
    time: Mapped[object] = mapped_column(TSRANGE)
    name: Mapped[str]
    code: Mapped[str] = mapped_column(CITEXT)
    facts: Mapped[dict[str, str]] = mapped_column(HSTORE)
"""
NAMED = """
class Harbour(Model):
    __tablename__ = "harbours_harbour"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
"""
GROWN = """
from sqlalchemy import Index
from sqlalchemy.types import UserDefinedType

class Ltree(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self) -> str:
        return "ltree"

class Harbour(Model):
    __tablename__ = "harbours_harbour"
    __table_args__ = (
        Index(
            "ix_two", "name", "depth",
            postgresql_using="gin", postgresql_ops={"name": "gin_trgm_ops"},
        ),
        CheckConstraint("depth > 0"),  # which is seen where the whole table could be built
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    depth: Mapped[int] = mapped_column(server_default="1")
    place: Mapped[str | None] = mapped_column(Ltree)
"""


@pytest.mark.database("postgresql")
def test_a_revision_makes_the_extensions_that_its_types_indexes_and_constraints_need(
    installed: Installation, write: Write
) -> None:
    write(berths=BERTHS, harbours=NAMED)
    installed.run("makemigrations")
    installed.run("migrate")
    write(berths=BERTHS, harbours=GROWN)
    installed.run("makemigrations")
    installed.run("migrate")
    assert installed.json("migrate", "--check")["alembic"] == []
    installed.run("migrate", "--to", "berths@base", "--yes")
    installed.run("migrate")


@pytest.mark.database("postgresql")
def test_a_role_that_may_make_no_extension_is_told_what_to_do(
    installed: Installation, write: Write
) -> None:
    write(berths=BERTHS)
    installed.run("makemigrations")
    with limited_role(installed) as limited:
        refused = limited.run("migrate", code=1).stderr
        assert 'let a role that may do it run CREATE EXTENSION "btree_gist"' in refused
        for name in ("btree_gist", "citext", "hstore", "pg_trgm"):
            execute(installed.url, f"CREATE EXTENSION {name}")
        limited.run("migrate")
