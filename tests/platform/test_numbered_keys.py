"""Keys that SQLite gives once: which tables ask for it, and what a copy of one keeps."""

from collections.abc import Iterator
from typing import Any

import pytest
from alembic.operations import ops
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Identity,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Uuid,
    create_engine,
)

from tests.platform.revised import run
from trivet.migrations.numbered_keys import OPTION, number_once
from trivet.models.types import BigKey


def table(*columns: "Column[Any]", **options: Any) -> Table:
    metadata = MetaData()
    Table("parents", metadata, Column("id", Integer, primary_key=True))
    return Table("things", metadata, *columns, **options)


def key(*arguments: Any, name: str = "id", **options: Any) -> "Column[Any]":
    return Column(name, *arguments, primary_key=True, **options)


@pytest.mark.parametrize("kind", [Integer(), BigKey, Integer().with_variant(BigInteger, "mysql")])
def test_a_key_of_whole_numbers_is_given_once(kind: Any) -> None:
    operation = ops.CreateTableOp.from_table(table(key(kind)))
    number_once(operation)
    assert operation.kw == {OPTION: True}


def test_a_key_that_postgresql_counts_by_an_identity_is_given_once() -> None:
    operation = ops.CreateTableOp.from_table(table(key(Integer, Identity())))
    number_once(operation)
    assert operation.kw == {OPTION: True}


@pytest.mark.parametrize(
    "thing",
    [
        table(key(String(9))),
        table(key(Uuid)),
        table(key(BigInteger)),
        table(key(SmallInteger)),
        table(key(Integer, autoincrement=False)),
        table(key(Integer, name="a"), key(Integer, name="b")),
        table(key(ForeignKey("parents.id"))),
        table(key(Integer, ForeignKey("parents.id"), autoincrement=True)),
        table(key(Integer), sqlite_with_rowid=False),
        table(Column("id", Integer)),
    ],
)
def test_another_key_is_left_alone(thing: Table) -> None:
    operation = ops.CreateTableOp.from_table(thing)
    number_once(operation)
    assert OPTION not in operation.kw


@pytest.mark.parametrize("choice", [True, False])
def test_a_class_that_chooses_keeps_its_choice(choice: bool) -> None:
    operation = ops.CreateTableOp.from_table(table(key(Integer), sqlite_autoincrement=choice))
    number_once(operation)
    assert operation.kw == {OPTION: choice}


COPY = """
    with op.batch_alter_table("things") as table:
        table.alter_column("label", type_=sa.Text())
"""


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.connect() as opened:
        yield opened
    engine.dispose()


def next_after_a_copy(connection: Connection, columns: str) -> int | None:
    """The key of the row behind two, of which the second went before the table was copied."""
    for statement in (
        f"CREATE TABLE things ({columns})",
        "INSERT INTO things (label) VALUES ('a'), ('b')",
        "DELETE FROM things WHERE label = 'b'",
    ):
        connection.exec_driver_sql(statement)
    connection.commit()
    run(connection, COPY)
    assert "label TEXT" in text_of_things(connection)
    return connection.exec_driver_sql("INSERT INTO things (label) VALUES ('c')").lastrowid


def text_of_things(connection: Connection) -> str:
    found = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE name = 'things'")
    return str(found.scalar_one())


@pytest.mark.parametrize(
    "columns",
    [
        "id INTEGER PRIMARY KEY AUTOINCREMENT, label VARCHAR(9)",
        'label VARCHAR(9), "id" integer not null, primary key("id" autoincrement)',
    ],
)
def test_a_copy_goes_on_counting_where_its_table_was(connection: Connection, columns: str) -> None:
    assert next_after_a_copy(connection, columns) == 3
    counters = connection.exec_driver_sql("SELECT name, seq FROM sqlite_sequence").all()
    assert [tuple(each) for each in counters] == [("things", 3)]
    run(connection, COPY)
    assert "AUTOINCREMENT" in text_of_things(connection)


@pytest.mark.parametrize(
    "columns",
    [
        "id INTEGER PRIMARY KEY, label VARCHAR(9)",
        "id INTEGER PRIMARY KEY, label VARCHAR(9) DEFAULT ' autoincrement '",
    ],
)
def test_a_table_that_does_not_count_is_copied_as_it_is(
    connection: Connection, columns: str
) -> None:
    assert next_after_a_copy(connection, columns) == 2
    assert "AUTOINCREMENT" not in text_of_things(connection)


def test_a_copy_that_begins_to_count_begins_behind_its_rows(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE things (id INTEGER PRIMARY KEY, label VARCHAR(9))")
    connection.exec_driver_sql("INSERT INTO things (id, label) VALUES (7, 'a')")
    connection.commit()
    counting = f'"things", table_kwargs={{"{OPTION}": True}}'
    run(connection, COPY.replace('"things"', counting))
    connection.exec_driver_sql("INSERT INTO things (label) VALUES ('b')")
    connection.exec_driver_sql("DELETE FROM things WHERE id = 8")
    added = connection.exec_driver_sql("INSERT INTO things (label) VALUES ('c')")
    assert added.lastrowid == 9


@pytest.mark.parametrize(
    "change",
    [
        'table.alter_column("id", type_=sa.BigInteger())',
        'table.alter_column("id", type_=sa.String(9))',
        """table.drop_constraint("pk_things", type_="primary")
        table.create_primary_key("pk_things", ["id", "label"])""",
    ],
)
def test_a_copy_with_another_key_counts_no_longer(connection: Connection, change: str) -> None:
    connection.exec_driver_sql(
        "CREATE TABLE things (id INTEGER PRIMARY KEY AUTOINCREMENT, label VARCHAR(9) NOT NULL)"
    )
    connection.exec_driver_sql("INSERT INTO things (label) VALUES ('a')")
    connection.commit()
    run(connection, COPY.replace('table.alter_column("label", type_=sa.Text())', change))
    assert "AUTOINCREMENT" not in text_of_things(connection)
    rows = connection.exec_driver_sql("SELECT id, label FROM things").all()
    assert [(str(number), label) for number, label in rows] == [("1", "a")]
    assert connection.exec_driver_sql("SELECT name FROM sqlite_sequence").all() == []
