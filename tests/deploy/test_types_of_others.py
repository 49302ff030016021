"""Enumerations in a schema, compared by a role that owns nothing, as an application's own is."""

import pytest

from tests.deploy.installation import Installation, execute
from tests.deploy.limited_role import limited_role
from tests.deploy.written import Write

GAUGES = """
class Tide(enum.Enum):
    LOW = "low"
    HIGH = "high"

class Gauge(Model):
    __tablename__ = "gauges_gauge"
    __table_args__ = (CheckConstraint("level > 0"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    level: Mapped[int]
    tide: Mapped[Tide] = mapped_column(sa.Enum(Tide, name="tide", schema="sea"))
"""
HIGH = '    HIGH = "high"\n'
IMPORTS = "import sqlalchemy as sa\n"


@pytest.mark.database("postgresql")
def test_a_role_that_does_not_own_an_enumeration_compares_its_tables(
    installed: Installation, write: Write
) -> None:
    write(gauges=IMPORTS + GAUGES)
    execute(installed.url, "CREATE SCHEMA sea")
    installed.run("makemigrations")
    installed.run("migrate")
    execute(installed.url, "GRANT USAGE ON SCHEMA sea TO PUBLIC")
    with limited_role(installed) as limited:
        assert limited.json("migrate", "--check") == {"django": [], "alembic": []}
        write(gauges=IMPORTS + GAUGES.replace("level > 0", "level > 1"))
        assert len(limited.json("migrate", "--check", code=1)["alembic"]) == 2
        write(gauges=IMPORTS + GAUGES.replace(HIGH, f"{HIGH}    SPRING = 'spring'\n"))
        told = limited.run("migrate", "--check", code=1).stdout
        assert (
            "the enumeration sea.tide has LOW, HIGH in the database and LOW, HIGH, SPRING" in told
        )
        execute(installed.url, "REVOKE USAGE ON SCHEMA sea FROM PUBLIC")
        assert "permission denied for schema sea" in limited.run("check").stdout
        installed.run("makemigrations")
        execute(installed.url, "GRANT USAGE ON SCHEMA sea TO PUBLIC")
        assert "must be owner" in limited.run("migrate", code=1).stderr
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
