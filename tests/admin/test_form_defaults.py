"""What a form shows of a new row, and what it leaves to SQLAlchemy and to the database."""

from typing import Any

import pytest

from tests.admin.house import House, Visitor

pytestmark = pytest.mark.anyio

PAGE = "/admin/assorted/habit"
NEWEST = "SELECT {} FROM assorted_habit ORDER BY id DESC LIMIT 1"


@pytest.fixture
async def boss(assorted_house: House) -> Any:
    async with assorted_house.visit() as boss:
        yield boss


async def test_a_box_begins_as_the_database_would_fill_it(
    assorted_house: House, boss: Visitor
) -> None:
    """An unchecked box is a given value, so a form that nobody touched would store it."""
    names = ("on_by_function", "on_by_text", "on_by_number", "off_by_function", "off_by_text")
    page = await boss.edit(f"{PAGE}/add/", title="Box")
    assert page.status == 302, page.words
    (row,) = await assorted_house.rows(NEWEST.format(", ".join(names)))
    assert [bool(each) for each in row] == [True, True, True, False, False]
    page = await boss.edit(f"{PAGE}/add/", title="Box", on_by_text=None)
    (row,) = await assorted_house.rows(NEWEST.format("on_by_text, on_by_number"))
    assert [bool(each) for each in row] == [False, True]


async def test_a_default_that_looks_at_the_row_is_left_to_sqlalchemy(
    assorted_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{PAGE}/add/")
    assert (page.form["slug"], page.form["made"]) == ("", "in Python")
    page = await boss.send(page, title="ABC")
    assert page.status == 302, page.words
    assert await assorted_house.rows(NEWEST.format("slug, made")) == [("abc", "in Python")]
    await boss.edit(f"{PAGE}/add/", title="ABC", slug="given")
    assert await assorted_house.value(NEWEST.format("slug")) == "given"


async def test_a_default_that_is_taken_out_of_the_form_is_null(
    assorted_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{PAGE}/add/")
    assert page.form["weekly"] == "7"
    for given, stored in (("7", 7), ("", None)):
        sent = await boss.send(page, title="Often", weekly=given)
        assert sent.status == 302, sent.words
        assert await assorted_house.value(NEWEST.format("weekly")) == stored


async def test_an_empty_document_of_a_default_is_a_value(
    assorted_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{PAGE}/add/")
    assert (page.form["settings"], page.form["labels"]) == ("{}", "[]")
    page = await boss.send(page, title="Empty")
    assert page.status == 302, page.words
    key = await assorted_house.value(NEWEST.format("id"))
    page = await boss.edit(f"{PAGE}/{key}/change/", title="Renamed")
    assert page.status == 302, page.words
    page = await boss.edit(f"{PAGE}/{key}/change/", settings="")
    assert page.error_at("settings") == "This field is required."


async def test_an_index_over_some_rows_leaves_the_others_free(
    assorted_house: House, boss: Visitor
) -> None:
    await boss.edit(f"{PAGE}/add/", title="Parent")
    parent = str(await assorted_house.value(NEWEST.format("id")))
    for _ in range(2):
        page = await boss.edit(f"{PAGE}/add/", title="Free", email="b@x", parent=parent)
        assert page.status == 302, page.words
    page = await boss.edit(f"{PAGE}/add/", title="Held", email="b@x", active="on")
    assert page.status == 302, page.words
    page = await boss.edit(f"{PAGE}/add/", title="Held", email="b@x", active="on")
    assert page.status == 200
    assert page.error_at("email")


async def test_an_assertion_of_a_validator_is_told_at_its_field(boss: Visitor) -> None:
    page = await boss.edit(f"{PAGE}/add/", title="No", email="nowhere")
    assert (page.status, page.error_at("email")) == (200, "no address")


async def test_a_key_of_a_decorated_type_finds_its_row_and_what_refers_to_it(
    assorted_house: House, boss: Visitor
) -> None:
    owners, pets = "/admin/assorted/owner", "/admin/assorted/pet"
    for name in ("Ada", "Bob"):
        page = await boss.edit(f"{owners}/add/", name=name)
        assert page.status == 302, page.words
    page = await boss.get(f"{pets}/add/")
    choices = page.options["owner"] - {""}
    assert len(choices) == 2
    page = await boss.get(f"{owners}/")
    keys = [key for key in choices if f"/{key}/change/" in page.text]
    assert len(keys) == 2
    born = {"born_0": "2020-01-02", "born_1": "03:04:05"}
    page = await boss.edit(f"{pets}/add/", name="Rex", owner=keys[0], **born)
    assert page.status == 302, page.words
    page = await boss.get(f"{pets}/?owner__id__exact={keys[0]}")
    assert f"{pets}/Rex/change/" in page.text
    page = await boss.get(f"{pets}/Rex/change/")
    assert (page.status, page.form["owner"]) == (200, keys[0])
    page = await boss.send(page, owner=keys[1])
    assert page.status == 302, page.words
    for key, count in zip(keys, ("0 pets", "1 pet"), strict=True):
        page = await boss.get(f"{pets}/?owner__id__exact={key}")
        assert count in page.words
    page = await boss.edit(f"{owners}/{keys[1]}/delete/")
    assert page.status == 302, page.words
    assert await assorted_house.rows("SELECT name FROM assorted_pet") == []
    for wrong in ("x", "_00", "1" * 40):
        assert (await boss.get(f"{owners}/{wrong}/change/")).status == 302
        assert (await boss.get(f"{pets}/{wrong}/change/")).status == 302
        assert (await boss.get(f"{pets}/?owner__id__exact={wrong}")).status == 302
