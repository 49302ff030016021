"""Classes on every kind of base, through the whole of the application, as their authors meet it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.bases import FEATURES, write_features
from tests.deploy.installation import Installation
from tests.services.databases import run_trivet


def told(installed: Installation, *arguments: str) -> Any:
    """What a command says, whether or not it is content."""
    return json.loads(run_trivet(*arguments, "--json", env=installed.env).stdout)


@pytest.fixture
def project(installed: Installation, tmp_path: Path) -> Path:
    """The features of all styles, migrated."""
    write_features(tmp_path)
    installed.env |= {
        "TRIVET_FEATURES": ",".join(FEATURES),
        "PYTHONPATH": str(tmp_path),
    }
    installed.run("makemigrations")
    installed.run("migrate")
    return tmp_path


def test_classes_on_every_base_are_migrated_and_work_at_every_door(
    request: pytest.FixtureRequest, project: Path, installed: Installation, database_kind: str
) -> None:
    found = told(installed, "migrate", "--check")["alembic"]
    assert found == ["the table others_note is in the models and not in the database"]
    sentences = [each["sentence"] for each in told(installed, "check")]
    (left_out,) = [each for each in sentences if "cannot show" in each]
    assert "refers to others_part, which has no mapped class" in left_out
    (drift,) = [each for each in sentences if "the table others_note is in the models" in each]
    refused = installed.run("makemigrations", "aside", code=3).stderr
    for said in (drift, " ".join(refused.split())):
        assert 'make a package aside whose models.py says taken_from = "others.tables"' in said
    written = "\n".join(p.read_text() for p in sorted(project.glob("*/migrations/*.py")))
    for name in (
        "columns_parent_only_one_name",
        "columns_child_to_columns_parent",
        "declarative_parent_name_key",
        "users_child_parent_id_fkey",
    ):
        assert f'op.f("{name}")' in written
    assert "theirs_clerk_shop_id_fkey" in written
    assert not list(project.glob("others/migrations"))
    where = "sqlite"
    if database_kind == "postgresql":
        where = request.getfixturevalue("postgres").url("postgres")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", f"--trivet-database={where}"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 passed" in done.stdout
