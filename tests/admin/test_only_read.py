"""Classes on views, on queries, and on tables of others: their pages show, and nothing is saved."""

from collections.abc import Callable
from typing import Any

import django
import pytest
from sqlalchemy import text

from tests.admin.house import House, Visitor
from tests.admin.lineage.rows import HERE, ROWS, TABLES, listed
from trivet.data.session import UncapturedError

pytestmark = pytest.mark.anyio

MORE = ("east_depot", "west_depot", "ledger", "meter", "gauge")
MORE_ROWS = (
    "INSERT INTO lineage_east_depot (id, name) VALUES (101, 'Pier')",
    "INSERT INTO lineage_west_depot (id, name, gates) VALUES (101, 'Silo', 2), (102, 'Barn', 1)",
    "INSERT INTO lineage_ledger (id, what, gallery_id) VALUES (101, 'rent', 110)",
    "INSERT INTO lineage_meter (id, value) VALUES (101, 7)",
    "INSERT INTO lineage_gauge (id, value) VALUES (101, 7)",
)
READ = {
    "gallerycount": ("110", "lineage_gallery_count is a view"),
    "roomname": ("101", "lineage_room_name is a view"),
    "heavything": ("104", "it is mapped to a query and not to a table"),
    "card": ("104", "it is mapped to a query and not to a table"),
    "rentbook": ("101", 'the table lineage_ledger says info={"read_only": True}'),
    "watermeter": ("101", "the table lineage_meter is external, so other code writes it"),
    "depot": ("102", "it is mapped to a query and not to a table"),
}
"""The models, each with a key and the reason."""


@pytest.fixture
async def boss(lineage_house: House) -> Any:
    emptied = (f"DELETE FROM lineage_{table}" for table in (*MORE, *TABLES))
    await lineage_house.write(*emptied, *ROWS, *MORE_ROWS)
    async with lineage_house.visit() as boss:
        yield boss


LISTS: list[tuple[str, list[str]]] = [
    ("gallerycount/", ["West 1", "East 2"]),
    ("gallerycount/?q=wes", ["West 1"]),
    ("gallerycount/?gallery__id__exact=110", ["East 2"]),
    ("gallerycount/?o=2", ["West 1", "East 2"]),
    ("roomname/?q=foy", ["101 FOYER"]),
    ("heavything/", ["Horse - 100%"]),
    ("heavything/?q=bench", []),
    ("heavything/?gallery_id__isnull=True", ["Horse - 100%"]),
    ("card/", ["Horse 900"]),
    ("card/?o=-2", ["Horse 900"]),
    ("rentbook/", ["rent book 101"]),
    ("watermeter/", ["water meter 101"]),
    ("depot/", ["102 Barn west depot", "101 Pier east depot", "101 Silo west depot"]),
    ("depot/?row_kind=EastDepot", ["101 Pier east depot"]),
    ("depot/?q=a", ["102 Barn west depot"]),
]


async def test_rows_that_are_only_read_are_listed_searched_filtered_and_shown(
    boss: Visitor,
) -> None:
    for address, rows in LISTS:
        page = await boss.get(f"{HERE}/{address}")
        assert (page.status, sorted(listed(page))) == (200, sorted(rows)), address
        assert "/add/" not in page.text.partition('id="content"')[2], address
        assert "delete_selected" not in page.text, address
    for name, (key, _) in READ.items():
        page = await boss.get(f"{HERE}/{name}/{key}/change/")
        if name == "depot":  # whose rows have pages of their own
            assert page.headers["location"] == f"{HERE}/westdepot/102/change/"
            continue
        assert (page.status, page.fields, "_save" in page.text) == (200, set(), False), name
        page = await boss.get(f"{HERE}/{name}/{key}/history/")
        assert page.status == 200, name
    page = await boss.get(f"{HERE}/gallerycount/110/change/")
    assert "2 there" in page.words


