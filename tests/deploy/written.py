"""Features whose models a test writes, and writes anew, to have revisions made of them."""

from collections.abc import Callable
from pathlib import Path

from tests.deploy.installation import Installation

HEAD = """
import datetime as dt
import enum

from sqlalchemy import Boolean, CheckConstraint, ForeignKey, String, false, func, text, true
from sqlalchemy.orm import Mapped, mapped_column

from trivet import Model
"""
PORTS = """
class Port(Model):
    __tablename__ = "ports_port"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
"""
MANY = """
class Tide(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Gauge(Model):
    __tablename__ = "gauges_gauge"
    __table_args__ = (CheckConstraint("level > 0"), CheckConstraint("level < 9", name="low"))

    id: Mapped[int] = mapped_column(primary_key=True)
    is_wet: Mapped[bool] = mapped_column(Boolean(create_constraint=True), server_default=true())
    tide: Mapped[Tide | None]
    is_open: Mapped[bool] = mapped_column(server_default=true())
    is_shut: Mapped[bool] = mapped_column(server_default=false())
    made_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    day: Mapped[dt.date] = mapped_column(server_default=func.current_date())
    label: Mapped[str] = mapped_column(String(9), server_default="it's")
    level: Mapped[int] = mapped_column(server_default=text("3"))
"""

Write = Callable[..., None]


def writing(installation: Installation, directory: Path) -> Write:
    """What writes the models of features below `directory`, and names these in their order."""

    def write(**models: str) -> None:
        for name, source in models.items():
            package = directory / name
            package.mkdir(exist_ok=True)
            (package / "__init__.py").touch()
            (package / "models.py").write_text(HEAD + source)
        features = ",".join(["departures", *models])
        installation.env |= {"TRIVET_FEATURES": features, "PYTHONPATH": str(directory)}

    return write
