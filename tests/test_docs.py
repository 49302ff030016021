"""What README and docs show is run. `tests/documents.py` says how a block is read."""

import re
import shutil
from pathlib import Path

import django
import pytest
from django.db.backends.postgresql import base as postgresql
from django.db.backends.sqlite3 import base as sqlite3

from tests.documents import DocumentError, check_data, matches, read_blocks, run_document

ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*/README.md"))
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *EXAMPLES]
WITH_COMMANDS = [path for path in DOCUMENTS if any(b.is_run for b in read_blocks(path))]
# A block more that is not run is a decision: it is made here, where a reviewer sees it.
NOT_RUN = 2


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", WITH_COMMANDS, ids=_name)
def test_what_a_document_shows_works_as_shown(document: Path, tmp_path: Path) -> None:
    if document in EXAMPLES:  # whoever reads it has its folder
        left = shutil.ignore_patterns("__pycache__", "migrations", ".*", "*.sqlite3*")
        shutil.copytree(document.parent, tmp_path, ignore=left, dirs_exist_ok=True)
    run_document(document, tmp_path)


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    blocks = [block for path in DOCUMENTS for block in read_blocks(path)]
    not_run = [block for block in blocks if block.marker == "not run"]
    assert [str(block) for block in not_run if not block.argument] == []
    assert len(not_run) == NOT_RUN, [str(block) for block in not_run]


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_data_in_a_document_parses(document: Path) -> None:
    for block in read_blocks(document):
        check_data(block)


@pytest.mark.parametrize("document", DOCUMENTS, ids=_name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\((?!\w+:|#)([^)#\s]+)", document.read_text(encoding="utf-8"))
    assert [link for link in links if not (document.parent / link).exists()] == []


def test_the_versions_of_databases_are_those_that_the_frameworks_take() -> None:
    asked = {"PostgreSQL": postgresql.DatabaseWrapper, "SQLite": sqlite3.DatabaseWrapper}
    text = (ROOT / "docs" / "versioning.md").read_text(encoding="utf-8")
    for name, wrapper in asked.items():
        (line,) = re.findall(rf"^\| {name} \| (.*)", text, re.MULTILINE)
        told = {django: least for least, django in re.findall(r"([\d.]+) and.*?([\d.]+)", line)}
        least = tuple(map(int, told[django.__version__.rpartition(".")[0]].split(".")))
        assert least >= (wrapper.features_class.minimum_database_version or ())


class TestTheMechanism:
    """A runner that cannot fail would prove nothing."""

    def run(self, tmp_path: Path, text: str) -> None:
        document = tmp_path / "page.md"
        document.write_text(text, encoding="utf-8")
        directory = tmp_path / "scratch"
        directory.mkdir()
        run_document(document, directory, start_seconds=0.2)

    def test_files_variables_and_directories_last_through_a_document(self, tmp_path: Path) -> None:
        self.run(
            tmp_path,
            "<!-- file: shop/prices.py -->\n```python\nAPPLE = 3\n```\n"
            "```sh\nexport NAME=pear\ncd shop\n```\n"
            "```console\n$ python -c \"import prices; \\\nprint(prices.APPLE, '$NAME')\"\n3 pear\n"
            "$ printf 'a\\nb\\nc\\n'\na\n...\nc\n```\n",
        )

    @pytest.mark.parametrize(
        ("text", "complaint"),
        [
            ("```sh\nfalse\ntrue\n```", "page.md:1: failed"),
            ("```console\n$ false\n```", "page.md:1: exit code 1"),
            ("\n```console\n$ echo one\ntwo\n```", "page.md:2: after\necho one\nthe document says"),
            ("```console\n$ echo one\n$ exit 3\n```", "page.md:1: failed"),
            ("```python\nassert False\n```", "AssertionError"),
            ("<!-- serve -->\n```sh\nno-such-server\n```", "was not ready|ended with"),
        ],
    )
    def test_what_is_not_so_is_found(self, tmp_path: Path, text: str, complaint: str) -> None:
        with pytest.raises(DocumentError, match=complaint):
            self.run(tmp_path, text)

    def test_a_block_marked_as_not_run_is_not_run(self, tmp_path: Path) -> None:
        self.run(tmp_path, "<!-- not run: it would fail -->\n```sh\nfalse\n```\n")

    def test_data_that_does_not_parse_is_found(self, tmp_path: Path) -> None:
        document = tmp_path / "page.md"
        document.write_text("```json\n{'a': 1}\n```\n\n   ```toml\n   a = 1\n   ```\n")
        wrong, right = read_blocks(document)
        with pytest.raises(ValueError, match="property name"):
            check_data(wrong)
        check_data(right)

    def test_dots_stand_for_anything_and_nothing_else_does(self) -> None:
        assert matches("id: ...\ndone.", "id: 17\ndone.")
        assert not matches("done.", "done!")
