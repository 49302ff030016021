"""A feature of ships, whose revisions are made."""

from typing import Any

from sqlalchemy import create_engine

from tests.deploy.installation import (
    Installation,
)

SHIPS = """
class Ship(Model):
    __tablename__ = "ships_ship"

    id: Mapped[int] = mapped_column(primary_key=True)
    home_id: Mapped[int] = mapped_column(ForeignKey("ports_port.id"))
"""


def row(installation: Installation) -> tuple[Any, ...]:
    engine = create_engine(installation.url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "SELECT is_open, is_shut, label, level FROM gauges_gauge"
        )
        (is_open, is_shut, label, level) = found.one()
    engine.dispose()
    return bool(is_open), bool(is_shut), label, level
