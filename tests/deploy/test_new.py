"""`trivet new`: what it writes works at once, and what could not work is refused with the cure."""

from pathlib import Path

import pytest

from tests.deploy.new_projects import contents, new


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A new project."""
    new("project", "shop", cwd=tmp_path)
    return tmp_path / "shop"


def test_a_project_has_its_secret_in_a_file_for_its_owner(tmp_path: Path) -> None:
    done = new("project", "my-shop", cwd=tmp_path)

    folder = tmp_path / "my-shop"
    files = contents(folder)
    assert set(done.stdout.split()) == {f"my-shop/{name}" for name in files}
    assert (folder / ".env").stat().st_mode & 0o777 == 0o600
    secret = files[".env"].partition("TRIVET_SECRET_KEY=")[2].strip()
    assert len(secret) >= 48
    assert [name for name, text in files.items() if secret in text] == [".env"]
    assert ".env" in files[".gitignore"].split()
    assert "TRIVET_NAME=My shop" in files[".env.example"]
    assert "trivet dev" in files["README.md"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Shop", "write it in small letters"),
        ("../shop", "is no name of a project"),
        ("django", "There is an installed package django"),
        ("taken", "is there already, and not empty"),
    ],
)
def test_a_project_that_could_not_work_is_refused(name: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "kept.txt").write_text("kept")
    before = contents(tmp_path)
    assert sentence in " ".join(new("project", name, cwd=tmp_path, code=1).stderr.split())
    assert contents(tmp_path) == before
