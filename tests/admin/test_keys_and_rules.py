"""Keys that somebody typed, and the rules of relationships, in forms of the admin."""

import re
from typing import Any

import pytest
from sqlalchemy import text

from tests.admin.house import House, Visitor

pytestmark = pytest.mark.anyio

HALL, SEAT, TOUR = (f"/admin/borrowed/{name}" for name in ("hall", "seat", "tour"))


@pytest.fixture
async def boss(borrowed_house: House) -> Any:
    statements = (
        *(f"DELETE FROM borrowed_{table}" for table in ("tour", "seat", "hall")),
        "INSERT INTO borrowed_hall (code, name) VALUES ('A/1', 'large'), ('B', 'full')",
        "INSERT INTO borrowed_seat (code, name, hall_code) VALUES ('s_1', 'left', 'A/1'), "
        "('s_2', 'right', 'A/1')",
        "INSERT INTO borrowed_tour (id, name, hall_code) VALUES (101, 'north', 'A/1'), "
        "(102, 'south', 'B')",
    )
    async with borrowed_house.platform.database.engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement))
    async with borrowed_house.visit() as boss:
        yield boss


async def test_a_key_that_was_typed_stays_as_it_was(borrowed_house: House, boss: Visitor) -> None:
    page = await boss.get(f"{SEAT}/s_5F1/change/")
    assert "s_1" in page.words
    assert "code" not in page.fields  # it is shown, and not asked for
    page = await boss.send(page, code="s_9", name="moved")
    assert page.status == 302, page.words
    page = await boss.edit(f"{HALL}/A_2F1/change/", code="C", name="larger")
    assert page.status == 302, page.words
    assert await borrowed_house.rows("SELECT * FROM borrowed_hall ORDER BY code") == [
        ("A/1", "larger"),
        ("B", "full"),
    ]
    assert await borrowed_house.rows("SELECT * FROM borrowed_seat ORDER BY code") == [
        ("s_1", "moved", "A/1"),
        ("s_2", "right", "A/1"),
    ]


async def test_a_row_in_another_form_shows_its_key_and_a_new_one_is_given_one(
    borrowed_house: House, boss: Visitor
) -> None:
    page = await boss.get(f"{HALL}/A_2F1/change/")
    first = next(name for name, value in page.form.items() if value == "s_1")
    assert re.search(rf'name="{first}"[^>]* readonly', page.text)
    prefix = first.removesuffix("0-code")
    new = {f"{prefix}2-code": "s_3", f"{prefix}2-name": "new"}
    page = await boss.send(page, **{f"{prefix}0-name": "kept"}, **new)
    assert page.status == 302, page.words
    seats = await borrowed_house.rows("SELECT code, name FROM borrowed_seat ORDER BY code")
    assert seats == [("s_1", "kept"), ("s_2", "right"), ("s_3", "new")]


async def test_a_key_with_blanks_stays_whole_among_other_rows(
    borrowed_house: House, boss: Visitor
) -> None:
    async with borrowed_house.platform.database.engine.begin() as connection:
        insert = "INSERT INTO borrowed_seat (code, name, hall_code) VALUES (' s ', 'x', 'B')"
        await connection.execute(text(insert))
    page = await boss.get(f"{HALL}/B/change/")
    name = next(name for name, value in page.form.items() if value == "x")
    page = await boss.send(page, **{name: "y"})
    assert page.status == 302, page.words
    seats = "SELECT code, name FROM borrowed_seat WHERE hall_code = 'B'"
    assert await borrowed_house.rows(seats) == [(" s ", "y")]


async def test_a_rule_is_told_together_with_what_else_is_wrong(boss: Visitor) -> None:
    page = await boss.edit(f"{TOUR}/add/", name="", hall="B", after="north")
    assert page.error_at("name") == "This field is required."
    assert page.error_at("after") == "that one is in another hall"


RULES: dict[str, tuple[str, dict[str, str], str]] = {
    "a new row": (f"{TOUR}/add/", {"name": "x", "hall": "B", "after": "north"}, "that one is in"),
    "a row that is there": (f"{TOUR}/102/change/", {"after": "north"}, "that one is in another"),
    "a collection": (f"{SEAT}/add/", {"code": "s", "name": "x", "hall_code": "B"}, "no seat is"),
    "another collection": (f"{SEAT}/s_5F2/change/", {"hall_code": "B"}, "no seat is left"),
}


@pytest.mark.parametrize("case", RULES)
async def test_the_rule_of_a_relationship_is_told_at_the_foreign_key(
    borrowed_house: House, boss: Visitor, case: str
) -> None:
    path, typed, sentence = RULES[case]
    count = "SELECT (SELECT count(*) FROM borrowed_tour), (SELECT count(*) FROM borrowed_seat)"
    before = await borrowed_house.rows(count)
    page = await boss.edit(path, **typed)
    assert page.status == 200
    assert page.error_at(list(typed)[-1]).startswith(sentence), page.words
    assert await borrowed_house.rows(count) == before


async def test_a_rule_sees_the_rows_that_are_there_and_lets_others_pass(
    borrowed_house: House, boss: Visitor
) -> None:
    for name in ("one", "two"):
        page = await boss.edit(f"{TOUR}/add/", name=name, hall="A/1", after="north")
        assert page.status == 302, page.words
    page = await boss.edit(f"{TOUR}/add/", name="three", hall="A/1", after="north")
    assert page.error_at("after") == "two come after it already"
    stored = "SELECT name, after_name FROM borrowed_tour WHERE id NOT IN (101, 102) ORDER BY name"
    assert await borrowed_house.rows(stored) == [("one", "north"), ("two", "north")]


async def test_what_no_form_writes_obeys_the_rule_too(borrowed_house: House, boss: Visitor) -> None:
    import anyio.to_thread

    def write() -> None:
        from django.apps import apps
        from django.db import connections

        tours: Any = apps.get_model("borrowed", "Tour")
        try:
            tours.objects.filter(name="south").update(after="north")
        finally:
            connections.close_all()

    from django.core.exceptions import ValidationError

    with pytest.raises(ValidationError, match="that one is in another hall"):
        await anyio.to_thread.run_sync(write)
    stored = "SELECT after_name FROM borrowed_tour WHERE name = 'south'"
    assert await borrowed_house.rows(stored) == [(None,)]
