"""Classes whose attributes, classes and tables are called as no Django project's are."""

from typing import Any

import msgspec
import pytest

from tests.admin.house import House, Visitor
from tests.admin.seen import declare
from trivet import Identity
from trivet.errors import ConfigurationError
from trivet.rules import visible

pytestmark = pytest.mark.anyio

WORK = "/admin/borrowed/work"
TYPED = {
    "pk_attribute": "70",
    "full_clean_attribute": "pure",
    "DoesNotExist_attribute": "on",
    "of_two": "two",
    "_state_attribute": "used",
    "resolve_expression_attribute": "x",
    "get_absolute_url_attribute": "/y",
    "maker_id": "somebody",
    "buyer": "anybody",
}


@pytest.fixture
async def artists(borrowed_house: House) -> None:
    await borrowed_house.write(
        "DELETE FROM borrowed_artist_work",
        "DELETE FROM borrowed_work_work",
        "DELETE FROM borrowed_work",
        "DELETE FROM borrowed_artist",
        "INSERT INTO borrowed_artist (id, name) VALUES (101, 'Ada'), (102, 'Bo'), (103, 'Cy')",
    )


async def test_attributes_with_names_of_djangos_own_are_written_read_and_noted_as_any_other(
    borrowed_house: House, borrowed_boss: Visitor, artists: None
) -> None:
    people = {"save_attribute": "101", "delete_attribute": "102", "maker": "103"}
    people["buyer_attribute"] = "101"
    page = await borrowed_boss.edit(f"{WORK}/add/", **TYPED, **people, by=["102", "103"])
    assert page.status == 302, page.words
    ((key, *row),) = await borrowed_house.rows(
        'SELECT id, pk, full_clean, state, "DoesNotExist", of__two, resolve_expression, '
        "get_absolute_url, save_id, delete_id, maker, maker_id, buyer, buyer_id FROM borrowed_work"
    )
    assert row[:3] == [70, "pure", "used"]
    assert bool(row[3])
    assert row[4:] == ["two", "x", "/y", 101, 102, 103, "somebody", "anybody", 101]
    links = "SELECT artist_id FROM borrowed_artist_work ORDER BY artist_id"
    assert await borrowed_house.rows(links) == [(102,), (103,)]
    page = await borrowed_boss.edit(
        f"{WORK}/{key}/change/", full_clean_attribute="purer", by=["101"]
    )
    assert page.status == 302, page.words
    updates = await borrowed_house.rows(
        "SELECT changes FROM trivet_audit_entry WHERE table_name = 'borrowed_work' "
        "AND kind = 'update' AND row_key = :key",
        key=str(key),
    )
    noted = [msgspec.json.decode(changes) for (changes,) in updates]
    assert {"full_clean": {"from": "pure", "to": "purer"}} in noted
    assert {name for changes in noted for name in changes} == {"full_clean", "by_"}
    assert await borrowed_house.rows(links) == [(101,)]


async def test_people_read_the_names_of_the_mapped_class(
    borrowed_boss: Visitor, artists: None
) -> None:
    page = await borrowed_boss.get(f"{WORK}/add/")
    for label in ("Pk:", "Full clean:", "State:", "Of two:", "Delete:", "Buyer:", "By:"):
        assert label in page.words
    assert "ttribute:" not in page.words
    page = await borrowed_boss.send(
        page, **{**TYPED, "full_clean_attribute": "dirty", "of_two": "dirty"}
    )
    assert page.error_at("full_clean_attribute") == "full_clean is dirty"
    assert page.error_at("of_two") == "of__two is dirty"
    page = await borrowed_boss.send(page, **{**TYPED, "pk_attribute": ""})
    assert page.error_at("pk_attribute") == "This field is required."


async def test_a_list_shows_filters_searches_orders_and_edits_such_attributes(
    borrowed_house: House, borrowed_boss: Visitor, artists: None
) -> None:
    await borrowed_house.write(
        'INSERT INTO borrowed_work (id, pk, full_clean, state, "DoesNotExist", of__two, save_id, '
        "maker_id, buyer) VALUES (7, 1, 'first', 's', '0', 'a', 101, '', ''), "
        "(8, 2, 'second', 's', '1', 'b', 102, '', '')",
        "INSERT INTO borrowed_artist_work (artist_id, work_id) VALUES (103, 7)",
    )
    page = await borrowed_boss.get(f"{WORK}/")
    assert "first/1/s" in page.words
    assert page.words.index("second/2/s") < page.words.index("first/1/s")
    for query in (
        *("q=Ada", "q=a", "full_clean_attribute=first"),
        *("by__id__exact=103", "save_attribute__id__exact=101"),
    ):
        found = await borrowed_boss.get(f"{WORK}/?{query}")
        assert ("first/1/s" in found.words, "second/2/s" in found.words) == (True, False), query
    page = await borrowed_boss.send(
        await borrowed_boss.get(f"{WORK}/"), _save="Save", **{"form-0-of_two": "edited"}
    )
    assert page.status == 302, page.words
    stored = await borrowed_house.rows("SELECT of__two FROM borrowed_work ORDER BY id")
    assert stored == [("a",), ("edited",)]
    page = await borrowed_boss.get(f"{WORK}/7/change/")
    assert "work first a by ['Cy']" in page.words  # its text asks the relation


