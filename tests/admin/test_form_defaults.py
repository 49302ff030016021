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
