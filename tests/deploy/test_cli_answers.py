"""What a revision cannot know: renames, values for rows that are there, and ways back."""

import datetime as dt
import re
import uuid
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError

from tests.deploy.installation import Installation, answer_at_a_terminal, execute
from tests.deploy.ships import SHIPS
from tests.deploy.written import PORTS, Write
from tests.services.databases import run_trivet


def rename_a_column(installed: Installation, write: Write, url: str) -> None:
    """In the models; the table has a row under the old name."""
    write(ports=PORTS)
    installed.run("makemigrations")
    installed.run("migrate")
    execute(url, "INSERT INTO ports_port (id, name) VALUES (1, 'Oban')")
    write(ports=PORTS.replace("name:", "title:"))


def test_a_column_that_was_renamed_keeps_its_values(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    rename_a_column(installed, write, fresh_database_url)

    asked = answer_at_a_terminal(installed, "y", "makemigrations", "-m", "titles")
    assert "Was the column ports_port.name renamed to title?" in asked
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    assert titles(fresh_database_url, "title") == ["Oban"]
    installed.run("migrate", "--to", "ports@0001", "--yes")
    assert titles(fresh_database_url, "name") == ["Oban"]


def test_without_a_terminal_an_option_says_what_was_renamed(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    rename_a_column(installed, write, fresh_database_url)

    assert "--rename TABLE.OLD=NEW" in " ".join(
        installed.run("makemigrations", code=3).stderr.split()
    )
    installed.run("makemigrations", "--rename", "title", code=2)
    for other in ("ports_port.nmae=title", "ports_port.name=tilte"):
        installed.run("makemigrations", "--rename", other, code=3)
    installed.run("makemigrations", "--rename", "ports_port.name=title")
    installed.run("migrate")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    assert titles(fresh_database_url, "title") == ["Oban"]


def test_without_a_terminal_nothing_is_taken_for_a_rename(
    installed: Installation, write: Write, tmp_path: Path
) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    installed.run("migrate")
    renamed = PORTS.replace("name: Mapped[str]", "title: Mapped[str | None]")
    docks = PORTS.replace("Port", "Dock").replace("ports_port", "docks_dock")
    write(docks=docks, ports=renamed)
    refused = " ".join(installed.run("makemigrations", code=3).stderr.split())
    assert "loses what rows have: the column ports_port.name is dropped" in refused
    assert not (tmp_path / "docks" / "migrations").exists(), "none is written, or all"
    _, made_one = installed.json("makemigrations", "--yes")
    assert "If you renamed it" in " ".join(made_one["risks"])


SIZES = """
    size: Mapped[int]
    is_open: Mapped[bool]
    opened_at: Mapped[dt.datetime]
    note: Mapped[str] = mapped_column(String(30))
"""


VALUES = {
    "size": "7",
    "is_open": "true",
    "opened_at": "2026-02-03T04:05:06+00:00",
    "note": "100 %: it's fine",
}


def test_a_column_without_null_gets_the_value_of_an_option_for_the_rows_that_are_there(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    installed.run("migrate")
    execute(fresh_database_url, "INSERT INTO ports_port (id, name) VALUES (1, 'Oban')")
    write(ports=PORTS + SIZES)

    refused = " ".join(installed.run("makemigrations", code=3).stderr.split())
    assert "The column ports_port.size takes no NULL" in refused
    assert "--value ports_port.size=…, or a server_default, or let the column take NULL" in refused
    options = [f"--value=ports_port.{name}={value}" for name, value in VALUES.items()]
    wrong = installed.run("makemigrations", *options, "--value=ports_port.size=big", code=3).stderr
    assert "'big' is no value of ports_port.size" in " ".join(wrong.split())
    assert installed.json("migrate", "--plan") == []

    (made_one,) = installed.json("makemigrations", "-m", "sizes", *options)
    assert made_one["risks"] == []
    installed.run("migrate")
    assert titles(fresh_database_url, "note") == ["100 %: it's fine"]
    (opened_at,) = titles(fresh_database_url, "opened_at")
    if isinstance(opened_at, dt.datetime):  # in the zone of the server
        opened_at = opened_at.astimezone(dt.UTC)
    assert str(opened_at)[:19] == "2026-02-03 04:05:06"
    assert [bool(each) for each in titles(fresh_database_url, "is_open")] == [True]
    with pytest.raises(IntegrityError):
        execute(fresh_database_url, "INSERT INTO ports_port (id, name) VALUES (2, 'Ayr')")
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}
    installed.run("migrate", "--to", "ports@0001", "--yes")
    installed.run("migrate")
    assert titles(fresh_database_url, "size") == [7]


def test_at_a_terminal_a_value_is_asked_for_also_where_a_column_takes_null_no_more(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=PORTS + "    size: Mapped[int | None]\n")
    installed.run("makemigrations")
    installed.run("migrate")
    for port in ("(1, 'Oban', NULL)", "(2, 'Ayr', 4)"):
        execute(fresh_database_url, f"INSERT INTO ports_port (id, name, size) VALUES {port}")
    write(ports=PORTS + "    size: Mapped[int]\n")

    asked = answer_at_a_terminal(installed, "9", "makemigrations", "-m", "sizes")
    assert "ports_port.size takes no NULL, and there are rows without a value" in asked
    installed.run("migrate")
    assert sorted(titles(fresh_database_url, "size")) == [4, 9]
    assert installed.json("migrate", "--check") == {"django": [], "alembic": []}


def test_one_feature_is_made_with_the_answers_that_its_refusal_names(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    installed.run("migrate")
    execute(fresh_database_url, "INSERT INTO ports_port (id, name) VALUES (1, 'Oban')")
    write(ports=PORTS.replace("name:", "title:") + "    size: Mapped[int]\n")

    make = ("migrate", "--make", "ports", "-m", "sizes")
    renamed = "--rename=ports_port.name=title"
    assert "--rename" in installed.run(*make, code=3).stderr
    assert "--value ports_port.size=…" in installed.run(*make, renamed, code=3).stderr
    installed.run(*make, renamed, "--value=ports_port.size=7")
    installed.run("migrate")
    assert [titles(fresh_database_url, name) for name in ("title", "size")] == [["Oban"], [7]]
    stray = installed.run("migrate", renamed, code=2).stderr
    assert "it is an answer for --make" in " ".join(stray.split())


GONE = """
    size: Mapped[int]
    weight: Mapped[float]
    fee: Mapped[Decimal]
    is_open: Mapped[bool]
    opened_at: Mapped[dt.datetime]
    day: Mapped[dt.date]
    stay: Mapped[dt.timedelta]
    note: Mapped[str] = mapped_column(String(20))
    at: Mapped[dt.time]
    about: Mapped[dict[str, Any]]
    token: Mapped[uuid.UUID]
    kept: Mapped[int | None]
"""


PYTHON = """
import uuid
from decimal import Decimal
from typing import Any
"""


def test_the_way_back_brings_columns_without_null_to_rows_that_are_there(
    installed: Installation, write: Write, fresh_database_url: str
) -> None:
    write(ports=PYTHON + PORTS + GONE)
    installed.run("makemigrations")
    installed.run("migrate")
    write(ports=PYTHON + PORTS.replace("Mapped[str]", "Mapped[str | None]"))
    installed.run("makemigrations", "--yes")
    installed.run("migrate")
    execute(fresh_database_url, "INSERT INTO ports_port (id, name) VALUES (1, NULL)")
    installed.run("migrate", "--to", "ports@0001", "--yes")
    found = [titles(fresh_database_url, name) for name in ("name", "size", "note", "kept")]
    assert found == [[""], [0], [""], [None]]
    write(ports=PYTHON + PORTS + GONE)
    read = "port = db.get_one(Port, 1); print(port.opened_at, port.token, port.about)"
    script = f"from ports.models import Port\n{read}\n"
    shown = run_trivet("shell", env=installed.env, given=script)
    assert shown.stdout.strip() == f"1970-01-01 00:00:00+00:00 {uuid.UUID(int=0)} {{}}", (
        shown.stderr
    )
    with pytest.raises(IntegrityError):
        execute(fresh_database_url, "INSERT INTO ports_port (id, name) VALUES (2, 'Ayr')")


def test_a_way_back_for_which_no_value_is_known_says_so_in_the_revision(
    installed: Installation, write: Write
) -> None:
    marked = SHIPS + "    mark: Mapped[str] = mapped_column(String(9), unique=True)\n"
    write(ports=PORTS, ships=marked)
    installed.run("makemigrations")
    installed.run("migrate")
    home, mark = SHIPS.splitlines()[-1], marked.splitlines()[-1]
    write(ports=PORTS, ships=marked.replace(home, "").replace(mark, ""))

    (made_one,) = installed.json("makemigrations", "--yes")
    text = Path(made_one["path"]).read_text()
    note = text.partition('def downgrade() -> None:\n    """')[2].partition('"""')[0]
    assert "this stops until values are written here for:" in note
    assert set(re.findall(r"[*] (.*)", note)) == {"ships_ship.mark", "ships_ship.home_id"}
    for place in ("ships@0002", "ships@0001"):
        installed.run("migrate", "--to", place, "--yes")
    installed.run("migrate")


def test_a_type_that_holds_less_wants_a_word(installed: Installation, write: Write) -> None:
    write(ports=PORTS)
    installed.run("makemigrations")
    installed.run("migrate")
    write(ports=PORTS.replace("String(20)", "String(5)"))
    refused = " ".join(installed.run("makemigrations", code=3).stderr.split())
    assert "the column ports_port.name becomes VARCHAR(5), which holds less" in refused
    assert len(installed.json("makemigrations", "--yes")) == 1


def titles(url: str, column: str) -> list[Any]:
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        found = connection.exec_driver_sql(f"SELECT {column} FROM ports_port")  # ours
        values = [value for (value,) in found]
    engine.dispose()
    return values