async def test_such_relations_are_found_and_left_from_their_other_side(
    borrowed_house: House, borrowed_boss: Visitor, artists: None
) -> None:
    await borrowed_house.write(
        'INSERT INTO borrowed_work (id, pk, full_clean, state, "DoesNotExist", of__two, save_id, '
        "maker_id, buyer) VALUES (109, 9, 'x', 's', '0', 'a', 103, '', '')",
        "INSERT INTO borrowed_artist_work (artist_id, work_id) VALUES (101, 109)",
    )
    for query, name in (
        ("q=cy", "Ada"),
        ("objects_attribute__full_clean_attribute=x", "Ada"),
        ("refresh_from_db_attribute__of_two=a", "Cy"),
    ):
        page = await borrowed_boss.get(f"/admin/borrowed/artist/?{query}")
        assert page.status == 200, page.words
        assert f" {name} " in page.words, query
        assert " Bo " not in page.words, query
    page = await borrowed_boss.edit(f"{WORK}/109/change/", check_attribute=["109"])
    assert page.status == 302, page.words
    assert await borrowed_house.rows("SELECT * FROM borrowed_work_work") == [(109, 109)]
    page = await borrowed_boss.edit("/admin/borrowed/artist/101/delete/")
    assert page.status == 302, page.words
    assert await borrowed_house.rows("SELECT * FROM borrowed_artist_work") == []


async def test_classes_of_one_name_have_a_page_each(
    borrowed_house: House, borrowed_boss: Visitor
) -> None:
    names = ("bill", "bill_borrowed_bill", "bill_borrowed_billing_bill")
    tables = ("borrowed_BILL_2", "borrowed_bill", "borrowed_billing_bill")
    for name, table in zip(names, tables, strict=True):
        page = await borrowed_boss.edit(f"/admin/borrowed/{name}/add/", name=table[-12:])
        assert page.status == 302, page.words
        assert await borrowed_house.rows(f'SELECT name FROM "{table}"') == [(table[-12:],)]
        assert table[-12:] in (await borrowed_boss.get(f"/admin/borrowed/{name}/")).words
    page = await borrowed_boss.edit("/admin/borrowed/bill/1/change/", bill="1")
    assert page.status == 302, page.words
    page = await borrowed_boss.edit(
        "/admin/borrowed/bill_borrowed_billing_bill/1/change/", copy_of="1"
    )
    assert page.status == 302, page.words
    assert await borrowed_house.rows('SELECT bill_id FROM "borrowed_BILL_2"') == [(1,)]
    assert await borrowed_house.rows("SELECT copy_of_id FROM borrowed_billing_bill") == [(1,)]


async def test_a_table_in_a_schema_is_the_one_that_sqlalchemy_writes(
    borrowed_house: House, borrowed_boss: Visitor, process_database_url: str
) -> None:
    from tests.admin.borrowed.models import Drawer
    from trivet_admin import ModelAdmin, register

    if process_database_url.startswith("sqlite"):
        with pytest.raises(ConfigurationError) as refused:
            register(Drawer)(ModelAdmin)
        said = refused.value.detail
        assert [each for each in ("Drawer", "borrowed store", "Cure") if each not in said] == []
        return
    await borrowed_house.write(
        "INSERT INTO \"borrowed store\".borrowed_drawer (id, name) VALUES (101, 'top')",
        "INSERT INTO public.borrowed_drawer (id, name) VALUES (101, 'of nobody')",
    )
    drawers = "/admin/borrowed/drawer"
    assert (await borrowed_boss.get(f"{drawers}/101/change/")).form["name"] == "top"
    assert (await borrowed_boss.edit(f"{drawers}/101/change/", name="upper")).status == 302
    assert (await borrowed_boss.edit(f"{drawers}/add/", name="inner", inside="101")).status == 302
    page = await borrowed_boss.get(f"{drawers}/?inside__id__exact=101")
    assert "inner" in page.words
    assert "upper" in (await borrowed_boss.get(f"{drawers}/101/history/")).words
    stored = 'SELECT name, inside_id FROM "borrowed store".borrowed_drawer ORDER BY name'
    assert await borrowed_house.rows(stored) == [("inner", 101), ("upper", None)]
    assert await borrowed_house.rows("SELECT name FROM public.borrowed_drawer") == [("of nobody",)]


async def test_rules_of_visibility_hold_over_a_table_in_a_schema(borrowed_house: House) -> None:
    """On SQLite, which has none, over a table without."""
    from tests.admin.borrowed.models import Artist, Drawer

    has_schemas = borrowed_house.platform.database.engine.dialect.name == "postgresql"
    mapped: Any = Drawer if has_schemas else Artist
    table = '"borrowed store".borrowed_drawer' if has_schemas else "borrowed_artist"

    @visible(mapped)
    def one(_actor: Identity) -> Any:
        return mapped.id == 701

    declare(borrowed_house, one)
    await borrowed_house.write(f"INSERT INTO {table} (id, name) VALUES (701, 'a'), (702, 'b')")
    async with borrowed_house.visit() as boss:
        page = f"/admin/borrowed/{mapped.__name__.lower()}/"
        assert (await boss.get(page)).chosen == ["701"]
