"""Relations and filters with more to choose from than a page can show."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from sqlalchemy import text

from tests.admin.forms import Page
from tests.admin.house import House, Visitor, engine_of
from trivet_admin.site.choosing import MAX_CHOICES
from trivet_admin.site.sizes import KEPT_SECONDS, Sizes, sizes

pytestmark = pytest.mark.anyio

ITEMS = "/admin/stock/item/"
TABLES = {
    "supplier": "INSERT INTO stock_supplier (name) VALUES (:name)",
    "tag": "INSERT INTO stock_tag (name) VALUES (:name)",
    "category": "INSERT INTO stock_category (code, name) VALUES (:name, :name)",
}


async def grow(house: House, *tables: str, rows: int = MAX_CHOICES + 1) -> None:
    """Let `tables` have so many rows more, as somebody else's work, a while ago."""
    for table in tables:
        names = [{"name": f"{table[:3]} {number}"} for number in range(rows)]
        await execute(house, TABLES[table], names)
    sizes.forget()


async def execute(house: House, statement: str, rows: list[dict[str, Any]] | None = None) -> None:
    """Let another program write to the database."""

    def work() -> None:
        engine = engine_of(house.platform.settings.database_url)
        with engine.begin() as connection:
            connection.execute(text(statement), rows)
        engine.dispose()

    await asyncio.to_thread(work)


async def give(house: House, *codenames: str) -> None:
    """Give the clerk more permissions."""
    await execute(
        house,
        "INSERT INTO accounts_user_user_permissions (user_id, permission_id) "
        "SELECT u.id, p.id FROM accounts_user u, auth_permission p "
        "WHERE u.username = 'clerk' AND p.codename = :codename",
        [{"codename": each} for each in codenames],
    )


def admin_of(name: str) -> Any:
    """The admin class of a model, which each test finds as its file has it."""
    from django.apps import apps
    from django.contrib import admin

    return admin.site.get_model_admin(apps.get_model("stock", name))


def widget_of(page: Page, name: str) -> str:
    """How a relation is chosen on a page."""
    tag = re.search(rf'<(?:select|input)[^>]*\bname="{name}"[^>]*>', page.text)
    assert tag is not None, name
    kinds = {"admin-autocomplete": "search", "vForeignKeyRawIdAdminField": "key"}
    kinds |= {"vManyToManyRawIdAdminField": "key", "selectfilter": "boxes"}
    found = [kind for mark, kind in kinds.items() if mark in tag.group(0)]
    if not found and tag.group(0).startswith("<input"):
        return "key"
    return found[0] if found else "select"


def has_script(page: Page, name: str) -> bool:
    return re.search(rf'<script src="[^"]*{name}[^"/]*\.js"', page.text) is not None


async def search(visitor: Visitor, field: str, term: str = "", **more: Any) -> Any:
    """What the form of an item is told of a relation."""
    asked = {"app_label": "stock", "model_name": "item", "field_name": field, "term": term}
    response = await visitor.http.get("/admin/autocomplete/", params={**asked, **more})
    if response.status_code != 200:
        return response.status_code
    return [each["text"] for each in response.json()["results"]]


FORM = f"{ITEMS}1/change/"


