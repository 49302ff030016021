"""Rows that the mapped class cannot load, where other pages than their own need them."""

import pytest
from sqlalchemy import text

from tests.admin.house import House

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ruined(keyed_house: House) -> None:
    """Three wares, two of which have a weather that is no more."""
    statements = (
        *(f"DELETE FROM keyed_{table}" for table in ("packing", "ware", "shelf", "parcel")),
        "INSERT INTO keyed_parcel (id, name) VALUES (101, 'red')",
        "INSERT INTO keyed_shelf (id) VALUES (101)",
        "INSERT INTO keyed_ware (code, weather, shelf_id) VALUES ('old', 'HAIL', 101), "
        "('older', 'HAIL', NULL), ('new', 'FINE', NULL)",
    )
    async with keyed_house.platform.database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))


async def test_a_list_shows_it_and_the_log_tells_of_it_once(
    keyed_house: House, ruined: None, caplog: pytest.LogCaptureFixture
) -> None:
    async with keyed_house.visit() as boss:
        caplog.clear()
        for number in (1, 2):
            page = await boss.get("/admin/keyed/ware/")
            assert "new new Fine" in page.words  # what is asked of the mapped object is there
            assert "old - -" in page.words
            assert "older - -" in page.words
            told = [each for each in caplog.messages if "keyed_ware.weather holds" in each]
            assert len(told) == number


async def test_no_row_refers_to_one_that_a_rule_cannot_read(
    keyed_house: House, ruined: None
) -> None:
    async with keyed_house.visit() as boss:
        page = await boss.edit("/admin/keyed/packing/add/", parcel="101", ware="old")
        assert page.status == 200
        assert "a value that the type of its column cannot read" in page.error_at("ware")
        page = await boss.send(page, ware="new")
        assert page.status == 302, page.words
    assert await keyed_house.rows("SELECT ware_code FROM keyed_packing") == [("new",)]


async def test_its_row_is_not_deleted_with_what_would_go_unseen(
    keyed_house: House, ruined: None
) -> None:
    async with keyed_house.visit() as boss:
        page = await boss.get("/admin/keyed/ware/")
        asked = await boss.send(page, action="delete_selected", _selected_action=page.chosen)
        assert asked.status == 200
        await boss.send(asked, action="delete_selected", post="yes")
        assert "cannot read" in (await boss.get("/admin/keyed/ware/")).words
    assert await keyed_house.value("SELECT count(*) FROM keyed_ware") == 3
    assert await keyed_house.value("SELECT count(*) FROM keyed_shelf") == 1
