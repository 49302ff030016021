"""Revisions of several features: made in one place, applied to every other database."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from tests.deploy.installation import Installation, execute
from tests.services.databases import migrate
from tests.services.postgres import PostgresServer
from trivet.testing.databases import PostgresDatabases

HEAD = """
import datetime as dt
import enum

from sqlalchemy import Boolean, Enum, ForeignKey, String, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
"""
PORTS = """
class Port(Model):
    __tablename__ = "ports_port"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
"""
SHIPS = """
class Ship(Model):
    __tablename__ = "ships_ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    home_id: Mapped[int] = mapped_column(ForeignKey("ports_port.id"))
"""
FLAGSHIP = '    flagship_id: Mapped[int | None] = mapped_column(ForeignKey("ships_ship.id"))\n'

Write = Callable[..., None]


@pytest.fixture
def write(installed: Installation, tmp_path: Path) -> Write:
    """Write the models of features, and name these in their order."""

    def write(**models: str) -> None:
        for name, source in models.items():
            package = tmp_path / name
            package.mkdir(exist_ok=True)
            (package / "__init__.py").touch()
            (package / "models.py").write_text(HEAD + source)
        features = ",".join(["departures", *models])
        installed.env |= {"TRIVET_FEATURES": features, "PYTHONPATH": str(tmp_path)}

    return write


@pytest.fixture
def other_kind_url(
    request: pytest.FixtureRequest, database_kind: str, tmp_path: Path
) -> Iterator[str]:
    """An empty database of the other kind than this run's."""
    if database_kind == "postgresql":
        yield f"sqlite:///{tmp_path / 'other.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    databases = PostgresDatabases(server.url("postgres"), migrate)
    url = databases.create_empty()
    yield url
    databases.drop(url)


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


def same_features(installation: Installation, url: str) -> Installation:
    """An installation of the same features on another database."""
    other = Installation(url)
    other.env = {**installation.env, "TRIVET_DATABASE_URL": other.env["TRIVET_DATABASE_URL"]}
    return other


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
    assert "have not changed" in installed.run("makemigrations", code=3).stderr


MANY = """
class Tide(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Gauge(Model):
    __tablename__ = "gauges_gauge"

    id: Mapped[int] = mapped_column(primary_key=True)
    is_open: Mapped[bool] = mapped_column(server_default=true())
    is_shut: Mapped[bool] = mapped_column(server_default=false())
    made_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    day: Mapped[dt.date] = mapped_column(server_default=func.current_date())
    label: Mapped[str] = mapped_column(String(9), server_default="it's")
    level: Mapped[int] = mapped_column(server_default=text("3"))
"""


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
        assert installation.json("migrate", "--check") == {"django": [], "alembic": []}


def row(installation: Installation) -> tuple[Any, ...]:
    engine = create_engine(installation.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT is_open, is_shut, label, level FROM gauges_gauge"
        )
        (is_open, is_shut, label, level) = found.one()
    engine.dispose()
    return bool(is_open), bool(is_shut), label, level


def test_of_processes_that_migrate_at_once_one_does_and_the_others_wait(
    empty: Installation,
) -> None:
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: empty.json("migrate"), range(3)))
    nothing: dict[str, list[str]] = {"django": [], "alembic": []}
    assert sorted(each == nothing for each in done) == [False, True, True]