async def test_nobody_saves_or_deletes_what_is_only_read_and_everybody_is_told_why(
    lineage_house: House, boss: Visitor
) -> None:
    for name, (key, reason) in READ.items():
        there = f"{HERE}/{name}"
        page = await boss.get(f"{HERE}/rentbook/101/history/")
        for place in ("add/", f"{key}/change/", f"{key}/delete/"):
            page.path = f"{there}/{place}"
            token = (await boss.get(f"{HERE}/watermeter/101/change/")).form
            page.form = {**token, "value": "8", "name": "x", "post": "yes"}
            refused = await boss.send(page)
            assert refused.status == 403, (name, place)
            assert f"{reason}." in refused.words, (name, place)
    page = await boss.get(f"{HERE}/card/")
    page = await boss.send(page, **{"form-0-weight": "1", "_save": "Save"})
    assert await lineage_house.value("SELECT weight FROM lineage_sculpture") == 900
    assert await lineage_house.value("SELECT value FROM lineage_meter") == 7


@pytest.mark.skipif(django.VERSION < (6, 1), reason="before 6.1 only lists have actions")
async def test_an_action_of_its_form_may_look_at_a_row_that_is_only_read(
    boss: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.apps import apps
    from django.contrib import admin

    def count(model_admin: Any, request: Any, queryset: Any) -> None:
        model_admin.message_user(request, f"Counted: {[row.pk for row in queryset]}.")

    at_the_form: Any = {"location": admin.ActionLocation.CHANGE_FORM}
    model_admin = admin.site.get_model_admin(apps.get_model("lineage", "RentBook"))
    monkeypatch.setattr(model_admin, "actions", (admin.action(**at_the_form)(count),))
    page = await boss.get(f"{HERE}/rentbook/101/change/")
    sent = await boss.send(page, **{"CHANGE_FORM-action": "count"})
    assert sent.status == 302, sent.words
    assert "Counted: [101]." in (await boss.get(sent.headers["location"])).words
    refused = await boss.send(page, **{"CHANGE_FORM-action": "count", "_save": "Save"})
    assert refused.status == 403, refused.words


async def test_a_table_of_others_may_be_written_if_it_says_so(
    lineage_house: House, boss: Visitor
) -> None:
    assert (await boss.edit(f"{HERE}/raingauge/101/change/", value="8")).status == 302
    assert await lineage_house.value("SELECT value FROM lineage_gauge") == 8


async def test_an_inline_of_rows_that_are_only_read_shows_them_in_a_form_that_is_saved(
    lineage_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{HERE}/gallery/110/change/")
    assert "rent" in page.words
    assert not {name for name in page.fields if name.startswith("rentbook")}
    assert (await boss.send(page, name="North")).status == 302
    assert await lineage_house.value("SELECT name FROM lineage_gallery WHERE id = 110") == "North"
    # What is counted changes by itself, and its rows keep nobody from being deleted.
    await lineage_house.write("UPDATE lineage_exhibit SET gallery_id = NULL")
    await lineage_house.write("UPDATE lineage_ledger SET gallery_id = NULL")
    page = await boss.get(f"{HERE}/gallery/110/delete/")
    assert "gallery count" not in page.words.lower().partition("are you sure")[2]
    assert (await boss.send(page)).status == 302


async def test_neither_django_nor_a_service_writes_what_is_only_read(lineage_house: House) -> None:
    from tests.admin.lineage.models import GalleryCount, RentBook, WaterMeter

    for row in (
        GalleryCount(gallery_id=1, number=2),
        RentBook(id=1, what="x"),
        WaterMeter(value=2),
    ):
        with pytest.raises(UncapturedError, match=f"{type(row).__name__} is only read: "):
            async with lineage_house.platform.database.unit() as session:
                session.add(row)


def test_a_write_by_djangos_orm_is_refused_with_the_reason(built_lineage_house: House) -> None:
    from django.db import NotSupportedError, transaction

    from tests.admin.lineage.models import RoomName
    from trivet_admin.mirror.registry import mirror

    names: Any = mirror(RoomName).objects
    works: list[Callable[[], Any]] = [
        lambda: names.create(id=1, name="x"),
        lambda: names.update(name="x"),
        lambda: names.all().delete(),
    ]
    for work in works:
        refused = pytest.raises(NotSupportedError, match="lineage_room_name is a view")
        with refused, transaction.atomic():
            work()


async def test_a_raw_write_through_a_view_is_as_refused_as_one_to_a_table(
    lineage_house: House,
) -> None:
    async with lineage_house.platform.database.unit() as session:
        with pytest.raises(UncapturedError, match="lineage_room_name"):
            await session.execute(text("UPDATE lineage_room_name SET name = 'x'"))
