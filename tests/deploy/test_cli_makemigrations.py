"""Revisions of several features, made in one place for every other database."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from tests.deploy.installation import Installation, execute, same_features
from tests.deploy.ships import SHIPS, row
from tests.deploy.written import MANY, PORTS, Write

FLAGSHIP = '    flagship_id: Mapped[int | None] = mapped_column(ForeignKey("ships_ship.id"))\n'


ROOT = Path(__file__).parents[2]


def made(installation: Installation, *names: str) -> list[str]:
    found = installation.json("makemigrations", *names)
    return ["/".join(Path(each["path"]).parts[-3:]) for each in found]


@pytest.mark.parametrize("order", [("ports", "ships"), ("ships", "ports")])
def test_a_feature_that_others_refer_to_is_made_first_everywhere(
    installed: Installation, write: Write, order: tuple[str, str], empty_database_url: str
) -> None:
    models = {"ports": PORTS, "ships": SHIPS}
    write(**{name: models[name] for name in order})

    assert made(installed) == [
        "ports/migrations/0001_create_ports_port.py",
        "ships/migrations/0001_create_ships_ship.py",
    ]

    for installation in (installed, same_features(installed, empty_database_url)):
        installation.run("migrate")
        assert installation.json("migrate", "--check") == {"django": [], "alembic": []}


def test_features_that_refer_to_each_other_are_made_at_once(
    installed: Installation, write: Write, empty_database_url: str
) -> None:
    write(ports=PORTS + FLAGSHIP, ships=SHIPS)

    refused = installed.run("makemigrations", "ports", code=3).stderr
    assert "ports_port refers to ships_ship, which no revision makes yet" in " ".join(
        refused.split()
    )
    assert made(installed) == [
        "ports/migrations/0001_create_ports_port.py",
        "ships/migrations/0001_create_ships_ship.py",
        "ports/migrations/0002_add_references.py",
    ]
    for installation in (installed, same_features(installed, empty_database_url)):
        installation.run("migrate")
        assert installation.json("migrate", "--check") == {"django": [], "alembic": []}


def test_making_revisions_ends_well_where_nothing_has_changed_and_checking_says_what_has(
    installed: Installation, write: Write
) -> None:
    write(ports=PORTS, ships=SHIPS)
    found = installed.json("makemigrations", "--check", "ports", code=1)
    assert found == ["the table ports_port is in the models and not in the database"]
    assert len(installed.json("makemigrations", "--check", code=1)) == 2
    assert installed.json("migrate", "--plan") == []

    installed.run("makemigrations")
    installed.run("migrate")
    assert "have not changed" in installed.run("makemigrations").stderr
    assert installed.json("makemigrations") == []
    assert installed.json("makemigrations", "--check") == []
    assert "have not changed" in installed.run("makemigrations", "--check", "ships").stderr
    assert (
        "no feature 'shops'" in installed.run("makemigrations", "--check", "shops", code=3).stderr
    )


def test_what_was_made_on_one_database_runs_on_the_other(
    installed: Installation, write: Write, other_kind_url: str
) -> None:
    write(gauges=MANY)
    installed.run("makemigrations")
    other = same_features(installed, other_kind_url)

    for installation in (installed, other):
        installation.run("migrate")
        execute(installation.url, "INSERT INTO gauges_gauge (id) VALUES (1)")
        assert row(installation) == (True, False, "it's", 3)
        for level in (-1, 10):
            with pytest.raises(IntegrityError):
                execute(installation.url, f"INSERT INTO gauges_gauge (level) VALUES ({level})")
        assert installation.json("migrate", "--check") == {"django": [], "alembic": []}


STORES = """
class Crate(Model):
    __tablename__ = "stores_crate"
    __table_args__ = {"schema": "cellar"}

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
"""

LOFT = """
class Crate(Model):
    __tablename__ = "stores_crate"
    __table_args__ = {"schema": "attic"}

    id: Mapped[int] = mapped_column(primary_key=True)
    below_id: Mapped[int] = mapped_column(ForeignKey("cellar.stores_crate.id"))
