"""What a database refuses is told by its columns, whatever they and the constraints are called.

The constraints are somebody else's: the classes do not know their names.
"""

from collections.abc import Iterator

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Table,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.exc import IntegrityError

from trivet.data.violations import find_violation, note_violation

NAMES = [
    ("left", "right"),
    ("FirstHalf", "second_half"),
    ("of (some) kind", "SecondHalf"),
    ('said "so"', "user"),
    ("a-b", "C=D"),
]


def make_tables(metadata: MetaData, names: tuple[str, str], constraint: str | None) -> Table:
    unique = None if constraint is None else f"{constraint}Once"
    there = Table(
        "Odd Parent",
        metadata,
        *(Column(name, Integer, primary_key=True, autoincrement=False) for name in names),
    )
    return Table(
        "Odd Child",
        metadata,
        Column("id", Integer, primary_key=True),
        *(Column(name, Integer) for name in names),
        UniqueConstraint(*names, name=unique),
        ForeignKeyConstraint(names, [there.c[name] for name in names], name=constraint),
    )


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = create_engine(empty_database_url.replace("postgresql:", "postgresql+psycopg:"))
    event.listen(engine, "handle_error", note_violation)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("names", NAMES, ids=" ".join)
def test_columns_are_found_in_a_constraint_whose_name_is_not_known(
    engine: Engine, names: tuple[str, str]
) -> None:
    theirs, ours = MetaData(), MetaData()
    make_tables(theirs, names, "Theirs")
    child = make_tables(ours, names, None)
    parent = ours.tables["Odd Parent"]
    row = dict.fromkeys(names, 7)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA foreign_keys = ON")
        theirs.create_all(connection)
        connection.execute(parent.insert(), row)
        connection.execute(child.insert(), row)

        found = []
        for table, values in [(child, row), (parent, row), (child, dict.fromkeys(names, 8))]:
            with pytest.raises(IntegrityError) as caught, connection.begin_nested():
                connection.execute(table.insert(), values)
            violation = find_violation(caught.value)
            assert violation is not None
            found.append((violation.kind, [column.name for column in violation.columns]))
    assert found == [
        ("unique", list(names)),
        ("unique", list(names)),
        ("missing", list(names)),
    ]
