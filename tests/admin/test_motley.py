"""Classes of strangers in the admin, with odd names, versions, defaults and references."""

import re
from typing import Any

import pytest

from tests.admin.house import House

pytestmark = pytest.mark.anyio

PIPE = "/admin/motley/pipe"
PIPES = 'SELECT "the ""label""", "100%", "next ""%""" FROM "6"" pipes (100%)" ORDER BY "No."'
VERSIONED = ["bytime", "bytoken", "bytext"]


async def test_names_may_have_quotes_and_percent_signs(motley_house: House) -> None:
    async with motley_house.visit() as boss:
        first = await boss.edit(f"{PIPE}/add/", label="a", filled="5%", placed="%s")
        second = await boss.edit(f"{PIPE}/add/", label="b", next="1")
        assert (first.status, second.status) == (302, 302), second.words
        listed = await boss.get(f"{PIPE}/?q=a&filled=5%25")
        assert "1 pipe" in listed.words
        assert (await boss.edit(f"{PIPE}/2/change/", filled="x")).status == 302
        assert await motley_house.rows(PIPES) == [("a", "5%", None), ("b", "x", 1)]
        asked = await boss.get(f"{PIPE}/1/delete/")
        assert asked.status == 200
        assert (await boss.edit(f"{PIPE}/2/delete/", post="yes")).status == 302
    assert await motley_house.rows(PIPES) == [("a", "5%", None)]


@pytest.mark.parametrize("name", VERSIONED)
async def test_a_version_may_be_of_any_type(motley_house: House, name: str) -> None:
    page = f"/admin/motley/{name}"
    stored = f"SELECT name FROM motley_{name.replace('by', 'by_')}"
    async with motley_house.visit() as boss:
        added = await boss.edit(f"{page}/add/", name="first")
        assert added.status == 302, added.words
        mine, theirs = [await boss.get(f"{page}/1/change/") for _ in range(2)]
        assert (await boss.send(mine, name="second")).status == 302
        late = await boss.send(theirs, name="third")
        assert "Someone else changed this" in late.words
        assert await motley_house.rows(stored) == [("second",)]
        assert (await boss.edit(f"{page}/1/change/", name="fourth")).status == 302
        mine, theirs = [await boss.get(f"{page}/") for _ in range(2)]
        sent = await boss.send(mine, **{"form-0-name": "fifth", "_save": "Save"})
        assert sent.status == 302, (mine.form, sent.words)
        late = await boss.send(theirs, **{"form-0-name": "sixth", "_save": "Save"})
    assert "Someone else changed this" in late.words
    assert await motley_house.rows(stored) == [("fifth",)]


async def test_texts_may_refer_to_a_row_that_every_row_needs(motley_house: House) -> None:
    async with motley_house.visit() as boss:
        assert (await boss.get("/admin/motley/box/add/")).status == 200
        assert (await boss.edit("/admin/motley/shelf/add/", hall="A", row="1")).status == 302
        refused = await boss.edit("/admin/motley/box/add/")
        assert refused.error_at("shelf") == "This field is required."
        assert (await boss.edit("/admin/motley/box/add/", shelf="A~1")).status == 302
        assert await motley_house.rows("SELECT hall, row FROM motley_box") == [("A", "1")]
        await motley_house.write(*_without_keys(motley_house, "UPDATE motley_box SET row = '2'"))
        page = await boss.get("/admin/motley/box/1/change/")  # what it refers to is not there
    assert page.status == 200
    assert page.form["shelf"] == ""


def _without_keys(house: House, statement: str) -> list[str]:
    """`statement`, which no foreign key keeps back: as in a database that never had any."""
    if house.platform.database.engine.dialect.name == "postgresql":
        return ["SET LOCAL session_replication_role = replica", statement]
    return ["PRAGMA foreign_keys = OFF", "COMMIT", "PRAGMA foreign_keys = OFF", statement]


async def test_a_field_of_a_dataclass_begins_with_what_its_factory_makes(
    motley_house: House,
) -> None:
    async with motley_house.visit() as boss:
        page = await boss.get("/admin/motley/note/add/")
        assert "id" not in page.form
        assert re.sub(r"\s", "", page.form["numbers"]) == "[1,2]"
        sent = await boss.send(page, name="x")
        assert sent.status == 302, sent.words
    stored: Any = "SELECT name, mood FROM motley_note"
    assert await motley_house.rows(stored) == [("x", "calm")]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("number__in=1,999999999999999999999999999999", {200, 302}),
        ("number__range=1", {400}),
        ("number__range=1,2", {400}),
    ],
)
async def test_an_address_with_an_impossible_value_is_answered(
    motley_house: House, query: str, status: set[int]
) -> None:
    async with motley_house.visit() as boss:
        answer = await boss.http.get(f"{PIPE}/?{query}")
    assert answer.status_code in status


async def test_a_form_knows_the_bounds_of_a_class_of_pydantic(motley_house: House) -> None:
    page = "/admin/motley/hero"
    positive = "it must be greater than or equal to 0"
    async with motley_house.visit() as boss:
        refused = await boss.edit(f"{page}/add/", age="-1")
        assert refused.error_at("name") == "This field is required."
        assert refused.error_at("age") == positive
        assert "In small letters." in refused.words
        assert (await boss.edit(f"{page}/add/", name="anna")).status == 302
        refused = await boss.edit(f"{page}/1/change/", name="Anna", age="-1")
        assert refused.error_at("name") == "it must match pattern '^[a-z]+$'"
        assert refused.error_at("age") == positive
        # What lies in the database already is nobody's fault who edits something else.
        await motley_house.write("UPDATE motley_hero SET name = 'A', age = -3")
        assert (await boss.edit(f"{page}/1/change/", age="7")).status == 302
    assert await motley_house.rows("SELECT name, age FROM motley_hero") == [("A", 7)]