class TestForms:
    @pytest.mark.parametrize(
        ("rows", "may_see", "widget"),
        [
            (MAX_CHOICES - 1, True, "select"),  # with the one that is there
            (MAX_CHOICES, True, "search"),
            (MAX_CHOICES - 1, False, "select"),
            (MAX_CHOICES, False, "key"),
        ],
    )
    @pytest.mark.parametrize("table", ["supplier", "tag"])
    async def test_a_table_is_listed_up_to_the_bound(
        self, house: House, table: str, rows: int, may_see: bool, widget: str
    ) -> None:
        rows -= table == "tag"  # two are there
        await grow(house, table, rows=rows)
        if may_see:
            await give(house, f"view_{table}")
        async with house.visit("clerk") as clerk:
            page = await clerk.get(FORM)
            assert page.status == 200
            assert widget_of(page, "supplier" if table == "supplier" else "tags") == widget
            # What is chosen stays chosen, however it is shown.
            saved = await clerk.send(page, quantity="6")
        assert saved.status == 302, saved.words
        assert await house.rows("SELECT supplier_id, quantity FROM stock_item WHERE id = 1") == [
            (1, 6)
        ]
        assert await house.rows("SELECT tag_id FROM stock_item_tag WHERE item_id = 1") == [(1,)]

    async def test_a_key_can_be_typed_and_is_refused_at_its_field(self, house: House) -> None:
        await grow(house, "supplier", "tag")
        async with house.visit("clerk") as clerk:
            page = await clerk.get(FORM)
            assert "Acme" in page.words  # the text of the key that is there
            assert "The key of a supplier." in page.words
            refused = await clerk.send(page, supplier="99999", tags="1,nothing")
            assert "valid choice" in refused.error_at("supplier")
            assert refused.error_at("tags")
            saved = await clerk.send(page, supplier="7", tags="2,5")
        assert saved.status == 302, saved.words
        assert await house.value("SELECT supplier_id FROM stock_item WHERE id = 1") == 7
        linked = "SELECT tag_id FROM stock_item_tag WHERE item_id = 1 ORDER BY tag_id"
        assert await house.rows(linked) == [(2,), (5,)]

    async def test_who_may_not_see_a_table_gets_no_way_to_its_pages(self, house: House) -> None:
        await grow(house, "supplier")
        async with house.visit("clerk") as clerk:
            page = await clerk.get(FORM)
            assert "/admin/stock/supplier/" not in page.text
            assert await search(clerk, "supplier") == 403

    async def test_what_the_author_says_is_done(self, house: House) -> None:
        await grow(house, "supplier", "tag")
        said: list[tuple[dict[str, Any], str, str]] = [
            ({}, "search", "search"),
            ({"raw_id_fields": ("supplier", "tags")}, "key", "key"),
            ({"filter_horizontal": ("tags",)}, "search", "search"),
            ({"max_choices": None}, "select", "select"),
            ({"max_choices": None, "filter_vertical": ("tags",)}, "select", "boxes"),
            ({"max_choices": 10_000, "filter_horizontal": ("tags",)}, "select", "boxes"),
        ]
        item_admin = admin_of("Item")
        plain = dict(vars(item_admin))
        async with house.visit() as boss:
            for options, supplier, tags in said:
                vars(item_admin).clear()
                vars(item_admin).update(plain | options)
                page = await boss.get(FORM)
                shown = (widget_of(page, "supplier"), widget_of(page, "tags"))
                assert shown == (supplier, tags), options

    async def test_an_authors_own_rows_are_never_mixed_with_others(self, house: House) -> None:
        from django.apps import apps

        await grow(house, "supplier", "tag")
        item_admin = admin_of("Item")
        own = item_admin.formfield_for_foreignkey
        few = apps.get_model("stock", "Supplier").objects.filter(name__startswith="sup 29")

        def limited(db_field: Any, request: Any, **options: Any) -> Any:
            if db_field.name == "supplier":
                options["queryset"] = few
            return own(db_field, request, **options)

        item_admin.formfield_for_foreignkey = limited
        async with house.visit() as boss:
            page = await boss.get(FORM)
        assert widget_of(page, "supplier") == "select"
        assert len(page.options["supplier"]) == 1 + len("0123456789") + 1  # "sup 29" itself, none

    async def test_inlines_and_editable_lists_search_too(self, house: House) -> None:
        await grow(house, "supplier", "category")
        item_admin = admin_of("Item")
        item_admin.list_display = ("name", "supplier")
        item_admin.list_editable = ("supplier",)
        inline: Any = admin_of("Category").inlines[0]
        shown = inline.fields
        inline.fields = (*shown, "supplier")
        try:
            async with house.visit() as boss:
                form = await boss.get("/admin/stock/category/tools/change/")
                rows = await boss.get(ITEMS)
        finally:
            inline.fields = shown
        assert widget_of(form, "items-0-supplier") == "search"
        assert widget_of(form, "items-__prefix__-supplier") == "search"
        assert widget_of(rows, "form-0-supplier") == "search"
        assert has_script(rows, "autocomplete")

    async def test_a_page_asks_for_no_table_whole_and_counts_none(
        self, house: House, statements_of: Callable[..., Any]
    ) -> None:
        await grow(house, "supplier", "tag", "category")
        async with house.visit() as boss:
            first = await statements_of(boss.get(FORM))
            second = await statements_of(boss.get(FORM))
        tables = ("stock_supplier", "stock_tag", "stock_category")
        asked = [each for each in first if any(f'FROM "{name}"' in each for name in tables)]
        assert not any("COUNT" in each.upper() for each in asked)
        assert len([each for each in asked if "OFFSET" in each]) == len(tables)
        assert not any("OFFSET" in each for each in second)


