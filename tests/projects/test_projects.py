"""The runner finds what goes and what does not, and the page says what was seen.

`make projects` takes minutes and environments of its own, so it is no part of `make test`. Here
the same run goes over a small package on a base of its own.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.projects.catalog import PROJECTS, Project
from tests.projects.page import PAGE, is_whole, read, render
from tests.projects.running import Run
from tests.services.databases import run_trivet

TABLES = """
from sqlalchemy import Column, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import declarative_base, validates

Base = declarative_base()


class Street(Base):
    __tablename__ = "street"
    id = Column(Integer, primary_key=True)
    name = Column(String(40), nullable=False)


class House(Base):
    __tablename__ = "house"
    __table_args__ = (UniqueConstraint("street_id", "number"),)
    id = Column(Integer, primary_key=True)
    number = Column(Integer, nullable=False)
    street_id = Column(ForeignKey("street.id"), nullable=False)


class Lamp(Base):
    __tablename__ = "lamp"
    __table_args__ = (UniqueConstraint("street_id", "number"),)
    id = Column(Integer, primary_key=True)
    number = Column(Integer, nullable=False)
    street_id = Column(ForeignKey("street.id"), nullable=False)


class Toll(Base):
    __tablename__ = "toll"
    id = Column(Integer, primary_key=True)
    price = Column(Integer, nullable=False)

    @validates("price")
    def _free(self, _key, value):
        raise ValueError("roads are free")


class Sign(Base):
    __tablename__ = "sign"
    id = Column(Integer, primary_key=True)
    words = Column(String(40), nullable=False)

    @validates("words")
    def _as_they_are(self, _key, value):
        return "STOP"
"""


class ForkedRun(Run):
    """With forks for Trivet's commands, as this package needs no environment of its own."""

    def _command(self, module: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
        if module == "trivet_deploy.cli":
            return run_trivet(*arguments, env=self._environment(), cwd=self.home)
        return super()._command(module, *arguments)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    home = tmp_path_factory.mktemp("town")
    (home / "town").mkdir()
    (home / "town" / "__init__.py").touch()
    (home / "town" / "tables.py").write_text(TABLES)
    project = Project("town", "1", ("town.tables",), "a town")
    return ForkedRun(project, home, Path(sys.executable)).see()


def steps_of(seen: dict[str, Any], name: str) -> dict[str, str]:
    found: dict[str, str] = next(
        each["steps"] for each in seen["classes"] if each["name"] == f"town.tables.{name}"
    )
    return found


@pytest.mark.parametrize("name", ["Street", "House", "Lamp"])
def test_classes_with_the_same_unnamed_rule_go_through_every_page(
    seen: dict[str, Any], name: str
) -> None:
    steps = steps_of(seen, name)
    assert [step for step, reason in steps.items() if reason] == []
    assert {"added", "changed", "told", "deleted"} <= steps.keys()
    assert seen["check"] == []


def test_a_class_that_refuses_its_rows_is_shown_and_not_added(seen: dict[str, Any]) -> None:
    steps = steps_of(seen, "Toll")
    assert (steps["shown"], steps["added"]) == ("", "price: roads are free")
    assert not is_whole({"steps": steps})


def test_a_change_that_is_not_kept_is_told(seen: dict[str, Any]) -> None:
    assert steps_of(seen, "Sign")["changed"] == "words was set to 'omega' and is 'STOP'"


def test_the_page_says_what_was_seen_of_the_versions_that_are_pinned() -> None:
    assert PAGE.read_text(encoding="utf-8") == render()
    for project in PROJECTS:
        pinned = project.requirements.read_text(encoding="utf-8")
        assert re.search(rf"^{project.name}=={project.version} ", pinned, re.MULTILINE)
        assert read(project)["version"] == project.version