"""


@pytest.mark.database("postgresql")
def test_tables_of_one_name_in_several_schemas_are_not_taken_for_one_another(
    installed: Installation, write: Write
) -> None:
    for statement in (
        "CREATE SCHEMA cellar",
        "CREATE SCHEMA attic",
        "CREATE TABLE stores_crate (id integer, whose varchar)",  # somebody else's
    ):
        execute(installed.url, statement)
    write(loft=LOFT, stores=STORES)
    assert [each.partition("/")[0] for each in made(installed)] == ["stores", "loft"]
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    assert installed.json("makemigrations") == []

    execute(installed.url, "INSERT INTO cellar.stores_crate (label) VALUES ('wine')")
    weighed = STORES + "    weight: Mapped[int]\n"
    write(loft=LOFT, stores=weighed)
    told = installed.json("migrate", "--check", code=1)["alembic"]
    assert len(told) == 1
    assert "cellar.stores_crate.weight is in the models" in told[0]
    wrote = installed.json("makemigrations", "--value", "stores_crate.weight=7")
    assert ["stores" in each["path"] for each in wrote] == [True]
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


def _of_a_moment(installation: Installation, path: Path) -> Installation:
    """The same features, where no database is."""
    return same_features(installation, f"sqlite:///{path / 'none' / 'clone.db'}")


def test_a_fresh_clone_makes_revisions_without_a_database(
    installed: Installation, write: Write, tmp_path: Path
) -> None:
    write(ports=PORTS)
    clone = _of_a_moment(installed, tmp_path)
    assert clone.run("makemigrations", "--check", code=1).stdout.count("ports_port") == 1
    assert made(clone) == ["ports/migrations/0001_create_ports_port.py"]
    write(ports=PORTS + "    depth: Mapped[int | None]\n")

    assert made(clone) == ["ports/migrations/0002_change_ports_port.py"]

    assert made(clone) == []
    assert not (tmp_path / "none").exists()
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


def test_a_database_that_is_behind_does_not_say_what_the_next_revision_is(
    installed: Installation, write: Write
) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    write(ports=PORTS + "    depth: Mapped[int | None]\n")

    done = installed.run("makemigrations", "-m", "depth")

    assert "does not have every revision" in done.stderr
    revision = (Path(done.stdout.strip())).read_text()
    assert "create_table" not in revision
    assert "depth" in revision
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


def test_revisions_that_run_on_postgresql_alone_ask_for_the_database(
    installed: Installation, write: Write, tmp_path: Path
) -> None:
    write(ports=PORTS)
    (path,) = [each["path"] for each in installed.json("makemigrations")]
    text = (
        Path(path)
        .read_text()
        .replace(
            "    op.create_table",
            "    op.execute('CREATE TYPE hue AS ENUM ()')\n    op.create_table",
        )
    )
    Path(path).write_text(text)

    refused = _of_a_moment(installed, tmp_path).run("makemigrations", code=3).stderr

    assert "0001_create_ports_port.py:" in refused
    assert "run `trivet migrate`" in refused


def test_a_revision_stands_as_a_formatter_would_leave_it(
    installed: Installation, write: Write
) -> None:
    write(
        ports=PORTS.replace(
            '"ports_port"', '"ports_port"\n    __table_args__ = {"comment": "it\'s deep"}'
        )
    )
    (path,) = [each["path"] for each in installed.json("makemigrations", "-m", "harbours")]

    text = Path(path).read_text()

    assert text.startswith('"""Harbours."""\n')
    assert "import Text" not in text
    for command in (["format", "--check"], ["check"]):
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "ruff",
                *command,
                "--config",
                str(ROOT / "pyproject.toml"),
                path,
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout


KEYRINGS = """
class Ring(Model):
    __tablename__ = "rings_ring"

    id: Mapped[int] = mapped_column(primary_key=True)
    key_id: Mapped[int] = mapped_column(ForeignKey("trivet_api_key.id"))
"""


def test_a_revision_depends_on_another_once(installed: Installation, write: Write) -> None:
    write(rings=KEYRINGS)
    (path,) = [each["path"] for each in installed.json("makemigrations")]
    (line,) = [each for each in Path(path).read_text().splitlines() if "depends_on:" in each]
    found = ast.literal_eval(line.partition(" = ")[2])
    assert isinstance(found, str)
