"""Rules of visibility in the trail: of what its reader does not see, it tells nothing."""

import pytest

from tests.admin.house import House
from tests.admin.seen import declare
from tests.admin.stock_rules import ITEMS, codes, sharp, tools

pytestmark = pytest.mark.anyio


TRAIL = "/admin/trivet/auditentry/"


class TestTheTrail:
    @pytest.fixture
    async def house(self, house: House) -> House:
        """Everybody's items have a history, and one is gone."""
        async with house.visit() as boss:
            await boss.edit(f"{ITEMS}1/change/", name="Mallet", sku="MX-1")
            await boss.edit(f"{ITEMS}3/change/", name="Panda", sku="PX-3")
            added = await boss.edit(f"{ITEMS}add/", name="Pliers", category="tools", quantity="1")
            assert added.status == 302
            await boss.edit(f"{ITEMS}4/delete/")
        return house

    async def test_has_no_row_and_no_value_that_is_not_seen(self, house: House) -> None:
        async with house.visit() as boss:
            whole = (await boss.get(TRAIL)).text
            assert all(word in whole for word in ("Panda", "Pliers", "MX-1"))
            declare(house, tools)
            page = await boss.get(TRAIL)
            assert "name: Hammer → Mallet" in page.words
            # The row is gone, and nobody can say whether it was one that is seen.
            assert not any(word in page.text for word in ("Panda", "PX-3", "Pliers"))
            assert page.words.count("not shown: you may not view items") == 3
            overview = (await boss.get("/admin/")).text
            assert not any(word in overview for word in ("Panda", "item 3"))
            declare(house, codes)
            page = await boss.get(TRAIL)
            assert "name: Hammer → Mallet" in page.words
            assert "MX-1" not in page.text
            history = await boss.get(f"{ITEMS}1/history/")
            assert "Mallet" in history.text
            assert "MX-1" not in history.text

    async def test_does_not_find_what_is_not_seen(self, house: House) -> None:
        asked = ("q=Panda", "q=MX-1", "q=3", "row_key=3", "row_key=4", "row_key=1")
        queries = {each: f"{TRAIL}?{each}&table_name=stock_item" for each in asked}
        async with house.visit() as boss:
            for query in queries.values():
                assert "0 audit entries" not in (await boss.get(query)).words
            declare(house, tools, codes)
            for each, query in queries.items():
                is_empty = "0 audit entries" in (await boss.get(query)).words
                assert is_empty == (each != "row_key=1"), each

    async def test_shows_no_entry_s_own_page(self, house: House) -> None:
        number = await house.value("SELECT max(id) FROM trivet_audit_entry WHERE row_key = '3'")
        declare(house, tools)
        async with house.visit() as boss:
            page = await boss.get(f"{TRAIL}{number}/change/")
        assert page.status == 200
        assert "Panda" not in page.text

    async def test_names_no_member_that_is_not_seen(self, house: House) -> None:
        seen = await house.value("SELECT id FROM stock_tag WHERE name = 'sharp'")
        unseen = await house.value("SELECT max(id) FROM stock_tag WHERE name <> 'sharp'")
        by_value = f"{TRAIL}?q=removed&table_name=stock_item"
        async with house.visit() as boss:
            await boss.edit(f"{ITEMS}2/change/", tags=[])
            await boss.edit(f"{ITEMS}2/change/", tags=[str(unseen)])
            await boss.edit(f"{ITEMS}2/change/", tags=[str(seen), str(unseen)])
            await boss.edit(f"{ITEMS}2/change/", tags=[])
            pages = [await boss.get(TRAIL), await boss.get(f"{ITEMS}2/history/")]
            assert all(f"+{unseen}" in page.words for page in pages)
            assert f"−{unseen} −{seen}" in pages[0].words
            assert "0 audit entries" not in (await boss.get(by_value)).words
            declare(house, sharp)
            pages = [await boss.get(TRAIL), await boss.get(f"{ITEMS}2/history/")]
            for page in pages:
                assert f"+{seen}" in page.words
                assert f"−{seen}" in page.words
                assert f"+{unseen}" not in page.text
                assert f"−{unseen}" not in page.text
            assert "0 audit entries" in (await boss.get(by_value)).words
