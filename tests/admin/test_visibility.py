"""Rules of visibility at the doors of the admin: what a visitor does not see is nowhere."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from tests.admin.house import House
from tests.admin.seen import declare, of_boss
from tests.admin.stock.models import Badge, Item
from tests.admin.stock_rules import (
    CATEGORIES,
    ITEMS,
    codes,
    counters,
    no_supplier,
    sharp,
    tools,
    with_tools,
)
from trivet import Identity
from trivet.rules import visible

pytestmark = pytest.mark.anyio


class TestRows:
    async def test_a_list_has_those_that_are_seen(self, house: House) -> None:
        declare(house, tools)
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get(ITEMS)
            assert page.chosen == ["1", "2"]
            assert "Bear" not in page.text
            assert "2 items" in page.words
            assert (await clerk.get(ITEMS)).chosen == ["1", "2", "3"]
            assert (await boss.get(f"{ITEMS}?q=bear")).chosen == []

    @pytest.mark.parametrize("page", ["change", "delete", "history"])
    async def test_a_page_of_another_is_that_of_a_missing_one(
        self, house: House, page: str
    ) -> None:
        declare(house, tools)
        async with house.visit() as boss:
            unseen = await boss.get(f"{ITEMS}3/{page}/")
            missing = await boss.get(f"{ITEMS}99/{page}/")
            assert unseen.status == missing.status
            assert unseen.headers.get("location") == missing.headers.get("location")
            assert "Bear" not in (await boss.get("/admin/")).text

    async def test_an_action_takes_no_other(self, house: House) -> None:
        declare(house, tools)
        async with house.visit() as boss:
            page = await boss.get(ITEMS)
            given = {"_selected_action": ["1", "3"], "action": "take_one_out"}
            await boss.send(page, **given)
            assert await house.rows("SELECT id, quantity FROM stock_item ORDER BY id") == [
                (1, 4), (2, 0), (3, 3),
            ]  # fmt: skip
            given["action"] = "delete_selected"
            asked = await boss.send(await boss.get(ITEMS), **given)
            assert "Bear" not in asked.text
            await boss.send(asked, post="yes")
        assert await house.rows("SELECT id FROM stock_item ORDER BY id") == [(2,), (3,)]

    async def test_what_goes_along_is_counted_and_not_shown(self, house: House) -> None:
        declare(house, tools)
        async with house.visit() as boss:
            page = await boss.get(f"{CATEGORIES}toys/delete/")
        assert "Bear" not in page.text
        assert "Items: 1" in page.words
        assert "1 more items" in page.words

    async def test_a_rule_may_ask_other_tables(self, house: House) -> None:
        declare(house, with_tools)
        async with house.visit() as boss:
            assert (await boss.get(CATEGORIES)).chosen == ["tools"]

    @pytest.mark.parametrize("asked", ["tags__isnull=True", "tags__isnull=1", "tags__isnull=False"])
    async def test_what_is_not_seen_is_not_there_for_a_filter_by_what_has_none(
        self, house: House, asked: str
    ) -> None:
        seen = await house.value("SELECT id FROM stock_tag WHERE name = 'sharp'")
        unseen = await house.value("SELECT max(id) FROM stock_tag WHERE name <> 'sharp'")
        has_none = not asked.endswith("False")
        async with house.visit() as boss:
            for item, tags in (("1", []), ("2", [str(unseen)]), ("3", [str(seen), str(unseen)])):
                await boss.edit(f"{ITEMS}{item}/change/", tags=tags)
            found = (await boss.get(f"{ITEMS}?{asked}")).chosen
            assert sorted(found) == (["1"] if has_none else ["2", "3"])
            declare(house, sharp)
            page = await boss.get(f"{ITEMS}?{asked}")
            assert sorted(page.chosen) == (["1", "2"] if has_none else ["3"])
            facets = (await boss.get(f"{ITEMS}?_facets=True")).words
            assert re.search(r"By tags? .*?sharp \(1\) - \(2\)", facets), facets
            # A filter that is chosen counts what its other choices would find.
            for chosen in (f"tags__id__exact={seen}", "tags__isnull=True"):
                facets = (await boss.get(f"{ITEMS}?{chosen}&_facets=True")).words
                assert re.search(r"By tags? .*?sharp \(1\) - \(2\)", facets), facets
            both = await boss.get(f"{ITEMS}?{asked}&category__code__exact=tools")
            assert sorted(both.chosen) == (["1", "2"] if has_none else [])

    async def test_a_row_that_its_writer_would_not_see_is_refused_whole(self, house: House) -> None:
        declare(house, tools)
        async with house.visit() as boss:
            page = await boss.edit(f"{ITEMS}1/change/", category="toys", name="Club")
            assert page.status == 200
            assert "You may not see an item with these values." in page.words
            assert page.form["name"] == "Club"
            added = await boss.edit(f"{ITEMS}add/", category="toys", name="Doll", quantity="1")
            assert "You may not see" in added.words
            inline = await boss.get(f"{CATEGORIES}tools/change/")
            assert "Hammer" in inline.text
        assert await house.rows("SELECT name, category_id FROM stock_item ORDER BY id") == [
            ("Hammer", "tools"), ("Saw", "tools"), ("Bear", "toys"),
        ]  # fmt: skip
        assert await house.told() == []


class TestRelations:
    async def test_choices_are_those_that_are_seen(self, house: House) -> None:
        declare(house, with_tools, no_supplier, sharp)
        async with house.visit() as boss:
            page = await boss.get(f"{ITEMS}add/")
            assert page.options["category"] == {"", "tools"}
            assert page.options["supplier"] == {""}
            assert page.options["tags"] == {"2"}
            words = [
                (await boss.send(page, name="X", category=key, tags=tags)).error_at(field)
                for key, tags, field in (
                    ("toys", [], "category"), ("none", [], "category"),
                    ("tools", ["1"], "tags"), ("tools", ["99"], "tags"),
                )
            ]  # fmt: skip
        assert words[0] == words[1]
        assert words[2].replace("1", "99") == words[3]
        assert await house.value("SELECT count(*) FROM stock_item") == 3

    async def test_what_a_row_refers_to_already_stays(self, house: House) -> None:
        declare(house, no_supplier, sharp)
        async with house.visit() as boss:
            page = await boss.edit(f"{ITEMS}1/change/", name="Mallet", tags=["2"])
            assert page.status == 302, page.words
            page = await boss.get(f"{ITEMS}1/change/")
            assert "Acme" not in page.text
            assert page.form["tags"] == ["2"]
            assert "heavy" not in page.text
            await boss.send(page, tags=[])
        assert await house.rows("SELECT name, supplier_id FROM stock_item WHERE id = 1") == [
            ("Mallet", 1)
        ]
        assert await house.rows("SELECT tag_id FROM stock_item_tag") == [(1,)]

    @pytest.mark.parametrize("way", ["autocomplete_fields", "raw_id_fields"])
    async def test_other_ways_to_choose_offer_no_more(
        self, house: House, monkeypatch: pytest.MonkeyPatch, way: str
    ) -> None:
        from django.contrib import admin

        from trivet_admin.mirror.registry import mirror

        declare(house, with_tools, no_supplier)
        items = admin.site.get_model_admin(mirror(Item))
        monkeypatch.setattr(items, way, ("category", "supplier"))
        async with house.visit() as boss:
            page = await boss.get(f"{ITEMS}1/change/")
            assert "Acme" not in page.text
            assert (await boss.send(page, category="toys")).error_at("category")
            assert (await boss.send(page, name="Hummer")).status == 302
            asked = "autocomplete/?app_label=stock&model_name=item&field_name=category&term="
            found = (await boss.http.get(f"/admin/{asked}")).json()
            assert [each["id"] for each in found["results"]] == ["tools"]
            popup = await boss.get(f"{CATEGORIES}?_popup=1&_to_field=code")
            assert "Tools" in popup.words
            assert "Toys" not in popup.words

    async def test_an_inline_shows_no_other_and_loses_none(self, house: House) -> None:
        @visible(Item)
        def full(actor: Identity) -> Any:
            return not of_boss(actor) or (Item.quantity > 0)

        declare(house, full)
        async with house.visit() as boss:
            page = await boss.get(f"{CATEGORIES}tools/change/")
            assert page.form["items-INITIAL_FORMS"] == "1"
            assert "Saw" not in page.text
            answer = await boss.send(page, **{"items-0-quantity": "7", "name": "Tool"})
            assert answer.status == 302, answer.words
            page = await boss.get(f"{CATEGORIES}tools/change/")
            forged = await boss.send(page, **{"items-0-id": "2", "items-0-name": "Mine"})
            assert "Mine" not in forged.text
            page = await boss.get(f"{CATEGORIES}tools/change/")
            vanished = await boss.send(page, **{"items-0-quantity": "0"})
            assert "You may not see" in vanished.words
        assert await house.rows("SELECT name, quantity FROM stock_item ORDER BY id") == [
            ("Hammer", 7), ("Saw", 0), ("Bear", 3),
        ]  # fmt: skip

    async def test_a_list_shows_a_related_row_by_its_key_alone(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.contrib import admin

        from trivet_admin.mirror.registry import mirror

        declare(house, no_supplier)
        items = admin.site.get_model_admin(mirror(Item))
        monkeypatch.setattr(items, "list_display", ("name", "supplier", "supplier__name"))
        monkeypatch.setattr(items, "list_editable", ())
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get(ITEMS)
            assert "supplier 1" in page.words
            assert "Acme" not in page.text
            assert "Acme" in (await clerk.get(ITEMS)).text

    async def test_so_it_does_at_the_end_of_a_path(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.contrib import admin

        from trivet_admin.mirror.registry import mirror

        declare(house, tools, no_supplier)
        await house.write(
            "UPDATE stock_item SET parent_id = 3 WHERE id = 1",
            "UPDATE stock_item SET parent_id = 1 WHERE id = 2",
        )
        items = admin.site.get_model_admin(mirror(Item))
        paths = ("parent__parent", "parent__parent__name", "parent__supplier__name")
        monkeypatch.setattr(items, "list_display", ("name", "parent__supplier", *paths))
        monkeypatch.setattr(items, "list_editable", ())
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get(ITEMS)
            assert page.chosen == ["1", "2"]
            assert "item 3" in page.words
            assert "supplier 1" in page.words
            for text in ("Bear", "Acme"):
                assert text not in page.text
                assert text in (await clerk.get(ITEMS)).text


ASKED: tuple[tuple[str, list[str], list[str]], ...] = (
    # By its own key the row says it itself.
    ("category__code__exact=toys", ["3"], ["3"]),
    ("category__name=Toys", [], ["3"]),
    ("category__name__startswith=T", ["1", "2"], ["1", "2", "3"]),
    ("tags__id__exact=1", [], ["1"]),
    ("tags__name=heavy", [], ["1"]),
    # Who sees none of its tags sees none.
    ("tags__isnull=True", ["1", "2", "3"], ["2", "3"]),
    ("q=toys", [], ["3"]),
    ("q=tools", ["1", "2"], ["1", "2"]),
    ("q=heav", [], ["1"]),
)
"""What a list is asked, and what the boss and the clerk find."""


class TestAsking:
    async def test_no_answer_depends_on_what_is_not_seen(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.contrib import admin

        from trivet_admin.mirror.registry import mirror

        declare(house, with_tools, sharp)
        items = admin.site.get_model_admin(mirror(Item))
        monkeypatch.setattr(items, "allowed_lookups", ("category__name", "tags__name"))
        monkeypatch.setattr(items, "search_fields", ("name", "=category__name", "tags__name"))
        async with house.visit() as boss, house.visit("clerk") as clerk:
            for query, by_boss, by_clerk in ASKED:
                assert (await boss.get(f"{ITEMS}?{query}")).chosen == by_boss, query
                assert (await clerk.get(f"{ITEMS}?{query}")).chosen == by_clerk, query

    async def test_what_cannot_be_asked_is_answered_as_django_does(self, house: House) -> None:
        declare(house, sharp)
        async with house.visit() as boss:
            answer = await boss.get(f"{ITEMS}?tags__id__exact__startswith=1")
            assert answer.headers["location"].endswith("?e=1")

    async def test_filters_list_no_more(
        self, house: House, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from django.contrib import admin

        from trivet_admin.mirror.registry import mirror

        declare(house, with_tools, sharp)
        items = admin.site.get_model_admin(mirror(Item))
        filters = (
            "category",
            "tags",
            "category__name",
            ("category", admin.RelatedOnlyFieldListFilter),
        )
        monkeypatch.setattr(items, "list_filter", filters)
        async with house.visit() as boss, house.visit("clerk") as clerk:
            sides = [
                re.findall(r"\?(?:category|tags)__[^\"]*", (await each.get(ITEMS)).text)
                for each in (boss, clerk)
            ]
        assert any("toys" in each.lower() for each in sides[1])
        assert not any("toys" in each.lower() for each in sides[0])
        assert any("tags__id__exact=1" in each for each in sides[1])
        assert not any("tags__id__exact=1" in each for each in sides[0])


class TestAttributes:
    async def test_what_is_hidden_is_nowhere(self, house: House) -> None:
        declare(house, codes)
        await house.write("UPDATE stock_item SET sku = 'HX-77' WHERE id = 1")
        async with house.visit() as boss, house.visit("clerk") as clerk:
            listed = await boss.get(ITEMS)
            assert "HX-77" not in listed.text
            assert "HX-77" in (await clerk.get(ITEMS)).text
            assert (await boss.get(f"{ITEMS}?q=HX-77")).chosen == []
            assert (await clerk.get(f"{ITEMS}?q=HX-77")).chosen == ["1"]
            for query in ("sku=HX-77", "sku__startswith=H", "keeper__username=boss"):
                assert (await boss.get(f"{ITEMS}?{query}")).status == 400
            page = await boss.get(f"{ITEMS}1/change/")
            assert {"sku", "keeper"}.isdisjoint(page.form)
            assert "HX-77" not in page.text
            sent = await boss.send(page, name="Mallet", sku="H2")
            assert sent.status == 302, sent.words
        assert await house.rows("SELECT name, sku FROM stock_item WHERE id = 1") == [
            ("Mallet", "HX-77")
        ]

    async def test_what_is_fixed_is_read_only(self, house: House) -> None:
        declare(house, counters)
        async with house.visit() as boss, house.visit("clerk") as clerk:
            page = await boss.get(f"{ITEMS}1/change/")
            assert {"quantity", "supplier"}.isdisjoint(page.form)
            assert "Acme" in page.text
            sent = await boss.send(page, name="Mallet", quantity="8", supplier="")
            assert sent.status == 302, sent.words
            listed = await boss.get(ITEMS)
            assert not any("quantity" in name for name in listed.form)
            assert "form-0-quantity" in (await clerk.get(ITEMS)).form
            inline = await boss.get(f"{CATEGORIES}tools/change/")
            assert not any(name.endswith("-quantity") for name in inline.form)
            assert (await boss.edit(f"{ITEMS}add/", name="Axe", category="tools")).status == 302
            # What no form can do an action of an author's tries.
            acted = await boss.send(
                await boss.get(ITEMS), _selected_action=["1"], action="take_one_out"
            )
            acted = await boss.get(acted.headers["location"])
            assert "You may not set quantity" in acted.words
        assert await house.rows(
            "SELECT name, quantity, supplier_id FROM stock_item WHERE id = 1"
        ) == [("Mallet", 5, 1)]


async def test_an_author_who_forgets_super_is_held_to_the_rules(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.contrib import admin

    from trivet_admin.mirror.registry import mirror
    from trivet_admin.site.seen_rows import plain_class

    declare(house, tools, codes)
    model = mirror(Item)
    plain = plain_class(admin.site.get_model_admin(model))
    everything: Any = model
    monkeypatch.setattr(plain, "get_queryset", lambda *_: everything.objects.all(), raising=False)
    monkeypatch.setattr(plain, "get_list_display", lambda *_: ("name", "sku"), raising=False)
    monkeypatch.setattr(
        plain, "get_fieldsets", lambda *_: [(None, {"fields": [("name", "sku")]})], raising=False
    )
    async with house.visit() as boss:
        page = await boss.get(ITEMS)
        assert page.chosen == ["1", "2"]
        assert "Sku" not in page.words
        assert "sku" not in (await boss.get(f"{ITEMS}1/change/")).form


async def test_who_does_not_see_what_a_new_row_needs_is_told_so(house: House) -> None:
    @visible(Item, "category")
    def none(actor: Identity) -> bool:
        return not of_boss(actor)

    declare(house, none)
    async with house.visit() as boss:
        refused = await boss.edit(f"{ITEMS}add/", name="Axe")
    assert "You may not save this: it needs another category, which you do not see." in (
        refused.words
    )
    assert "A value is needed" not in refused.words


async def test_the_way_to_a_page_on_the_site_is_for_those_who_see_the_row(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trivet_admin.mirror.registry import mirror

    declare(house, tools)
    model: Any = mirror(Item)
    monkeypatch.setattr(model, "get_absolute_url", lambda row: f"/items/{row.pk}", raising=False)
    number = await house.value("SELECT id FROM django_content_type WHERE model = 'item'")
    async with house.visit() as boss:
        seen = await boss.get(f"/admin/r/{number}/{quote('1')}/")
        assert seen.headers["location"].endswith("/items/1")
        assert (await boss.get(f"/admin/r/{number}/3/")).status == 404


async def test_without_a_rule_nothing_more_is_asked(
    house: House, statements_of: Callable[..., Any]
) -> None:
    async with house.visit() as boss:
        await boss.get(ITEMS)
        plain = await statements_of(boss.get(ITEMS))
        declare(house, of_badges)
        assert await statements_of(boss.get(ITEMS)) == plain


@visible(Badge)
def of_badges(_actor: Identity) -> bool:
    return False
