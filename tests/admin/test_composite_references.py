"""References to rows whose key has several columns, in forms, lists and filters of the admin."""

import re
from html import unescape
from typing import Any
from urllib.parse import unquote

import pytest
from sqlalchemy import text

from tests.admin.house import House, Visitor
from tests.admin.keyed.models import Remark
from tests.admin.keyed_rows import (
    ODD,
    PACKING,
    PARCEL,
    REMARK,
    TEA,
    entries,
    filled,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def boss(keyed_house: House) -> Any:
    async with filled(keyed_house) as boss:
        yield boss


async def test_a_row_is_referred_to_as_a_whole(keyed_house: House, boss: Visitor) -> None:
    stored = "SELECT text, parcel_id, ware_code FROM keyed_remark ORDER BY id"
    page = await boss.get(f"{REMARK}/add/")
    assert {"text", "packing"} <= page.fields
    assert {"parcel_id", "ware_code"}.isdisjoint(page.fields)
    assert page.options["packing"] == {"", "101~tea", "101~a!7Eb!21c!2C_5Fd/e", "102~tea"}
    for key in ("101", "101~none", "~", "\x00~tea", f"{10**30}~tea"):
        refused = await boss.send(page, text="x", packing=key)
        assert "Select a valid choice" in refused.error_at("packing"), key
    sent = await boss.send(page, text="first", packing="101~a!7Eb!21c!2C_5Fd/e")
    assert sent.status == 302, sent.words
    sent = await boss.send(page, text="second", packing="")
    assert sent.status == 302, sent.words
    assert await keyed_house.rows(stored) == [("first", 101, ODD), ("second", None, None)]
    listed = await boss.get(f"{REMARK}/")
    assert "packing 101~a!7Eb!21c!2C_5Fd/e" in listed.words
    first, second = sorted(map(int, listed.chosen))
    count = len(await entries(keyed_house, "keyed_remark"))
    assert (await boss.edit(f"{REMARK}/{first}/change/")).status == 302  # as it was shown
    assert len(await entries(keyed_house, "keyed_remark")) == count
    assert (await boss.edit(f"{REMARK}/{first}/change/", packing="")).status == 302
    assert (await boss.edit(f"{REMARK}/{second}/change/", packing="102~tea")).status == 302
    assert await keyed_house.rows(stored) == [("first", None, None), ("second", 102, "tea")]
    asked = await boss.get(f"{PACKING}/102~tea/delete/")
    assert "Remark: " in asked.words
    assert (await boss.send(asked, post="yes")).status == 302
    assert await keyed_house.rows(stored) == [("first", None, None)]


async def test_a_reference_may_be_part_of_the_key(keyed_house: House, boss: Visitor) -> None:
    page = await boss.edit("/admin/keyed/pack/add/", packing="101~tea", number="4")
    assert page.status == 302, page.words
    page = await boss.get("/admin/keyed/pack/101~tea~4/change/")
    assert page.fields == {"weight"}
    assert f'href="{TEA}/change/"' in page.text
    assert (await boss.send(page, weight="9", packing="102~tea")).status == 302
    assert await keyed_house.rows("SELECT * FROM keyed_pack") == [(101, "tea", 4, 9)]
    assert (await boss.edit(f"{TEA}/delete/")).status == 302
    assert await keyed_house.rows("SELECT * FROM keyed_pack") == []


async def test_a_row_of_a_subclass_refers_and_is_referred_to_as_a_whole(
    keyed_house: House, boss: Visitor
) -> None:
    crate, nail = "/admin/keyed/crate", "/admin/keyed/nail"
    page = await boss.edit(f"{crate}/add/", hall="east", number="7", packing="101~tea")
    assert page.status == 302, page.words
    page = await boss.get(f"{nail}/add/")
    assert page.options["crate"] == {"", "east~7"}
    assert (await boss.send(page, crate="east~7")).status == 302
    asked = await boss.get(f"{TEA}/delete/")
    assert "Crates" not in asked.words.partition("Are you sure")[2]  # it stays, and refers to none
    assert (await boss.send(asked, post="yes")).status == 302
    stored = "SELECT hall, number, parcel_id, ware_code FROM keyed_crate"
    assert await keyed_house.rows(stored) == [("east", 7, None, None)]
    noted = await entries(keyed_house, "keyed_crate")
    assert noted[-2:] == [("insert", "east~7"), ("update", "east~7")]
    asked = await boss.get(f"{crate}/east~7/delete/")
    assert "Nails: 1" in asked.words
    assert (await boss.send(asked, post="yes")).status == 302
    assert await keyed_house.value("SELECT count(*) FROM keyed_nail") == 0
    assert (await entries(keyed_house, "keyed_nail"))[-1][0] == "delete"


async def test_references_that_share_a_column_agree(keyed_house: House, boss: Visitor) -> None:
    path = "/admin/keyed/label"
    page = await boss.edit(f"{path}/add/", parcel="102", number="1", packing="101~tea")
    assert page.error_at("packing") == "This one belongs to another parcel."
    page = await boss.send(page, packing="102~tea")
    assert page.status == 302, page.words
    page = await boss.edit(f"{path}/102~1/change/", packing="")
    assert page.status == 302, page.words
    assert await keyed_house.rows("SELECT * FROM keyed_label") == [(102, 1, None)]
    page = await boss.edit(f"{path}/102~1/change/", packing="101~tea")
    assert "This one belongs to another parcel." in page.words
    page = await boss.edit(f"{path}/102~1/change/", packing="102~tea")
    assert page.status == 302, page.words
    asked = await boss.get(f"{PACKING}/102~tea/delete/")
    assert "would require deleting the following protected" in asked.words


async def test_a_list_is_filtered_by_rows_that_refer_to_it(boss: Visitor) -> None:
    page = await boss.get(f"{PARCEL}/")
    assert page.status == 200
    queries = re.findall(r'href="\?(packings__pk__exact=[^"]*)"', page.text)
    assert len(queries) == 3
    for query in queries:
        found = await boss.get(f"{PARCEL}/?{unescape(query)}")
        assert found.chosen == [unquote(query).partition("=")[2][:3]], query


async def test_a_filter_by_several_columns_is_refused_at_the_start(boss: Visitor) -> None:
    from django.contrib import admin

    from tests.admin.keyed.admin import RemarkAdmin
    from trivet_admin.mirror.registry import mirror

    faulty = type("Faulty", (RemarkAdmin,), {"list_filter": ("packing",)})
    (fault,) = faulty(mirror(Remark), admin.site).check()
    assert fault.hint == "Filter by its columns: 'parcel_id', 'ware_code'."


async def test_the_key_of_one_row_among_many_is_typed(keyed_house: House, boss: Visitor) -> None:
    from trivet_admin.site.sizes import sizes

    async with keyed_house.platform.database.engine.begin() as connection:
        for number in range(1000, 1301):
            ids = {"id": number}
            parcel = "INSERT INTO keyed_parcel (id, name) VALUES (:id, 'many')"
            await connection.execute(text(parcel), ids)
            packing = (
                "INSERT INTO keyed_packing (parcel_id, ware_code, pieces, version) "
                "VALUES (:id, 'tea', 1, 1)"
            )
            await connection.execute(text(packing), ids)
    sizes.forget()
    page = await boss.get(f"{REMARK}/add/")
    assert "packing" not in page.options
    refused = await boss.send(page, text="x", packing="1300~coffee")
    assert "Select a valid choice" in refused.error_at("packing")
    sent = await boss.send(page, text="x", packing="1300~tea")
    assert sent.status == 302, sent.words
    assert await keyed_house.rows("SELECT parcel_id FROM keyed_remark") == [(1300,)]
    sizes.forget()
