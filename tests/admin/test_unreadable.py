"""A row with a value that its column's type cannot read, as an old application may have left it."""

from collections.abc import Iterator

import pytest
from anyio import to_thread
from sqlalchemy import Connection

from tests.admin.house import House, engine_of

pytestmark = pytest.mark.anyio

LIST = "/admin/assorted/assorted/"


@pytest.fixture
def old(assorted_house: House, process_database_url: str) -> Iterator[Connection]:
    """A connection past every type."""
    engine = engine_of(process_database_url)
    with engine.connect() as connection:
        yield connection
        connection.exec_driver_sql("DELETE FROM assorted_assorted WHERE name = 'old'")
        connection.commit()
    engine.dispose()


@pytest.mark.parametrize(
    ("column", "stored"), [("level", "7"), ("token_char", "'none'"), ("by_name_in_text", "'GONE'")]
)
async def test_it_is_shown_and_nothing_is_saved_to_its_row(
    assorted_house: House, old: Connection, column: str, stored: str
) -> None:
    key = await to_thread.run_sync(insert, old, column, stored)
    async with assorted_house.visit() as boss:
        assert (await boss.get(LIST)).status == 200
        page = await boss.get(f"{LIST}{key}/change/")
        assert page.status == 200
        saved = await boss.send(page, name="new", _save="Save")
        assert "cannot read" in saved.words
        asked = await boss.get(f"{LIST}{key}/delete/")
        await boss.send(asked, post="yes")
        assert "cannot read" in (await boss.get(LIST)).words
    assert await to_thread.run_sync(name_of, old, key) == "old"


def insert(connection: Connection, column: str, stored: str) -> int:
    key: int = connection.exec_driver_sql(
        f"INSERT INTO assorted_assorted (name, version, {column}) "  # ours
        f"VALUES ('old', 1, {stored}) RETURNING id"
    ).scalar_one()
    connection.commit()
    return key


def name_of(connection: Connection, key: int) -> str | None:
    query = f"SELECT name FROM assorted_assorted WHERE id = {key}"  # ours
    name: str | None = connection.exec_driver_sql(query).scalar()
    connection.rollback()
    return name
