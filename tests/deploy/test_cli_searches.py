"""The indexes of searches in revisions: made, compared, changed with their tables, and dropped."""

from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.deploy.installation import (
    Installation,
    answer_at_a_terminal,
    execute,
    same_features,
)
from tests.deploy.written import PORTS, Write
from trivet.data.single_connection import connect
from trivet.migrations import tables_of_database

NONE: dict[str, list[str]] = {"django": [], "alembic": []}
INFO = '    __table_args__ = {"info": {"search": SEARCHED}}\n\n    id:'
NOTES = "    notes: Mapped[str | None]\n"
TEXT_KEY = PORTS.replace("id: Mapped[int]", "id: Mapped[str]")
TWO_KEYS = PORTS.replace(
    "    name:", "    year: Mapped[int] = mapped_column(primary_key=True)\n    name:"
)


def searched(models: str = PORTS, *columns: str) -> str:
    return models.replace("    id:", INFO.replace("SEARCHED", repr(list(columns or ["name"]))), 1)


def migrated(installation: Installation, *options: str) -> str:
    """The sentences of what differed; nothing does afterwards."""
    told: list[str] = installation.json("makemigrations", "--check", code=1)
    installation.run("makemigrations", *options)
    installation.run("migrate")
    assert installation.json("migrate", "--check") == NONE
    return "; ".join(told)


def add(url: str, key: Any, name: str, **others: Any) -> None:
    values = {"id": repr(key), "name": repr(name), **{n: repr(v) for n, v in others.items()}}
    execute(
        url, f"INSERT INTO ports_port ({', '.join(values)}) VALUES ({', '.join(values.values())})"
    )


def names_with(url: str, word: str, table: str = "ports_port", shown: str = "name") -> list[str]:
    """The rows that an index finds. PostgreSQL reads the table if it has no fitting one, so it is
    asked for its indexes beside."""
    if not url.startswith("sqlite"):
        assert rows(url, f"SELECT 1 FROM pg_indexes WHERE indexname = 'ix_{table}_search'")
        return []
    found = f"SELECT rowid FROM {table}_search WHERE {table}_search MATCH '\"{word}\"'"
    has_keys = rows(url, f"SELECT 1 FROM sqlite_master WHERE name = '{table}_search_keys'")
    key = f"SELECT key1 FROM {table}_search_keys WHERE number IN ({found})" if has_keys else found
    return sorted(rows(url, f"SELECT {shown} FROM {table} WHERE id IN ({key})"))


def rows(url: str, query: str) -> list[Any]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = list(connection.scalars(text(query)))
    engine.dispose()
    return found


@pytest.mark.parametrize(("models", "key"), [(PORTS, 1), (TEXT_KEY, "a b"), (TWO_KEYS, 1)])
def test_an_index_is_declared_once_and_made_on_both_databases(
    installed: Installation, write: Write, other_kind_url: str, models: str, key: Any
) -> None:
    write(ports=searched(models))
    installed.run("makemigrations")
    more = {"year": 1900} if models is TWO_KEYS else {}

    for installation in (installed, same_features(installed, other_kind_url)):
        installation.run("migrate")
        assert installation.json("migrate", "--check") == NONE
        add(installation.url, key, "Port of Oban", **more)
        assert names_with(installation.url, "oban") in ([], ["Port of Oban"])
    write(ports=models)
    told = migrated(installed)
    assert "the search index of ports_port (name) is in the database and not in the models" in told


def test_an_index_gets_a_further_column_and_loses_it_on_the_way_back(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=searched())
    migrated(installed)
    add(fresh_database_url, 1, "Oban")
    write(ports=searched(PORTS, "name", "notes") + NOTES)

    told = migrated(installed)

    assert "ports_port" in told
    execute(fresh_database_url, "UPDATE ports_port SET notes = 'a ferry' WHERE id = 1")
    assert names_with(fresh_database_url, "ferry") in ([], ["Oban"])
    installed.run("migrate", "--to", "ports@0001", "--yes")
    add(fresh_database_url, 2, "Ayr")
    assert names_with(fresh_database_url, "ayr") in ([], ["Ayr"])
    assert names_with(fresh_database_url, "ferry") == []
    installed.run("migrate")
    assert installed.json("migrate", "--check") == NONE
    assert names_with(fresh_database_url, "oban") in ([], ["Oban"])


def test_an_index_goes_on_under_the_new_name_of_its_column(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=searched())
    migrated(installed)
    add(fresh_database_url, 1, "Oban")
    write(ports=searched(PORTS.replace("name:", "title:"), "title"))

    answer_at_a_terminal(installed, "y", "makemigrations", "-m", "titles")
    installed.run("migrate")

    assert installed.json("migrate", "--check") == NONE
    assert names_with(fresh_database_url, "oban", shown="title") in ([], ["Oban"])
    installed.run("migrate", "--to", "ports@0001", "--yes")
    assert names_with(fresh_database_url, "oban") in ([], ["Oban"])


CHANGES = {
    "another column takes NULL no more": (NOTES, "    notes: Mapped[str]\n"),
    "another column is new": ("", "    size: Mapped[int | None]\n"),
    "another column is gone": (NOTES, ""),
    "its own column holds more": ("", "WIDER"),
}


