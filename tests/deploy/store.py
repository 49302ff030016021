"""A feature of a store, in the files that the tests of mistakes write, and spoil."""

from collections.abc import Mapping
from pathlib import Path

NOWHERE = "sqlite:///nowhere/missing.sqlite3"

SHELF = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from trivet import Model


class Shelf(Model):
    __tablename__ = "store_shelf"

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
"""
BOX = """

class Box(Model):
    __tablename__ = "store_box"

    id: Mapped[int] = mapped_column(primary_key=True)
"""
RULE = """
from trivet_realtime import channel


@channel("store:shelf:{number}")
def shelf(number: str) -> bool:
    return True
"""


def write_store(tmp_path: Path, files: Mapping[str, str], models: str | None) -> None:
    package = tmp_path / "store"
    package.mkdir()
    named = {"__init__.py": "", **({"models.py": models} if models is not None else {}), **files}
    for name, text in named.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
