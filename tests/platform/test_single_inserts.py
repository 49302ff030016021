"""A new row that is sent past SQLAlchemy's execution is, in the database, in the object and in the
trail, the row that SQLAlchemy's own way makes. Who listens to statements gets SQLAlchemy's way, so
each row is made by both."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import FlushError

from tests.platform.notes import Note
from tests.platform.single_rows import (
    CRATE,
    REFUSED,
    ROWS,
    Beast,
    Bird,
    Crate,
    Named,
    Numbered,
    listen,
    make,
)
from tests.platform.trail import execute
from trivet.data import single_inserts
from trivet.data.database import Database
from trivet.data.violations import find_violation

pytestmark = [pytest.mark.anyio, pytest.mark.database("postgresql")]


async def test_a_row_is_the_same_by_both_ways(database: Database) -> None:
    short = {name: await make(database, row) for name, row in ROWS.items()}
    heard = listen(database)
    whole = {name: await make(database, row) for name, row in ROWS.items()}
    assert len([each for each in heard if each.startswith("INSERT INTO test_")]) >= len(ROWS)
    for name in ROWS:
        assert short[name] == whole[name], name


async def test_what_the_database_refuses_is_the_same_error_by_both_ways(
    database: Database,
) -> None:
    async with database.unit() as session:
        session.add(Note(board="a", text="taken"))

    async def fail(row: Callable[[], Any]) -> tuple[Any, ...]:
        with pytest.raises(DBAPIError) as failed:
            await make(database, row)
        violation = find_violation(failed.value)
        found = violation and (violation.kind, violation.table, violation.columns)
        said = [line for line in str(failed.value).splitlines() if not line.startswith("DETAIL")]
        return type(failed.value), failed.value.statement, said, found

    short = {name: await fail(row) for name, row in REFUSED.items()}
    listen(database)
    assert short == {name: await fail(row) for name, row in REFUSED.items()}


async def test_a_trigger_that_keeps_a_row_away_is_an_error(database: Database) -> None:
    await execute(
        database,
        "CREATE FUNCTION nothing() RETURNS trigger AS 'BEGIN RETURN NULL; END' LANGUAGE plpgsql",
        "CREATE TRIGGER nothing BEFORE INSERT ON test_single_numbered "
        "FOR EACH ROW EXECUTE FUNCTION nothing()",
    )
    with pytest.raises(FlushError):
        await make(database, lambda: Numbered(name="n"))


async def test_the_common_rows_do_go_past_sqlalchemy(database: Database) -> None:
    """Or all of the above would compare SQLAlchemy with itself."""
    for row in (lambda: Crate(**CRATE), lambda: Named(row=1), Bird, lambda: Numbered(name="n")):
        await make(database, row)
    made = {
        table.name: statement
        for each in single_inserts._known.values()
        for (table, *_), statement in each.items()
    }
    for model in (Crate, Named, Bird, Beast, Numbered):
        assert made[str(model.__tablename__)] is not None, model
