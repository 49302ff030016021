"""The admin's lists: search, filters, editing in the list, actions, permissions."""

import pytest
from sqlalchemy import text

from tests.admin.house import House

pytestmark = pytest.mark.anyio

ITEMS = "/admin/stock/item/"
QUANTITIES = "SELECT quantity FROM stock_item ORDER BY id"


class TestLooking:
    @pytest.mark.parametrize(
        ("query", "shown", "hidden"),
        [
            ("", ["tools/Hammer", "tools/Saw", "toys/Bear"], []),
            ("?q=saw", ["tools/Saw"], ["tools/Hammer", "toys/Bear"]),
            ("?q=Toys", ["toys/Bear"], ["tools/Saw"]),
            ("?category__code__exact=toys", ["toys/Bear"], ["tools/Hammer"]),
            ("?tags__id__exact=1", ["tools/Hammer"], ["tools/Saw", "toys/Bear"]),
            ("?o=-3", ["tools/Hammer", "toys/Bear", "tools/Saw"], []),
        ],
    )
    async def test_a_list_shows_what_was_asked_for(
        self, house: House, query: str, shown: list[str], hidden: list[str]
    ) -> None:
        async with house.visit() as boss:
            page = await boss.get(ITEMS + query)
        assert page.status == 200
        places = [page.words.find(each) for each in shown]
        assert -1 not in places
        assert places == sorted(places)
        assert not any(each in page.words for each in hidden)

    @pytest.mark.once  # the bound is kept before any database is asked
    @pytest.mark.parametrize("path", [ITEMS, "/admin/accounts/user/", "/admin/auth/group/"])
    @pytest.mark.parametrize(
        ("search", "status"),
        [
            ("saw " * 32, 200),
            ("s" * 500, 200),
            ("saw " * 33, 400),
            ("s " * 15_000, 400),
            ("s" * 501, 400),
            ("\u2003".join("s" * 33), 400),
        ],
    )
    async def test_a_search_has_a_bound_in_every_list(
        self, house: House, path: str, search: str, status: int
    ) -> None:
        async with house.visit() as boss:
            response = await boss.http.get(path, params={"q": search})
        assert response.status_code == status
        assert ("A search may have" in response.text) == (status == 400)

    @pytest.mark.once  # as above
    async def test_an_autocompletion_has_the_same_bound(self, house: House) -> None:
        asked = {"app_label": "stock", "model_name": "item", "field_name": "category"}
        async with house.visit() as boss:
            response = await boss.http.get(
                "/admin/autocomplete/", params={**asked, "term": "x " * 15_000}
            )
        assert response.status_code == 400

    async def test_a_relation_is_shown_as_the_mapped_class_says_it(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get(ITEMS)
        assert "category tools" in page.words

    async def test_the_index_has_the_features_first_and_access_last(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/")
        assert "<title>Overview | Trivet</title>" in " ".join(page.text.split())
        assert page.words.index("Stock") < page.words.index("Access")
        access = page.words[page.words.index("Access") :]
        assert [name for name in ("Users", "Groups", "API keys") if name not in access] == []

    async def test_a_features_own_page_shows_that_feature_alone(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/")
        content = page.words[page.words.index("Stock administration") :]
        assert "Items" in content

    async def test_a_get_opens_no_transaction_and_waits_for_no_writer(self, house: House) -> None:
        async with house.visit() as boss, house.platform.database.engine.connect() as writer:
            await writer.execute(text("UPDATE stock_category SET name = '99'"))
            page = await boss.get(ITEMS)
            await writer.rollback()
        assert page.status == 200


class TestEditingInTheList:
    async def test_a_changed_cell_changes_its_row_alone(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get(ITEMS)
            page = await clerk.send(page, **{"form-0-quantity": "6", "_save": "Save"})
        assert page.status == 302, page.words
        assert await house.rows("SELECT quantity, version FROM stock_item ORDER BY id") == [
            (6, 2),
            (0, 1),
            (3, 1),
        ]
        assert [(t.kind, t.name, t.old) for t in await house.told()] == [
            ("update", "Hammer", {"quantity": 5})
        ]

    async def test_a_row_that_changed_meanwhile_is_refused_and_no_row_is_saved(
        self, house: House
    ) -> None:
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get(ITEMS)
            await clerk.edit("/admin/stock/item/1/change/", quantity="8")
            cells = {"form-0-quantity": "1", "form-1-quantity": "1", "_save": "Save"}
            page = await boss.send(page, **cells)
        assert page.status == 200
        assert "Someone else changed this" in page.words
        assert await house.rows(QUANTITIES) == [(8,), (0,), (3,)]

    async def test_a_row_that_only_another_changed_stays_as_the_other_left_it(
        self, house: House
    ) -> None:
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get(ITEMS)
            await clerk.edit("/admin/stock/item/2/change/", name="Handsaw")
            page = await boss.send(page, **{"form-0-quantity": "1", "_save": "Save"})
        assert page.status == 302, page.words
        assert await house.rows("SELECT name, quantity FROM stock_item ORDER BY id") == [
            ("Hammer", 1),
            ("Handsaw", 0),
            ("Bear", 3),
        ]

    async def test_a_constraint_that_one_row_breaks_undoes_all_rows(self, house: House) -> None:
        async with house.visit() as boss:
            page = await boss.get(ITEMS)
            cells = {"form-0-quantity": "1", "form-1-quantity": "-1", "_save": "Save"}
            page = await boss.send(page, **cells)
        assert page.status == 200
        assert "quantity must satisfy: quantity_not_negative" in page.words
        assert await house.rows(QUANTITIES) == [(5,), (0,), (3,)]
        assert await house.told() == []
        assert await house.rows("SELECT id FROM django_admin_log") == []


class TestActions:
    async def act(self, house: House, action: str, *keys: str, user: str = "clerk") -> str:
        """Choose rows and an action; the words of the page that follows."""
        async with house.visit(user) as visitor:
            page = await visitor.get(ITEMS)
            page = await visitor.send(
                page, action=action, _selected_action=list(keys), index="0", _save=None
            )
            assert page.status in (200, 302), page.words
            if page.status == 200:  # delete selected asks first
                page = await visitor.send(page)
            return (await visitor.get(ITEMS)).words

    async def test_a_service_works_in_the_admins_transaction(self, house: House) -> None:
        words = await self.act(house, "take_one_out", "1", "3")
        assert "Taken out." in words
        assert await house.rows(QUANTITIES) == [(4,), (0,), (2,)]
        assert [(t.name, t.actor) for t in await house.told()] == [("Hammer", "clerk")]
        assert [(t.name, t.actor) for t in await house.told("stock:toys")] == [("Bear", "clerk")]

    async def test_a_service_that_refuses_becomes_a_message_and_undoes_the_action(
        self, house: House
    ) -> None:
        words = await self.act(house, "take_one_out", "1", "2")  # there is no saw left
        assert "There are too few of Saw." in words
        assert "Taken out." not in words
        assert await house.rows(QUANTITIES) == [(5,), (0,), (3,)]
        assert await house.told() == []

    async def test_deleting_the_selected_rows_passes_sqlalchemy(self, house: House) -> None:
        words = await self.act(house, "delete_selected", "1", "2", user="boss")
        assert "Successfully deleted 2 items" in words
        assert await house.rows("SELECT name FROM stock_item") == [("Bear",)]
        assert await house.rows("SELECT * FROM stock_item_tag") == []
        told = await house.told()
        deleted = sorted(t.name for t in told if t.kind == "delete")
        # Before that Django takes the tags of the Hammer, which is a change of it.
        assert (deleted, len(told)) == (["Hammer", "Saw"], 3)
        assert await house.value("SELECT count(*) FROM django_admin_log") == 2


class TestPermissions:
    """Django's permissions, for mirrored models as for its own."""

    @pytest.mark.parametrize(
        ("user", "method", "path", "status"),
        [
            ("clerk", "GET", ITEMS, 200),
            ("clerk", "GET", "/admin/stock/item/1/change/", 200),
            ("clerk", "GET", "/admin/stock/item/add/", 403),
            ("clerk", "GET", "/admin/stock/item/1/delete/", 403),
            ("clerk", "POST", "/admin/stock/category/tools/change/", 403),
            ("clerk", "GET", "/admin/stock/tag/", 403),
            ("clerk", "GET", "/admin/accounts/user/", 403),
            ("boss", "GET", "/admin/accounts/user/", 200),
            ("guest", "GET", ITEMS, 302),
        ],
    )
    async def test_who_may_do_what(
        self, house: House, user: str, method: str, path: str, status: int
    ) -> None:
        async with house.visit(user) as visitor:
            token = visitor.http.cookies.get("csrftoken", "")
            response = await visitor.http.request(
                method, path, data={"csrfmiddlewaretoken": token} if method == "POST" else None
            )
        assert response.status_code == status

    async def test_whoever_may_only_look_sees_the_values_and_no_version(self, house: House) -> None:
        async with house.visit("clerk") as clerk:
            page = await clerk.get("/admin/stock/category/tools/change/")
        assert page.status == 200
        assert "Tools" in page.words
        assert "name" not in page.form

    async def test_a_form_of_another_site_is_refused(self, house: House) -> None:
        async with house.visit() as boss:
            response = await boss.http.post(
                "/admin/stock/item/1/change/",
                data={"name": "Stolen"},
                headers={"origin": "https://elsewhere.example"},
            )
        assert response.status_code == 403
        assert await house.value("SELECT name FROM stock_item WHERE id = 1") == "Hammer"