class TestSearching:
    async def test_rows_are_found_by_what_is_shown_of_them(self, house: House) -> None:
        await grow(house, "supplier")
        first = ["Acme", *(f"sup {number}" for number in range(19))]
        expected = {
            "": first,
            "acme": ["Acme"],
            "p 30": ["sup 30", "sup 130", "sup 230", "sup 300"],
            "292": ["sup 290", "sup 292"],  # one of them by its key
            "SUP 299": ["sup 299"],
            "cme a": ["Acme"],
            "nothing": [],
            "99999999999999999999999": [],
            "\0": first,
            "%": [],
        }
        async with house.visit() as boss:
            found = {term: await search(boss, "supplier", term) for term in expected}
        assert found == expected

    async def test_a_column_that_no_page_shows_is_not_searched(self, house: House) -> None:
        await grow(house, "category")
        await grow(house, "supplier")
        admin_of("Supplier").exclude = ("name",)
        admin_of("Category").list_display = ("code",)
        async with house.visit() as boss:
            assert await search(boss, "supplier", "acme") == []
            assert await search(boss, "category", "tools") == ["category tools"]
            assert await search(boss, "category", "Tools and") == []

    async def test_the_last_page_is_said_to_be_it_without_a_count(
        self, house: House, statements_of: Callable[..., Any]
    ) -> None:
        await grow(house, "supplier", rows=44)
        asked = {"app_label": "stock", "model_name": "item", "field_name": "supplier"}
        more = []
        async with house.visit() as boss:
            for number in (1, 2, 3, 4, 501, 10**30):
                path = f"/admin/autocomplete/?{urlencode({**asked, 'page': number})}"
                statements = await statements_of(boss.get(path))
                assert not any("COUNT(" in each.upper() for each in statements)
                response = await boss.http.get(path)
                answer = json.loads(response.text) if response.status_code == 200 else None
                more.append(answer and (len(answer["results"]), answer["pagination"]["more"]))
        assert more == [(20, True), (20, True), (5, False), None, None, None]

    async def test_the_list_of_a_model_has_no_search_that_nobody_asked_for(
        self, house: House
    ) -> None:
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/supplier/?q=nobody")
        assert "changelist-search" not in page.text
        assert "Acme" in page.words

    async def test_a_relation_to_a_column_that_is_no_key_gives_its_value(
        self, house: House
    ) -> None:
        await grow(house, "tag")
        asked = {"app_label": "stock", "model_name": "guest", "field_name": "tag_name"}
        async with house.visit() as boss:
            response = await boss.http.get("/admin/autocomplete/", params={**asked, "term": "shar"})
            assert response.json()["results"] == [{"id": "sharp", "text": "sharp"}]
            page = await boss.get("/admin/stock/guest/add/")
            assert widget_of(page, "tag_name") == "search"
            saved = await boss.send(page, name="Ann", code="ab", tag_name="sharp")
        assert saved.status == 302, saved.words
        assert await house.value("SELECT tag_name FROM stock_guest") == "sharp"