@pytest.mark.parametrize(
    ("models", "change"),
    [*((PORTS, each) for each in CHANGES), (TEXT_KEY, "another column is gone")],
)
def test_a_change_of_its_table_leaves_an_index_as_it_is(
    installed: Installation, write: Write, fresh_database_url: str, change: str, models: str
) -> None:
    before, after = CHANGES[change]
    keys = ("1", "2") if models is TEXT_KEY else (1, 2)
    write(ports=searched(models) + before)
    migrated(installed)
    add(fresh_database_url, keys[0], "Oban", **({"notes": "x"} if before else {}))
    wider = models.replace("String(20)", "String(40)")
    write(ports=searched(wider if after == "WIDER" else models) + after.replace("WIDER", ""))

    migrated(installed, "--yes")

    add(fresh_database_url, keys[1], "Ayr", **({"notes": "x"} if "Mapped[str]" in after else {}))
    execute(fresh_database_url, "UPDATE ports_port SET name = 'Mull' WHERE name = 'Oban'")
    assert names_with(fresh_database_url, "mull") in ([], ["Mull"])
    assert names_with(fresh_database_url, "ayr") in ([], ["Ayr"])
    assert names_with(fresh_database_url, "oban") == []


def by_hand(
    installation: Installation, folder: Path, upgrade: str, code: int = 0
) -> CompletedProcess[str]:
    """Migrate by a revision that somebody writes."""
    first = next(folder.glob("0001_*.py")).read_text()
    down = first.split("\nrevision: str = ")[1].split("\n")[0].strip("'\"")
    (folder / "0002_by_hand.py").write_text(
        f'"""By hand."""\n\nfrom alembic import op\n\nrevision = "b1a5ed00beef"\n'
        f'down_revision = "{down}"\nbranch_labels = None\ndepends_on = None\n\n\n'
        f"def upgrade() -> None:\n    {upgrade}\n"
    )
    return installation.run("migrate", code=code)


@pytest.mark.database("sqlite")
def test_a_sqlite_without_fts5_is_told_with_the_cure(
    installed: Installation, write: Write, tmp_path: Path
) -> None:
    write(ports=searched())
    migrated(installed)
    made = 'op.execute("CREATE VIRTUAL TABLE x USING fts5_of_another_sqlite(y)")'

    refused = by_hand(installed, tmp_path / "ports" / "migrations", made, code=1).stderr

    assert "whose SQLite was built with FTS5" in " ".join(refused.split())


@pytest.mark.database("sqlite")
def test_what_sqlite_keeps_for_an_index_is_nobodys_table(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=searched(TEXT_KEY))
    migrated(installed)
    execute(fresh_database_url, "CREATE VIRTUAL TABLE theirs USING fts5(said)")

    with connect(fresh_database_url) as connection:
        found = tables_of_database(connection)

    assert {each for each in found if "search" in each or "theirs" in each} == {"theirs"}
    assert installed.json("makemigrations", "--check") == []


@pytest.mark.database("sqlite")
def test_an_index_takes_the_name_of_a_renamed_table(
    installed: Installation, write: Write, fresh_database_url: str, tmp_path: Path
) -> None:
    write(ports=searched())
    migrated(installed)
    add(fresh_database_url, 1, "Oban")

    folder = tmp_path / "ports" / "migrations"
    by_hand(installed, folder, 'op.rename_table("ports_port", "ports_haven")')

    write(ports=searched().replace("ports_port", "ports_haven"))
    assert installed.json("makemigrations", "--check") == []
    execute(fresh_database_url, "UPDATE ports_haven SET name = 'Mull'")
    assert names_with(fresh_database_url, "mull", "ports_haven") == ["Mull"]


GONE = {
    "its table": 'op.drop_table("ports_port")',
    "its column": 'op.execute("ALTER TABLE ports_port RENAME TO x"); '
    'op.execute("CREATE TABLE ports_port (id INTEGER PRIMARY KEY)"); op.drop_table("x")',
}


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("what", GONE)
def test_an_index_goes_with_what_it_is_of(
    installed: Installation, write: Write, fresh_database_url: str, tmp_path: Path, what: str
) -> None:
    write(ports=searched())
    migrated(installed)
    add(fresh_database_url, 1, "Oban")

    by_hand(installed, tmp_path / "ports" / "migrations", GONE[what])

    left = rows(fresh_database_url, "SELECT name FROM sqlite_master WHERE name LIKE '%_search%'")
    assert left == []


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("event", ["insert", "update", "delete"])
def test_an_index_that_lost_a_trigger_is_told_and_made_anew(
    installed: Installation, write: Write, fresh_database_url: str, event: str
) -> None:
    write(ports=searched())
    migrated(installed)
    execute(fresh_database_url, f"DROP TRIGGER ports_port_search_{event}")
    add(fresh_database_url, 1, "Oban")

    told = " ".join(installed.run("check", code=1).stdout.split())
    assert "the search index of ports_port (name) is not whole in the database" in told

    assert "is not whole" in migrated(installed)
    assert names_with(fresh_database_url, "oban") == ["Oban"]


def test_an_index_made_by_hand_is_taken_for_the_declared_one(
    installed: Installation, write: Write, fresh_database_url: str, database_kind: str
) -> None:
    write(ports=PORTS)
    migrated(installed)
    if database_kind == "postgresql":
        made = "CREATE INDEX words ON ports_port USING gin (to_tsvector('simple'::regconfig, name))"
        execute(fresh_database_url, made.replace(":", "\\:"))
    write(ports=searched())

    told = installed.json("migrate", "--check", code=0 if database_kind == "postgresql" else 1)

    missing = "the search index of ports_port (name) is in the models and not in the database"
    assert [missing in each for each in told["alembic"]] == (
        [] if database_kind == "postgresql" else [True]
    )


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (["nam"], "it has no column 'nam'. Did you mean name?"),
        (["id"], "'id' holds no text"),
    ],
)
def test_an_index_of_what_is_no_text_is_refused(
    installed: Installation, write: Write, columns: list[str], says: str
) -> None:
    write(ports=searched(PORTS, *columns))
    refused = " ".join(installed.run("makemigrations", code=3).stderr.split())
    assert f"search in the info of ports_port: {says}" in refused