class TestFilters:
    async def test_a_filter_over_many_rows_searches_for_one(self, house: House) -> None:
        await grow(house, "category", "tag")
        async with house.visit() as boss:
            page = await boss.get(f"{ITEMS}?q=a&o=1&category__code__exact=toys")
        assert page.status == 200
        assert "toys/Bear" in page.words
        assert "tools/Hammer" not in page.words
        assert len(page.text) < 60_000
        form = page.text[page.text.index('class="typed-filter"') :]
        form = form[: form.index("</form>")]
        assert 'name="category__code__exact"' in form
        assert '<option value="toys" selected>category toys</option>' in form
        assert form.count("<option") == 2  # and none
        hidden = re.findall(r'name="(\w+)" value="([^"]*)"', form)
        assert sorted(hidden) == [("o", "1"), ("q", "a")]
        assert has_script(page, "js/autocomplete")
        assert has_script(page, "trivet_admin/filters")

    async def test_who_may_not_see_the_rows_types_a_key(self, house: House) -> None:
        await grow(house, "supplier")
        admin_of("Item").list_filter = ("supplier",)
        async with house.visit("clerk") as clerk:
            page = await clerk.get(f"{ITEMS}?supplier__id__exact=1")
            assert 'placeholder="Key of a supplier"' in page.text
            assert "tools/Hammer" in page.words
            assert "toys/Bear" not in page.words
            page = await clerk.get(f"{ITEMS}?supplier__id__exact=")
            assert "toys/Bear" in page.words
            page = await clerk.get(f"{ITEMS}?supplier__isnull=True")
            assert "tools/Hammer" not in page.words
            assert "toys/Bear" in page.words
            response = await clerk.http.get(f"{ITEMS}?supplier__id__exact=abc")
        assert (response.status_code, response.headers["location"]) == (302, f"{ITEMS}?e=1")

    async def test_a_column_with_very_many_values_is_typed(self, house: House) -> None:
        await grow(house, "supplier")
        admin_of("Supplier").list_filter = ("name",)
        expected = {
            "": 100,
            "name__icontains=sup%2029": 11,
            "name__icontains=": 100,
            "name=sup%2029": 1,
            "name__icontains=nothing": 0,
        }
        shown = {}
        async with house.visit() as boss:
            for query in expected:
                page = await boss.get(f"/admin/stock/supplier/?{query}")
                assert 'placeholder="Part of it"' in page.text
                assert len(page.text) < 60_000
                shown[query] = page.text.count('class="action-checkbox"')
        assert shown == expected

    async def test_few_values_in_many_rows_are_listed(self, house: House) -> None:
        await grow(house, "supplier")
        await execute(house, "UPDATE stock_supplier SET name = 'even' WHERE id % 2 = 0")
        await execute(house, "UPDATE stock_supplier SET name = 'odd' WHERE id % 2 = 1")
        admin_of("Supplier").list_filter = ("name",)
        async with house.visit() as boss:
            page = await boss.get("/admin/stock/supplier/")
        assert "typed-filter" not in page.text
        assert re.findall(r"\?name=(\w+)", page.text) == ["even", "odd"]

    async def test_only_the_rows_that_are_used_are_counted_where_only_they_are_listed(
        self, house: House
    ) -> None:
        from django.contrib.admin import RelatedOnlyFieldListFilter

        await grow(house, "supplier")
        admin_of("Item").list_filter = (("supplier", RelatedOnlyFieldListFilter),)
        async with house.visit() as boss:
            page = await boss.get(ITEMS)
        assert "typed-filter" not in page.text
        assert "Acme" in page.words

    async def test_facets_count_what_is_listed_and_nothing_else(
        self, house: House, statements_of: Callable[..., Any]
    ) -> None:
        await grow(house, "category")
        async with house.visit() as boss:
            page = await boss.get(f"{ITEMS}?_facets=True")
            seen = await statements_of(boss.get(f"{ITEMS}?_facets=True"))
        assert page.status == 200
        assert "heavy (1)" in page.words
        assert max(each.count("COUNT(") for each in seen) <= 3  # two tags, and none

    async def test_an_author_can_have_djangos_filters(self, house: House) -> None:
        await grow(house, "category")
        admin_of("Item").max_choices = None
        async with house.visit() as boss:
            page = await boss.get(ITEMS)
        assert page.text.count("?category__code__exact=") == MAX_CHOICES + 3


@pytest.mark.once  # no database is asked
class TestWhatIsRemembered:
    def test_a_table_is_asked_once_a_minute_and_does_not_change_to_and_fro(self) -> None:
        now, rows = 0.0, Rows(MAX_CHOICES)
        known = Sizes(lambda: now)

        def is_large() -> bool:
            return known.is_above("table", rows, MAX_CHOICES)

        assert not is_large()
        rows.number += 1
        assert not is_large()
        assert rows.asked == [MAX_CHOICES]
        now += KEPT_SECONDS
        assert is_large()
        rows.number -= 50
        now += KEPT_SECONDS
        assert is_large()
        rows.number = MAX_CHOICES * 2 // 3
        now += KEPT_SECONDS
        assert not is_large()
        rows.number = MAX_CHOICES
        now += KEPT_SECONDS
        assert not is_large()


class Rows:
    """As much of a queryset as is asked."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.asked: list[int] = []

    def order_by(self) -> "Rows":
        return self

    def __getitem__(self, part: slice) -> "Rows":
        assert part.stop == part.start + 1
        self.asked.append(part.start)
        return self

    def exists(self) -> bool:
        return self.number > self.asked[-1]
